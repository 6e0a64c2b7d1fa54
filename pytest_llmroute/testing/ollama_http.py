"""The HTTP beneath a loopback server of a JSON protocol: whole answers, and lines of a chunked one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import Any

from pytest_llmroute.testing.loopback import QuietHandler

Table = dict[str, Any]


class Answer(Exception):
    """An answer in one piece, with a status of its own."""

    def __init__(self, status: int, error: str) -> None:
        self.status, self.error = status, error
        super().__init__(error)


class Cut(Exception):
    """The connection is to be cut."""


def handler(
    paths: Mapping[tuple[str, str], Callable[[Table], Any]], heard: Callable[[str, Table], None]
) -> type[BaseHTTPRequestHandler]:
    """Answers each path by its function: a table, or an iterator of lines."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(data) if data else {}
            heard(self.path, body)
            answer = paths.get((method, self.path))
            try:
                if answer is None:
                    return self._whole(404, b"404 page not found", "text/plain")
                told = answer(body)
                if isinstance(told, dict):
                    return self._json(200, told)
                return self._streamed(told) if body.get("stream", True) else self._last(told)
            except Answer as error:
                self._json(error.status, {"error": error.error})
            except (Cut, OSError):
                self.close_connection = True

        def _last(self, lines: Iterator[Table]) -> None:
            """The lines as one answer, the way that `stream: false` has it."""
            told = merged(list(lines))
            self._json(500 if "error" in told else 200, told)

        def _streamed(self, lines: Iterator[Table]) -> None:
            """The status is out with the first line: what goes wrong later comes as a line of its own."""
            first = next(lines)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in chain([first], lines):
                data = json.dumps(line).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def _json(self, status: int, told: Table) -> None:
            self._whole(status, json.dumps(told).encode(), "application/json")

        def _whole(self, status: int, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def merged(lines: list[Table]) -> Table:
    """The last line with the texts and tool calls of all."""
    last = lines[-1]
    if "error" in last:
        return last
    if "response" in last:
        last["response"] = "".join(line["response"] for line in lines)
    if "message" in last:
        messages = [line["message"] for line in lines]
        for key in ("content", "thinking"):
            if text := "".join(message.get(key, "") for message in messages):
                last["message"][key] = text
        if calls := [call for message in messages for call in message.get("tool_calls", ())]:
            last["message"]["tool_calls"] = calls
    return last
