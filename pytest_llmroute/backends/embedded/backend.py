"""The backend `embedded`: any GGUF file on llama.cpp, each model in a worker process of its own."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Iterator
from importlib import util
from typing import Any

from pytest_llmroute.backends.contract import MOST_TOKENS
from pytest_llmroute.backends.embedded.files import ModelFile, find_file, needed, what_fits
from pytest_llmroute.backends.embedded.process import Worker, WorkerGone, WorkerLate, died_of
from pytest_llmroute.backends.memory import gigabytes
from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.processes import available_ram
from pytest_llmroute.core.replies import Call, Reply, Timings, Tokens
from pytest_llmroute.errors import Cause, ModelCallError, UserError

log = logging.getLogger("pytest_llmroute.backends")
PACKAGE = "xllamacpp"
DEFAULT_CONTEXT = 4096
SMALL_CACHE = 16_000_000
"""Bytes of a cache that is kept in full precision; it costs nothing, and tiny models feel the rounding."""
OPEN_WITHIN = 120.0


def has_wheel() -> bool:
    """Whether the engine comes ready made: 64-bit Linux with glibc, macOS, Windows on x86-64."""
    system, machine = platform.system(), platform.machine().lower()
    if system == "Linux":
        return machine in ("x86_64", "aarch64") and platform.libc_ver()[0] == "glibc"
    return (system, machine) in (("Darwin", "arm64"), ("Darwin", "x86_64"), ("Windows", "amd64"))


def missing_engine(card: ModelCard) -> UserError | None:
    """What keeps a model from being opened: no engine, or no file. None where nothing does."""
    if util.find_spec(PACKAGE) is not None:
        try:
            find_file(card)
        except ModelCallError as error:
            fix = 'path = "…/model.gguf" on its card, or path = "ollama:NAME"'
            return UserError(f'model "{card.name}": {error.text}', code=Code.BACKEND, fix=fix)
        return None
    wheel = has_wheel()
    return UserError(
        f'model "{card.name}" needs the engine of the extra "embedded"',
        code=Code.BACKEND,
        means="without it no model can run on this machine without a server"
        if wheel
        else f"there is no wheel of it for {platform.system()} {platform.machine()}: pip would have to compile it",
        fix="pip install 'pytest-llmroute[embedded]'"
        if wheel
        else "a server on this machine: ollama serve, then --llm-profile=ollama",
        instead="--llm-profile=scripted (answers written beforehand), or --llm-plan (asks nobody)",
    )


def expected_memory(card: ModelCard) -> int | None:
    """What a model will take, by its file; None where the file can't be read."""
    try:
        file = find_file(card)
    except ModelCallError:
        return None
    return needed(file, context_of(card, file))


def context_of(card: ModelCard, file: ModelFile) -> int:
    """The card's, or the file's up to a bound; the engine itself rounds up to 256."""
    known = [size for size in (card.context, file.head.context) if size]
    return min([*known, *([] if card.context else [DEFAULT_CONTEXT])])


