"""A hub of our own on loopback: the few answers that a download needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from pytest_llmroute.testing.loopback import Loopback


class Hub(Loopback):
    """Serves folders as repositories."""

    commit = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, models: Mapping[str, Path], *, closed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.models, self.closed = models, closed
        self.given: list[str] = []
        """Files that were downloaded."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(Handler)

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = request.path.partition("?")[0]
        parts = path.removeprefix("/api/models").strip("/").split("/")
        name = "/".join(parts[:2])
        if name in self.closed:
            self._send(request, 403, b"closed", {"X-Error-Code": "GatedRepo"}, body=body)
        elif name not in self.models:
            self._send(request, 404, b"none", {"X-Error-Code": "RepoNotFound"}, body=body)
        elif path.startswith("/api/"):
            self._send(request, 200, json.dumps(self._listing(name, parts)).encode(), {}, body=body)
        else:
            file = self.models[name] / parts[-1]
            data = file.read_bytes()
            if body:
                self.given.append(file.name)
            etag = hashlib.sha256(data).hexdigest()
            self._send(request, 200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit}, body=body)

    def _listing(self, name: str, parts: list[str]) -> Any:
        files = sorted(self.models[name].iterdir())
        if "tree" in parts:
            return [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": file.name} for file in files
            ]
        found = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
        return {"id": name, "modelId": name, "sha": self.commit, "siblings": found}

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, data: bytes, head: Mapping[str, str], *, body: bool
    ) -> None:
        request.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **head}.items():
            request.send_header(key, value)
        request.end_headers()
        if body:
            request.wfile.write(data)
