"""Slots and models in memory as Ollama's scheduler keeps them: counters and timers only, nothing is computed.

Runs on the one thread of the mock server's loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

RELOADS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")
"""Options whose change loads a model again; `shift` does, too."""


class Waiting(Protocol):
    """A call on its way to a model."""

    model: str
    key: tuple[Any, ...]
    keep_alive: float | None
    """Seconds; None where the request does not say."""
    gone: bool
    """Whether nobody waits for it any more."""

    def loaded(self) -> None: ...

    def admitted(self) -> None: ...


@dataclass(slots=True)
class Runner:
    """A model in memory."""

    name: str
    size: int
    key: tuple[Any, ...]
    keep_alive: float
    users: int = 0
    leaving: bool = False
    expires: float = float("inf")


class Slots:
    """So many calls of each model at once, the others in line; 0 is no limit."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._working: dict[str, int] = {}
        self._line: dict[str, deque[Waiting]] = {}
        self.working = self.most = 0

    def take(self, call: Waiting) -> None:
        if self._count and self._working.get(call.model, 0) >= self._count:
            self._line.setdefault(call.model, deque()).append(call)
        else:
            self._start(call)

    def give_back(self, model: str) -> None:
        self._working[model] -= 1
        self.working -= 1
        line = self._line.get(model)
        while line:
            call = line.popleft()
            if not call.gone:
                self._start(call)
                return

    def _start(self, call: Waiting) -> None:
        self._working[call.model] = self._working.get(call.model, 0) + 1
        self.working += 1
        self.most = max(self.most, self.working)
        call.admitted()


@dataclass(slots=True)
class Memory:
    """One load at a time, in the order of asking. Who needs a model that is there passes, unless `strict`."""

    sizes: Mapping[str, int]
    room: int | None
    """Bytes; without it every model is there from the start, and nothing is ever loaded."""
    most: int
    """Models at once."""
    load_seconds: float
    keep_alive: float
    strict: bool
    later: Callable[..., asyncio.TimerHandle]
    loads: list[str] = field(default_factory=list)
    unloads: int = 0
    _there: dict[str, Runner] = field(default_factory=dict)
    _line: deque[Waiting] = field(default_factory=deque)
    _loading: bool = False

    def take(self, call: Waiting) -> None:
        """`call.loaded` is called when the model is in memory; give it back then."""
        if self.room is None or (not (self._line and self.strict) and self._used(call)):
            call.loaded()
        else:
            self._line.append(call)
            self._advance()

    def give_back(self, call: Waiting) -> None:
        runner = self._there.get(call.model)
        if runner is None:
            return
        runner.users -= 1
        runner.expires = time.monotonic() + runner.keep_alive
        if not runner.users and (runner.leaving or not runner.keep_alive):
            self._unload(runner)
        if self._line:
            self._advance()

    def drop(self, model: str) -> None:
        """As soon as nobody uses it."""
        if runner := self._there.get(model):
            runner.leaving, runner.keep_alive = True, 0.0
            if not runner.users:
                self._unload(runner)
            self._advance()

    def resident(self) -> list[Runner]:
        if self.room is None:
            return [Runner(name, size, (), self.keep_alive) for name, size in self.sizes.items()]
        self._drop_expired()
        return list(self._there.values())

    def too_large(self, model: str) -> bool:
        return self.room is not None and self.sizes[model] > self.room

    def _used(self, call: Waiting) -> bool:
        self._drop_expired()
        runner = self._there.get(call.model)
        if runner is None or runner.key != call.key:
            return False
        runner.users += 1
        if call.keep_alive is not None:
            runner.keep_alive = call.keep_alive
        return True

    def _advance(self) -> None:
        """Serves the head of the line; nobody behind it comes before."""
        while self._line and not self._loading:
            call = self._line[0]
            if call.gone or self._used(call):
                self._line.popleft()
                if not call.gone:
                    self.later(0, call.loaded)  # not from here: with a latency of 0 it would come back at once
            elif (victim := self._victim(call)) is None:
                self._loading = True
                self.later(self.load_seconds, self._loaded, call)
            elif victim.users:
                victim.leaving = True
                return
            else:
                self._unload(victim)

    def _victim(self, call: Waiting) -> Runner | None:
        """Who must go first: its own runner of other options, else an idle one, the one of the shortest keep_alive."""
        if own := self._there.get(call.model):
            return own
        taken = sum(runner.size for runner in self._there.values())
        fits = taken + self.sizes[call.model] <= (self.room or 0)
        if not self._there or (fits and len(self._there) < self.most):
            return None
        return min(self._there.values(), key=lambda each: (each.users > 0, each.keep_alive, each.name))

    def _loaded(self, call: Waiting) -> None:
        self._loading = False
        keep_alive = self.keep_alive if call.keep_alive is None else call.keep_alive
        expires = time.monotonic() + keep_alive
        self._there[call.model] = Runner(call.model, self.sizes[call.model], call.key, keep_alive, expires=expires)
        self.loads.append(call.model)
        self._advance()

    def _drop_expired(self) -> None:
        now = time.monotonic()
        for runner in [each for each in self._there.values() if each.expires <= now and not each.users]:
            self._unload(runner)

    def _unload(self, runner: Runner) -> None:
        del self._there[runner.name]
        self.unloads += 1
