"""Models in memory as Ollama's scheduler keeps them, each a real GGUF file on the embedded engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_llmroute.backends.embedded.backend import EmbeddedModel
from pytest_llmroute.backends.embedded.files import needed
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply

RELOADS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")
"""Options whose change loads a model again; the effective `shift` does, too."""
FOREVER = 1e9


@dataclass(frozen=True, slots=True)
class Served:
    """A model that the server has: one of the package's own, under any name."""

    gguf: str = "nano"
    capabilities: frozenset[str] = frozenset({"completion", "tools"})
    remote_host: str = ""
    """Set, it is a model of somebody else's, which the server passes on."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """How the server behaves; the defaults are those of a recent release on a machine without a GPU."""

    version: str = "0.30.0"
    max_loaded: int = 3
    max_queue: int = 512
    """Requests that may wait for a load."""
    keep_alive: float = 300.0
    default_context: int = 4096
    load_seconds: float = 0.0
    """Added to each load."""
    piece_seconds: float = 0.0
    """Before each piece of an answer."""
    memory: int | None = None
    """Bytes for one model; more is refused."""
    break_after: int | None = None
    """Pieces of an answer, then an error under status 200."""
    break_with: str = "an error was encountered while running the model: unexpected EOF"
    cut_after: int | None = None
    """Pieces of an answer, or lines of a pull; then the connection is cut."""

    @property
    def number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


class QueueFull(Exception):
    """More requests wait for a load than may."""


class TooLarge(Exception):
    """The model needs more memory than there is."""


class Engine(EmbeddedModel):
    """The embedded engine, with the figures that Ollama tells and we have no use for."""

    def warm(self) -> None:
        with self._lock:
            self._open(None)

    def _body(self, call: Call) -> dict[str, Any]:
        return {**super()._body(call), **({"logprobs": True} if call.logprobs else {})}

    def _reply(self, answer: dict[str, Any], **times: float) -> Reply:
        reply = super()._reply(answer, **times)
        told = answer["ok"]["choices"][0].get("logprobs") or {}
        return reply.with_(logprobs=told.get("content"))


@dataclass(slots=True)
class Runner:
    """A model in memory."""

    name: str
    engine: Engine
    key: tuple[Any, ...]
    keep_alive: float
    busy: int = 0
    expires: float = field(default=FOREVER)

    @property
    def size(self) -> int:
        return needed(self.engine.file, self.engine.context)


class Runners:
    """One load at a time; who needs a resident model passes, all others wait in line."""

    def __init__(self, models: Mapping[str, Served], quirks: Callable[[], Quirks]) -> None:
        self._models, self._quirks = models, quirks
        self._loaded: dict[str, Runner] = {}
        self._changed = threading.Condition()
        self._line = threading.Lock()
        self._waiting = 0
        self.loads: list[str] = []
        """Every load, in order."""
        self.unloads: list[str] = []

    def take(self, name: str, options: Mapping[str, Any], *, shift: bool, keep_alive: float) -> Runner:
        """The model's runner, loaded where it is not there as asked; give it back."""
        key = (*(options.get(option) for option in RELOADS), shift)
        with self._changed:
            runner = self._fitting(name, key, keep_alive)
            if runner is not None:
                return runner
            if self._waiting >= self._quirks().max_queue:
                raise QueueFull
            self._waiting += 1
        try:
            with self._line:
                return self._load(name, key, keep_alive)
        finally:
            self._waiting -= 1

    def give_back(self, runner: Runner, keep_alive: float) -> None:
        with self._changed:
            runner.busy -= 1
            runner.keep_alive = keep_alive
            runner.expires = time.monotonic() + keep_alive
            self._drop_expired()
            self._changed.notify_all()

    def drop(self, name: str) -> None:
        with self._changed:
            if name in self._loaded:
                self._loaded[name].expires = 0.0
            self._drop_expired()

    def resident(self) -> list[Runner]:
        with self._changed:
            self._drop_expired()
            return list(self._loaded.values())

    def close(self) -> None:
        with self._changed:
            for runner in self._loaded.values():
                runner.engine.close()
            self._loaded.clear()

    def _fitting(self, name: str, key: tuple[Any, ...], keep_alive: float) -> Runner | None:
        self._drop_expired()
        runner = self._loaded.get(name)
        if runner is None or runner.key != key:
            return None
        runner.busy += 1
        runner.keep_alive = keep_alive
        return runner

    def _load(self, name: str, key: tuple[Any, ...], keep_alive: float) -> Runner:
        with self._changed:
            runner = self._fitting(name, key, keep_alive)
            if runner is not None:
                return runner
            self._make_room(name)
        quirks = self._quirks()
        context = key[0] or quirks.default_context
        threads = key[RELOADS.index("num_thread")] or 1
        engine = Engine(ModelCard(self._models[name].gguf, "embedded", context=context, threads=threads))
        if quirks.memory is not None and needed(engine.file, engine.context) > quirks.memory:
            raise TooLarge
        time.sleep(quirks.load_seconds)
        engine.warm()
        self.loads.append(name)
        with self._changed:
            runner = self._loaded[name] = Runner(name, engine, key, keep_alive, busy=1)
        return runner

    def _make_room(self, name: str) -> None:
        """Away with the model's own runner of other options; then the idle one whose keep_alive is the shortest."""
        while True:
            own = self._loaded.get(name)
            if own is None and len(self._loaded) < self._quirks().max_loaded:
                return
            victims = [own] if own is not None else list(self._loaded.values())
            idle = [runner for runner in victims if not runner.busy]
            if idle:
                self._unload(min(idle, key=lambda runner: (runner.keep_alive, str(runner.engine.file.path))))
            else:
                self._changed.wait(1.0)

    def _drop_expired(self) -> None:
        for runner in list(self._loaded.values()):
            if not runner.busy and runner.expires <= time.monotonic():
                self._unload(runner)

    def _unload(self, runner: Runner) -> None:
        self._loaded.pop(runner.name)
        runner.engine.close()
        self.unloads.append(runner.name)