class EmbeddedModel:
    """One opened model; calls come one after the other, whoever asks."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.file: ModelFile = find_file(card)
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._load_s = 0.0
        self.notes: tuple[str, ...] = ()
        """What the installed release of the engine no longer has."""

    @property
    def context(self) -> int:
        return context_of(self.card, self.file)

    @property
    def threads(self) -> int:
        return self.card.threads or min(4, os.cpu_count() or 1)

    def generate(self, call: Call) -> Reply:
        asked = time.perf_counter()
        with self._lock:
            queued = time.perf_counter() - asked
            left = None if call.timeout is None else max(0.001, call.timeout - queued)
            loaded = self._open(left)
            started = time.perf_counter()
            body = self._body(call)
            answer = self._ask({"do": "chat", "stream": False, "body": body}, left)
            total = time.perf_counter() - started
        sent = {key: value for key, value in body.items() if key not in ("messages", "response_format")}
        reply = self._reply(answer, queued=queued, loaded=loaded, total=queued + loaded + total)
        return reply.with_(sent={**sent, "n_ctx": self.context, "n_threads": self.threads})

    def stream(self, call: Call) -> Iterator[str]:
        """The text piece by piece."""
        with self._lock:
            self._open(call.timeout)
            request = {"do": "chat", "stream": True, "body": self._body(call)}
            assert self._worker is not None
            try:
                for answer in self._worker.stream(request, call.timeout):
                    self._refuse(answer)
                    yield from _deltas(answer.get("piece"))
            except (WorkerLate, WorkerGone) as error:
                raise self._failure(error, call.timeout) from None

    def load(self) -> None:
        with self._lock:
            self._open(None)

    def unload(self) -> None:
        with self._lock:
            self.close()

    def resident(self) -> int:
        """Bytes of its worker's memory."""
        worker = self._worker
        return worker.memory() if worker is not None else 0

    def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _open(self, within: float | None) -> float:
        """Starts the worker where there is none; the seconds that it took."""
        if self._worker is not None:
            return 0.0
        if needed(self.file, self.context) > available_ram():
            raise self._error(Cause.OUT_OF_MEMORY, self._too_large())
        started = time.perf_counter()
        self._worker = Worker()
        request = {
            "do": "open", "path": str(self.file.path), "context": self.context, "threads": self.threads,
            "precise": self.file.head.cache * self.context < SMALL_CACHE,
        }  # fmt: skip
        told = self._ask(request, OPEN_WITHIN if within is None else within)
        self.notes = tuple(told["ok"]["missing"])
        if self.notes:
            version = told["ok"]["version"]
            log.warning(
                "[Embedded] %s %s no longer has %s: its own values hold", PACKAGE, version, ", ".join(self.notes)
            )
        return time.perf_counter() - started

    def _ask(self, request: dict[str, Any], within: float | None) -> dict[str, Any]:
        assert self._worker is not None
        try:
            answer = self._worker.ask(request, within)
        except (WorkerLate, WorkerGone) as error:
            raise self._failure(error, within) from None
        self._refuse(answer)
        return answer

    def _failure(self, error: WorkerLate | WorkerGone, within: float | None) -> ModelCallError:
        """A worker that is gone is forgotten: the next call starts another."""
        self._worker = None
        if isinstance(error, WorkerLate):
            return self._error(Cause.TIMEOUT, f"no answer within {within:.3g} s; its process was ended")
        return self._explained(*_why(error))

    def _explained(self, cause: Cause, text: str) -> ModelCallError:
        """Where memory ran out, also what was needed and what would fit."""
        return self._error(cause, f"{text}; {self._too_large()}" if cause is Cause.OUT_OF_MEMORY else text)

    def _too_large(self) -> str:
        free = available_ram()
        need = f"with a context of {self.context} it takes about {gigabytes(needed(self.file, self.context))}"
        return f"{need}, {gigabytes(free)} are free; {what_fits(self.file, self.context, free)}"

    def _refuse(self, answer: dict[str, Any]) -> None:
        """What the engine could not do, with its cause."""
        if "error" in answer:
            self.close()
            raise self._explained(*_engine_trouble(str(answer["error"])))
        told = answer.get("ok")
        if isinstance(told, dict) and "error" in told:
            error = told["error"]
            if error.get("type") == "exceed_context_size_error":
                asked, size = error.get("n_prompt_tokens"), error.get("n_ctx")
                raise self._error(Cause.CONTEXT, f"the prompt has {asked} tokens, the context holds {size}")
            raise self._error(Cause.BACKEND, str(error.get("message", error)))

    def _error(self, cause: Cause, text: str) -> ModelCallError:
        return ModelCallError(cause, text, model=self.card.name)

    def _body(self, call: Call) -> dict[str, Any]:
        if call.tools:
            raise self._error(Cause.CAPABILITY, "the embedded engine is given no tools")
        settings = call.settings
        temperature = settings.temperature if settings.temperature is not None else 0.0
        body: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in call.messages],
            "max_tokens": settings.max_tokens or min(MOST_TOKENS, self.context),
            "temperature": temperature,
            "top_p": settings.top_p if settings.top_p is not None else 1.0,
            "top_k": 0 if temperature else 1,
            "min_p": 0.0,
            "seed": (settings.seed or 0) & 0xFFFFFFFF,
            "stop": list(settings.stop),
            "cache_prompt": False,
        }
        if call.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": dict(call.schema)},
            }
        if settings.reasoning is not None:
            body["chat_template_kwargs"] = {"enable_thinking": settings.reasoning}
        return body

    def _reply(self, answer: dict[str, Any], *, queued: float, loaded: float, total: float) -> Reply:
        told = answer["ok"]
        choice, usage, spent = told["choices"][0], told["usage"], told.get("timings", {})
        return Reply(
            text=choice["message"].get("content") or "",
            model=self.card.name,
            tokens=Tokens(usage["prompt_tokens"], usage["completion_tokens"]),
            timings=Timings(
                queue=queued,
                load=loaded,
                prefill=spent.get("prompt_ms", 0.0) / 1000,
                decode=spent.get("predicted_ms", 0.0) / 1000,
                total=total,
            ),
            resident=answer.get("rss"),
            finish=choice.get("finish_reason") or "",
            digest=self.file.digest,
            cold=loaded > 0,
        )


def _deltas(piece: Any) -> Iterator[str]:
    chunks = piece if isinstance(piece, list) else [piece]
    for chunk in chunks:
        for choice in (chunk or {}).get("choices") or ():
            if text := choice.get("delta", {}).get("content"):
                yield text


def _why(gone: WorkerGone) -> tuple[Cause, str]:
    """Why the process ended, from its status and last words."""
    signal = died_of(gone.status)
    if signal == "SIGILL":
        return Cause.BACKEND, "the engine needs a processor with AVX2; this one has none (see llmroute doctor)"
    if signal == "SIGKILL":
        return Cause.OUT_OF_MEMORY, "its process was ended from outside, most likely for want of memory"
    return _engine_trouble(gone.words or f"its process ended ({signal or gone.status})")


def _engine_trouble(words: str) -> tuple[Cause, str]:
    lowered = words.lower()
    if "libgomp" in lowered:
        return Cause.BACKEND, "the engine needs the library libgomp.so.1: apt-get install libgomp1"
    if "modulenotfounderror" in lowered and PACKAGE in lowered:
        return Cause.BACKEND, "the engine is not installed: pip install 'pytest-llmroute[embedded]'"
    if "memory" in lowered or "bad_alloc" in lowered:
        return Cause.OUT_OF_MEMORY, "the engine ran out of memory"
    last = next((line for line in reversed(words.splitlines()) if line.strip()), words)
    return Cause.BACKEND, last[:300]
