"""A server on loopback whose every answer is planned: refusals, broken streams, silence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pytest_llmroute.backends.contract import Backend, Surroundings
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import ModelCallError
from pytest_llmroute.testing import Opened
from pytest_llmroute.testing.loopback import Loopback, QuietHandler


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Planned:
    """An answer: its status, its pieces, and how it misbehaves."""

    status: int = 200
    pieces: tuple[bytes, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    """Seconds before each piece."""
    drop: bool = False
    """Whether the connection is cut after the pieces."""


class Rough(Loopback):
    """The server: what it was asked, and what it answers next."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.plan: Callable[[Asked], Planned] = lambda asked: Planned(500)
        super().__init__(_handler(self))

    def answers(self, *planned: Planned) -> None:
        """These in turn, the last one for ever."""
        rest = list(planned)
        self.plan = lambda asked: rest.pop(0) if len(rest) > 1 else rest[0]


def said(value: Any, status: int = 200, **headers: str) -> Planned:
    """An answer in JSON."""
    return Planned(
        status, (json.dumps(value).encode(),), {name.replace("_", "-"): text for name, text in headers.items()}
    )


def streamed(*events: Any, wait: float = 0.0, drop: bool = False) -> Planned:
    """Server-sent events."""
    pieces = tuple(
        b"data: " + (event.encode() if isinstance(event, str) else json.dumps(event).encode()) + b"\n\n"
        for event in events
    )
    return Planned(200, pieces, {"Content-Type": "text/event-stream"}, wait, drop)


def _handler(rough: Rough) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.path, dict(self.headers), json.loads(data) if data else None)
            rough.asked.append(asked)
            planned = rough.plan(asked)
            self.send_response(planned.status)
            for name, text in planned.headers.items():
                self.send_header(name, text)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for piece in planned.pieces:
                    time.sleep(planned.wait)
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                if planned.drop:
                    self.close_connection = True
                    self.connection.close()
                else:
                    self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

    return Handler


@contextmanager
def opened_at(
    url: str, make: Callable[[ModelCard, Surroundings], Backend], card: ModelCard, around: Surroundings | None = None
) -> Iterator[Opened]:
    """A model at this address, unless its card names another."""
    made = card if card.base_url else replace(card, base_url=url)
    model = make(made, around or Surroundings())
    try:
        yield Opened(model, made)
    finally:
        model.close()


def failure_of(model: AbstractContextManager[Opened], **more: Any) -> ModelCallError:
    """Why a model does not answer."""
    with model as opened, pytest.raises(ModelCallError) as caught:
        opened.ask("hi", **more)
    return caught.value
