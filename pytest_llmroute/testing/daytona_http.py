"""The HTTP beneath the loopback server of Daytona's API: JSON, forms with files, and answers of several parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pytest_llmroute.testing.loopback import QuietHandler

Table = dict[str, Any]
BOUNDARY = "llmroute-parts"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, as it came."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    data: bytes = b""

    @property
    def body(self) -> Table:
        told = json.loads(self.data) if self.data else {}
        return told if isinstance(told, dict) else {}

    def form(self) -> dict[str, bytes]:
        """The parts of a form, by their names."""
        match = re.search(r'boundary="?([^";]+)', self.headers.get("content-type", ""))
        assert match
        parts = {}
        for piece in self.data.split(b"--" + match[1].encode())[1:-1]:
            head, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]*)"', head)
            assert name
            parts[name[1].decode()] = body.removesuffix(b"\r\n")
        return parts


@dataclass(frozen=True, slots=True)
class Response:
    """An answer in one piece."""

    status: int = 200
    data: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Cut(Exception):
    """The connection is to be cut without an answer."""


def told(table: Table, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, json.dumps(table).encode(), headers=headers or {})


def refused(status: int, message: str, code: str = "", source: str = "DAYTONA_API", **headers: str) -> Response:
    """An error in the form that the SDK reads."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return told({"statusCode": status, "message": message, "code": code, "source": source}, status, named)


def part(name: str, filename: str, data: bytes, kind: str = "application/octet-stream") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}'
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def parts(*each: bytes) -> Response:
    return Response(200, b"".join(each) + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}")


def handler(answer: Callable[[Request], Response]) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def _answer(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(address.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            data = self._data()
            try:
                response = answer(Request(self.command, address.path, query, headers, data))
            except Cut:
                self.close_connection = True
                return
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", response.kind)
            self.send_header("Content-Length", str(len(response.data)))
            self.end_headers()
            self.wfile.write(response.data)

        def _data(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        do_GET = do_POST = do_DELETE = _answer

    return Handler
