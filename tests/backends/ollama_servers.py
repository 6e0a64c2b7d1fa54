"""Servers that the tests of the backend `ollama` ask, and how they ask."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.ollama.backend import OllamaModel
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import ModelCallError
from pytest_llmroute.testing.ollama_server import LoopbackOllama, Served

PROMPT = "fix c\nmain.c:2: error: expected ';'\nint speed = 42;\ndelay(20)"
GREEDY = Sampling(0.0, 24, seed=1)
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look_up", "parameters": {
    "type": "object", "properties": {"word": {"enum": ["a", "b"]}}, "required": ["word"], "additionalProperties": False,
}}}  # fmt: skip
MODELS = {
    "nano:latest": Served(),
    "plain:1b": Served("pico", frozenset({"completion"})),
    "thinker:1b": Served(capabilities=frozenset({"completion", "thinking"})),
    "far:latest": Served(remote_host="https://ollama.com:443"),
    "big:120b-cloud": Served(),
}


@contextmanager
def opened(server: LoopbackOllama | str, name: str = "nano", **more: Any) -> Iterator[OllamaModel]:
    host = server if isinstance(server, str) else server.url
    around = Surroundings(ollama_host=host, offline=more.pop("offline", False))
    model = OllamaModel(ModelCard(name, "ollama", **more), around)
    yield model
    model.close()


def ask(model: OllamaModel, prompt: str = PROMPT, settings: Sampling = GREEDY, **more: Any) -> Reply:
    more.setdefault("timeout", 30.0)
    return model.generate(Call(model.card, (Message("user", prompt),), settings, **more))


def failed(do: Callable[[], Any]) -> ModelCallError:
    with pytest.raises(ModelCallError) as caught:
        do()
    return caught.value


@contextmanager
def raw(answer: Callable[[str], bytes | None], *, slow: float, heads: list[str] | None = None) -> Iterator[str]:
    """Sends these bytes for a path, `slow` seconds between each; None is the usual answer, b"" is silence."""
    usual = {"/api/version": {"version": "0.30.0"}, "/api/show": {}, "/api/tags": {}, "/api/ps": {}}
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while not over.is_set():
                data = b""
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, body = data.partition(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length")
                    ),
                    0,
                )
                while len(body) < length:
                    body += connection.recv(65536)
                if heads is not None:
                    heads.append(head.decode())
                path = head.split(b" ")[1].decode()
                told = answer(path)
                if told is None:
                    text = json.dumps(usual[path]).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
                elif slow:
                    for byte in told:
                        connection.sendall(bytes([byte]))
                        if over.wait(slow):
                            return
                elif told:
                    connection.sendall(told)
                else:
                    over.wait(10)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=serve, args=(connection,), daemon=True)
                thread.start()
                threads.append(thread)

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(2)
            for thread in threads:
                thread.join(0.2)


@contextmanager
def scripted(
    lines: list[Any], *, show: dict[str, Any] | None = None, listed: dict[str, Any] | None = None, wait: float = 0.0,
    heads: list[str] | None = None,
) -> Iterator[str]:  # fmt: skip
    """A server whose chat gives these lines."""

    def answer(path: str) -> bytes | None:
        told = {"/api/chat": lines, "/api/show": [show or {}], "/api/tags": [listed or {}]}.get(path)
        if told is None:
            return None
        if path == "/api/chat":
            time.sleep(wait)
        text = "".join(json.dumps(line) + "\n" for line in told).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)

    with raw(answer, slow=0, heads=heads) as url:
        yield url
