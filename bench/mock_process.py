"""The mock server's own process: `mock_process.py PORT SETUP`. Prints its port, and ends when its parent does."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mock_answers as answers
from mock_answers import END, EVENTS, LINES, Table, whole
from mock_models import RELOADS, Memory, Runner, Slots
from mock_server import Fault, Setup

CONTEXT = 4096
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
TRICKLE = 0.1
OPENAI, CHAT, GENERATE = "/v1/chat/completions", "/api/chat", "/api/generate"
BACKLOG = 4096


def seconds_of(value: Any) -> float | None:
    """Ollama's keep_alive: seconds, or a number with its unit; below 0 is for ever."""
    if value is None:
        return None
    if isinstance(value, str):
        number = value.rstrip("hms")
        value = float(number) * UNITS[value[len(number) :] or "s"]
    return float("inf") if value < 0 else float(value)


class Counters:
    """What Stats tells, as it grows."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.there: Counter[str] = Counter()
        self.answers = self.connections = self.in_flight = self.max_in_flight = 0
        self.first_request = self.last_answer = self._since = self._area = 0.0
        self._began = time.process_time()

    def came(self, model: str, now: float) -> None:
        self.calls[model] += 1
        self.there[model] += 1
        self.first_request = self.first_request or now
        self._moved(now, 1)
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def left(self, model: str, now: float, answered: bool) -> None:
        self.there[model] -= 1
        self._moved(now, -1)
        if answered:
            self.answers += 1
            self.last_answer = now

    def _moved(self, now: float, by: int) -> None:
        self._area += self.in_flight * (now - (self._since or now))
        self._since = now
        self.in_flight += by

    def table(self) -> Table:
        window = self.last_answer - self.first_request
        names = ("requests", "calls", "answers", "connections", "in_flight", "max_in_flight", "first_request",
                 "last_answer")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "mean_in_flight": self._area / window if window > 0 else 0.0,
            "cpu": time.process_time() - self._began,
        }


class Call:
    """A request to a model on its way: into memory, into a slot, for the time of the latency, and back."""

    __slots__ = (
        "asker", "asks", "began", "body", "came", "gone", "holds", "keep_alive", "key", "model", "path", "ready",
        "server", "slot", "streamed", "timer",
    )  # fmt: skip

    def __init__(self, server: Server, asker: Connection, path: str, body: Table) -> None:
        self.server, self.asker, self.path, self.body = server, asker, path, body
        self.asks = bool(body.get("messages") or body.get("prompt"))  # else it only loads a model, or drops it
        self.model = str(body.get("model", "")).removesuffix(":latest")
        self.streamed = bool(body.get("stream", path != OPENAI))
        self.key: tuple[Any, ...] = ()
        if path != OPENAI:
            options = body.get("options") or {}
            self.key = (*(options.get(name) for name in RELOADS), body.get("shift", True))
        self.keep_alive = seconds_of(body.get("keep_alive"))
        self.gone = self.holds = self.slot = False
        self.timer: asyncio.TimerHandle | None = None
        self.came = self.ready = self.began = time.monotonic()

    @property
    def text(self) -> str:
        setup, body = self.server.setup, self.body
        if not setup.echo:
            return setup.text
        return str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])

    def loaded(self) -> None:
        """The model is in memory."""
        self.holds = True
        self.ready = time.monotonic()
        if self.gone:
            self.give_back()
        elif self.asks:
            self.server.slots.take(self)
        else:
            self.moved("load")

    def admitted(self) -> None:
        """A slot is free."""
        self.slot = True
        self.began = time.monotonic()
        if latency := self.server.setup.latency:
            self.timer = self.server.loop.call_at(self.began + latency, self.done)
        else:
            self.done()

    def done(self) -> None:
        setup = self.server.setup
        if self.path == OPENAI:
            told = answers.openai(self.model, self.text, setup.pieces, streamed=self.streamed)
        else:
            now = time.monotonic()
            told = answers.ollama(
                self.model, self.text, setup.pieces, streamed=self.streamed, chat=self.path == CHAT,
                total=now - self.came, load=self.ready - self.came, decode=now - self.began,
            )  # fmt: skip
        self.end(told)

    def moved(self, reason: str) -> None:
        """The answer to a request without a prompt."""
        told = {**answers.piece(self.model, "", chat=self.path == CHAT), "done": True, "done_reason": reason}
        self.end(LINES + answers.line(told) + END if self.streamed else whole(told))

    def end(self, data: bytes, *, close: bool = False) -> None:
        self.asker.answer(data, close=close)
        self.leave(answered=not close)

    def leave(self, *, answered: bool) -> None:
        if not self.gone:
            self.gone = True
            if self.asks:
                self.server.counters.left(self.model, time.monotonic(), answered)
        if self.timer is not None:
            self.timer.cancel()
        if self.slot:
            self.slot = False
            self.server.slots.give_back(self.model)
        self.give_back()

    def give_back(self) -> None:
        if self.holds:
            self.holds = False
            self.server.memory.give_back(self)

    # What goes wrong on demand

    def refuse(self, status: int, why: str, retry_after: float | None = None) -> None:
        headers = b"" if retry_after is None else b"Retry-After: %g\r\n" % retry_after
        self.end(whole({"error": {"message": why} if self.path == OPENAI else why}, status, headers))

    def fail(self, fault: Fault) -> None:
        if fault.kind == "status":
            self.refuse(fault.status, "a fault that was asked for", fault.retry_after)
        elif fault.kind == "close":
            self.end(b"", close=True)
        elif fault.kind != "silent":
            self.asker.write(EVENTS if self.path == OPENAI else LINES)
            self.trickle(endless=fault.kind == "endless")

    def trickle(self, *, endless: bool) -> None:
        told = answers.event(answers.delta(self.model, "so "))
        told = told if self.path == OPENAI else answers.line(answers.piece(self.model, "so ", chat=self.path == CHAT))
        if endless:
            self.asker.write(told)
            self.timer = self.server.loop.call_later(TRICKLE, lambda: self.trickle(endless=True))
        else:
            self.end(told, close=True)


class Connection(asyncio.Protocol):
    """A connection; one request at a time is heard on it."""

    __slots__ = ("buffer", "call", "server", "transport")

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
        self.call: Call | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.server.counters.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever asked does not wait any more: the slot is free."""
        if self.call is not None:
            self.call.leave(answered=False)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.call is None:
            self.next()

    def next(self) -> None:
        """The next request, if it is there as a whole."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        stop = end + 4 + (int(head[at + 17 :].split(b"\r", 1)[0]) if at >= 0 else 0)
        if len(self.buffer) < stop:
            return
        method, path, _ = self.buffer[:end].split(b" ", 2)
        body = self.buffer[end + 4 : stop]
        self.buffer = self.buffer[stop:]
        self.server.asked(self, method.decode(), path.decode(), json.loads(body) if body else {})

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def answer(self, data: bytes, *, close: bool = False) -> None:
        self.call = None
        self.transport.write(data)
        if close:
            self.transport.close()
        elif self.buffer:
            self.server.loop.call_soon(self.next)


@dataclass(slots=True)
class Trouble:
    """A fault, and how many calls it has seen and hit."""

    fault: Fault
    seen: int = 0
    hit: int = 0

    def strikes(self, model: str) -> bool:
        fault = self.fault
        if fault.model not in ("", model) or (fault.count and self.hit >= fault.count):
            return False
        self.seen += 1
        struck = self.seen > fault.after and (self.seen - fault.after - 1) % fault.every == 0
        self.hit += struck
        return struck


class Server:
    """What each path does."""

    def __init__(self, setup: Setup, loop: asyncio.AbstractEventLoop) -> None:
        self.setup, self.loop = setup, loop
        self.counters = Counters()
        self.slots = Slots(setup.slots)
        self.memory = Memory(
            setup.models, setup.room, setup.max_loaded, setup.load_seconds, setup.keep_alive, setup.strict,
            loop.call_later,
        )  # fmt: skip
        self.troubles: list[Trouble] = []
        self.tables: dict[tuple[str, str], Callable[[Table], Table]] = {
            ("GET", "/v1/models"): self.listed, ("GET", "/api/tags"): self.tags, ("GET", "/api/ps"): self.ps,
            ("GET", "/api/version"): lambda body: {"version": setup.version}, ("POST", "/api/show"): self.show,
            ("GET", "/mock/stats"): self.stats, ("POST", "/mock/reset"): self.reset,
            ("POST", "/mock/fault"): self.fault, ("POST", "/mock/mend"): self.mend,
        }  # fmt: skip

    def asked(self, asker: Connection, method: str, path: str, body: Table) -> None:
        self.counters.requests[path] += 1
        if method == "POST" and path in (OPENAI, CHAT, GENERATE):
            self.call(Call(self, asker, path, body))
        elif found := self.tables.get((method, path)):
            asker.answer(whole(found(body)))
        else:
            asker.answer(whole({"error": "404 page not found"}, 404))

    def call(self, call: Call) -> None:
        call.asker.call = call
        trouble = None
        if call.asks:
            self.counters.came(call.model, call.came)
            trouble = next((each for each in self.troubles if each.strikes(call.model)), None)
        if trouble is not None:
            call.fail(trouble.fault)
        elif call.asks and 0 < self.setup.limit < self.counters.there[call.model]:
            status, why = (429, "rate limit reached") if call.path == OPENAI else (503, "server busy")
            call.refuse(status, why, self.setup.retry_after)
        elif call.model not in self.setup.models:
            call.refuse(404, f"model '{call.model}' not found")
        elif not call.asks and call.keep_alive == 0:
            self.memory.drop(call.model)
            call.moved("unload")
        elif self.memory.too_large(call.model):
            call.refuse(500, "model requires more system memory (9.9 GiB) than is available (0.1 GiB)")
        else:
            self.memory.take(call)

    # What is told at once

    def listed(self, body: Table) -> Table:
        return {"object": "list", "data": [{"id": name, "object": "model"} for name in self.setup.models]}

    def tags(self, body: Table) -> Table:
        return {"models": [self.about(name, size) for name, size in self.setup.models.items()]}

    def ps(self, body: Table) -> Table:
        return {"models": [self.resident(runner) for runner in self.memory.resident()]}

    def about(self, name: str, size: int) -> Table:
        name = name if ":" in name else f"{name}:latest"
        return {"name": name, "model": name, "size": size, "digest": f"{name}-digest", "details": {"format": "gguf"}}

    def resident(self, runner: Runner) -> Table:
        now = time.monotonic()
        until = now + runner.keep_alive if runner.users else runner.expires
        context = runner.key[0] if runner.key and runner.key[0] else CONTEXT
        more = {"size_vram": 0, "context_length": context, "expires_at": answers.later(until - now)}
        return {**self.about(runner.name, runner.size), **more}

    def show(self, body: Table) -> Table:
        return {
            "capabilities": ["completion"], "details": {"format": "gguf", "family": "llama"},
            "model_info": {"llama.context_length": 8 * CONTEXT},
        }  # fmt: skip

    def stats(self, body: Table) -> Table:
        memory = {"loaded": self.memory.loads, "unloads": self.memory.unloads, "max_working": self.slots.most}
        return {**self.counters.table(), **memory}

    def reset(self, body: Table) -> Table:
        there = self.counters.there
        self.counters = Counters()
        self.counters.there, self.counters.in_flight = there, there.total()
        self.memory.loads, self.memory.unloads, self.slots.most = [], 0, self.slots.working
        return {}

    def fault(self, body: Table) -> Table:
        self.troubles.append(Trouble(Fault(**body)))
        return {}

    def mend(self, body: Table) -> Table:
        self.troubles = []
        return {}


async def watch_parent() -> None:
    """Standard input ends with the parent; where a fork of it has kept it open, the parent's number tells."""
    loop, parent = asyncio.get_running_loop(), os.getppid()
    loop.add_reader(sys.stdin.fileno(), lambda: os.read(sys.stdin.fileno(), 1) or os._exit(0))
    while os.getppid() == parent:
        await asyncio.sleep(0.5)
    os._exit(0)


async def serve(port: int, setup: Setup) -> None:
    loop = asyncio.get_running_loop()
    server = Server(setup, loop)
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=BACKLOG)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await watch_parent()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Setup(**json.loads(sys.argv[2]))))
