"""A cheap model server in a process of its own, for benches and for tests of many calls at once.

```python
with MockServer(models={"a": 1, "b": 1}, latency=0.1, slots=10, room=1) as server:
    ...  # server.url for Ollama's protocol, server.v1 for OpenAI's
    server.stats().loads
```

Each call takes `latency` seconds in one of its model's `slots`; models come and go by Ollama's rules. Nothing is
computed. Run as a program it says how many requests it serves: `python bench/mock_server.py`
"""

from __future__ import annotations

import http.client
import json
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

ENDED = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Setup:
    """What the server is."""

    models: Mapping[str, int] = field(default_factory=lambda: {"m": 1})
    """Names, with the bytes that each takes."""
    latency: float = 0.0
    slots: int = 0
    """Calls of one model that are answered at once, the others wait in line; 0: all."""
    limit: int = 0
    """Calls of one model that may be there at all: more get a 429 (OpenAI) or 503 (Ollama); 0: any number."""
    retry_after: float | None = None
    """Seconds, in the header of those refusals."""
    text: str = "ok"
    echo: bool = False
    """Whether the last message is said back, instead of `text`."""
    pieces: int = 1
    """Chunks of text in a streamed answer; all are sent together, at its end."""
    room: int | None = None
    """Bytes for models; None: all models are there, and nothing is loaded."""
    max_loaded: int = 3
    load_seconds: float = 0.0
    keep_alive: float = 300.0
    strict: bool = False
    """Whether calls to a model that is there wait behind a load, too. Ollama lets them pass."""
    version: str = "0.30.0"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to some calls instead of an answer."""

    kind: Literal["status", "silent", "endless", "close", "cut"]
    """A status; nothing at all; a piece each 0.1 s, without end; a connection closed before an answer or in it."""
    count: int = 1
    """Calls that it happens to; 0: no end."""
    after: int = 0
    """Calls that are spared first."""
    every: int = 1
    """Then each so-manieth."""
    model: str = ""
    """Only calls to this one."""
    status: int = 500
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """What happened since the start or the last reset; calls are requests to a model."""

    requests: Mapping[str, int]
    """By path."""
    calls: Mapping[str, int]
    """By model."""
    answers: int
    connections: int
    in_flight: int
    """Calls that came and are yet to be answered."""
    max_in_flight: int
    mean_in_flight: float
    """Over the time from the first request to the last answer."""
    max_working: int
    """Calls that were in slots at once."""
    loaded: tuple[str, ...]
    """Every load, in order."""
    unloads: int
    first_request: float
    """On the monotonic clock, which all processes of a machine share."""
    last_answer: float
    cpu: float

    @property
    def loads(self) -> dict[str, int]:
        return dict(Counter(self.loaded))

    @property
    def window(self) -> float:
        """Seconds from the first request to the last answer."""
        return self.last_answer - self.first_request


class MockServer:
    """Runs while its `with` block does, and ends with the process that started it."""

    def __init__(self, **setup: Any) -> None:
        self.setup = Setup(**setup)
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def v1(self) -> str:
        return f"{self.url}/v1"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """At the same port as before, if there was one."""
        program = Path(__file__).with_name("mock_process.py")
        command = [sys.executable, "-S", str(program), str(self.port), json.dumps(asdict(self.setup))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """As when somebody pulls its plug; what it counted is lost."""
        self._ended(signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    def __enter__(self) -> MockServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended(signal.SIGTERM)

    def stats(self) -> Stats:
        told = self._ask("GET", "/mock/stats")
        return Stats(**{**told, "loaded": tuple(told["loaded"])})

    def reset(self) -> None:
        """The counters start anew; models stay in memory."""
        self._ask("POST", "/mock/reset")

    def fault(self, kind: Literal["status", "silent", "endless", "close", "cut"], **more: Any) -> None:
        """From now on; those that were asked for earlier come first."""
        self._ask("POST", "/mock/fault", asdict(Fault(kind, **more)))

    def mend(self) -> None:
        """No more faults."""
        self._ask("POST", "/mock/mend")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body or {}))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def _ended(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.communicate()


def flood(port: int, calls: int, connections: int = 32) -> float:
    """Seconds of so many calls, each sent as soon as the one before it on its connection is answered."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n"
    request = head % len(body) + body
    began = time.perf_counter()
    sent = answered = 0
    with selectors.DefaultSelector() as waiting:
        for _ in range(connections):
            opened = socket.create_connection(("127.0.0.1", port))
            waiting.register(opened, selectors.EVENT_READ)
            opened.sendall(request)
            sent += 1
        while answered < calls:
            for key, _ in waiting.select():
                assert isinstance(key.fileobj, socket.socket)
                if not key.fileobj.recv(65536).endswith(ENDED):
                    continue
                answered += 1
                if sent < calls:
                    key.fileobj.sendall(request)
                    sent += 1
        for key in list(waiting.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
    return time.perf_counter() - began


def main() -> None:
    calls = 20_000
    for title, setup in (("at once", {}), ("after 5 ms, 32 slots", {"latency": 0.005, "slots": 32})):
        with MockServer(**setup) as server:
            flood(server.port, 1000)
            server.reset()
            seconds = flood(server.port, calls)
            cpu = server.stats().cpu
        print(
            f"answers {title}: {calls / seconds:.0f} a second on 32 connections, {1e6 * cpu / calls:.0f} µs CPU each:"
            f" {calls / cpu:.0f} a second of a core (target 5,000)"
        )


if __name__ == "__main__":
    main()
