"""A loopback server that speaks as much of Daytona's API as its SDK needs for us, for tests where no key is.

```python
with LoopbackDaytona() as daytona:
    ...  # DAYTONA_API_URL=daytona.url, DAYTONA_API_KEY=daytona.key
```

A sandbox is a folder here, and what is to be run in it is really run, as whoever runs the server: it isolates nothing.
Written from what the SDK 0.226.1 sends and reads; the service itself was never asked.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_llmroute.testing.daytona_http import Cut, Request, Response, Table, handler, part, parts, refused, told
from pytest_llmroute.testing.loopback import Loopback

API, TOOLBOX = "/api", "/toolbox"


@dataclass
class Made:
    """A sandbox that was made."""

    id: str
    asked: Table
    folder: Path
    created: datetime
    state: str = "started"
    polls: int = 0
    """How often its state is asked for before it has started."""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.asked.get("name") or self.id)

    def end(self) -> None:
        """Its processes and its files."""
        for process in self.running:
            if process.poll() is None:
                with suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Fault:
    """What goes wrong with the next calls whose method and path it matches."""

    method: str
    path: str
    """A part of it."""
    response: Response | None
    """None: the connection is cut."""
    times: int = 1
    late: bool = False
    """The call is done, and only its answer is replaced."""


class LoopbackDaytona(Loopback):
    """Runs while its `with` block does."""

    def __init__(
        self, *, most: int = 100, polls: int = 0, environment: Mapping[str, str] | None = None, user: int | None = None
    ) -> None:
        self.key = f"dtn_{secrets.token_hex(16)}"
        self.most, self.polls = most, polls
        """How many sandboxes there may be; how long each takes to start."""
        self.environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **(environment or {})}
        self.user = user
        """Who runs what is run; only root can have it run by another."""
        self.blocks = True
        """Whether it says that the network is blocked."""
        self.give_up: float | None = None
        """Seconds after which a gateway in front answers 504, while what runs goes on."""
        self.filters, self.page = True, 2
        """Whether it looks at labels when it lists; how many at a time."""
        self.files: Callable[[Made, str, bytes], bytes | None] = lambda made, path, data: data
        """What a file becomes on its way out; None: it is missing."""
        self.requests: list[Request] = []
        self.sandboxes: dict[str, Made] = {}
        self.deleted: list[Made] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()
        super().__init__(handler(self._answer))

    @property
    def url(self) -> str:
        return f"{super().url}{API}"

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for made in self.sandboxes.values():
            made.end()

    # For tests

    def fail(
        self, method: str, path: str, status: int, *, times: int = 1, late: bool = False, message: str = "trouble",
        **headers: str,
    ) -> None:  # fmt: skip
        self.faults.append(Fault(method, path, refused(status, message, **headers), times, late))

    def cut(self, method: str, path: str, *, times: int = 1, late: bool = False) -> None:
        self.faults.append(Fault(method, path, None, times, late))

    def asked(self, method: str, path: str) -> list[Request]:
        return [request for request in self.requests if request.method == method and path in request.path]

    def lose(self, *, forgotten: bool = False) -> None:
        """All sandboxes end, as when their machine does; the service says so, or has never heard of them."""
        for made in list(self.sandboxes.values()):
            made.state = "destroyed"
            made.end()
            if forgotten:
                del self.sandboxes[made.id]

    def made_before(self, age: timedelta, labels: Mapping[str, str]) -> Made:
        """A sandbox that somebody made and left behind."""
        made = self._make({"labels": dict(labels), "name": f"left-{len(self.sandboxes)}"})
        made.created -= age
        return made

    # What the paths answer

    def _answer(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            fault = next((fault for fault in self.faults if _matches(fault, request)), None)
            if fault is not None:
                fault.times -= 1
        if fault is None:
            return self._done(request)
        if fault.late:
            self._done(request)
        if fault.response is None:
            raise Cut
        return fault.response

    def _done(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return refused(401, "Unauthorized")
        if request.path.startswith(f"{API}/sandbox"):
            return self._of_api(request, request.path.removeprefix(f"{API}/sandbox").strip("/"))
        if match := re.fullmatch(f"{TOOLBOX}/([^/]+)(/.*)", request.path):
            made = self.sandboxes.get(match[1])
            if made is None:
                return refused(404, "no sandbox", source="DAYTONA_PROXY")
            if made.state != "started":
                return refused(502, "the sandbox does not answer", source="DAYTONA_PROXY")
            return self._of_sandbox(request, made, match[2])
        return refused(404, "no such path")

    def _of_api(self, request: Request, which: str) -> Response:
        if request.method == "POST" and not which:
            with self._lock:
                if len(self.sandboxes) >= self.most:
                    return refused(403, f"Total limit of {self.most} sandboxes exceeded")
                return told(self._described(self._make(request.body)))
        if request.method == "GET" and not which:
            return self._listed(request)
        made = next((made for made in list(self.sandboxes.values()) if which in (made.id, made.name)), None)
        if made is None:
            return refused(404, f"Sandbox {which} not found")
        if request.method == "DELETE":
            with self._lock:
                self.sandboxes.pop(made.id, None)
            made.end()
            made.state = "destroyed"
            self.deleted.append(made)
        elif made.state == "creating":
            made.polls -= 1
            made.state = "started" if made.polls <= 0 else "creating"
        return told(self._described(made))

    def _make(self, asked: Table) -> Made:
        folder = Path(tempfile.mkdtemp(prefix="llmroute-daytona-"))
        self._give(folder)
        state = "creating" if self.polls else "started"
        made = Made(secrets.token_hex(8), asked, folder, datetime.now(UTC), state, self.polls)
        self.sandboxes[made.id] = made
        return made

    def _listed(self, request: Request) -> Response:
        labels = json.loads(request.query.get("labels", "{}")) if self.filters else {}
        found = [made for made in list(self.sandboxes.values()) if labels.items() <= made.asked["labels"].items()]
        start = int(request.query.get("cursor") or 0)
        page = [self._described(made) for made in found[start : start + self.page]]
        more = start + self.page < len(found)
        return told({"items": page, "nextCursor": str(start + self.page) if more else None})

    def _described(self, made: Made) -> Table:
        return {
            "id": made.id, "organizationId": "org", "name": made.name, "user": "daytona",
            "env": made.asked.get("env", {}), "labels": made.asked.get("labels", {}), "public": False,
            "networkBlockAll": self.blocks and bool(made.asked.get("networkBlockAll")), "kvm": False, "target": "us",
            "cpu": 1, "gpu": 0, "memory": 1, "disk": 3, "state": made.state,
            "createdAt": made.created.isoformat().replace("+00:00", "Z"),
            "toolboxProxyUrl": super().url + TOOLBOX,
        }  # fmt: skip

    def _of_sandbox(self, request: Request, made: Made, path: str) -> Response:
        match request.method, path:
            case "GET", "/user-home-dir":
                return told({"dir": str(made.folder)})
            case "POST", "/files/folder":
                return self._made_folder(_within(made, request.query["path"]), int(request.query["mode"], 8))
            case "POST", "/files/bulk-upload":
                return self._uploaded(request, made)
            case "POST", "/files/bulk-download":
                return parts(*(self._file(made, name) for name in request.body["paths"]))
            case "POST", "/process/execute":
                return self._executed(request.body, made)
            case _:
                return refused(404, "no such path", source="DAYTONA_DAEMON")

    def _made_folder(self, path: Path, mode: int) -> Response:
        os.makedirs(path, mode)
        self._give(path)
        return Response(201)

    def _uploaded(self, request: Request, made: Made) -> Response:
        form = request.form()
        for number in range(len(form) // 2):
            path = _within(made, form[f"files[{number}].path"].decode())
            path.write_bytes(form[f"files[{number}].file"])
            self._give(path)
        return Response(200)

    def _give(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user, self.user)

    def _file(self, made: Made, name: str) -> bytes:
        data: bytes | None = None
        with suppress(FileNotFoundError):
            data = self.files(made, name, _within(made, name).read_bytes())
        if data is not None:
            return part("file", name, data)
        error = {"message": "file not found", "statusCode": 404, "code": "FILE_NOT_FOUND", "source": "DAYTONA_DAEMON"}
        return part("error", name, json.dumps(error).encode(), "application/json")

    def _executed(self, body: Table, made: Made) -> Response:
        process = subprocess.Popen(
            ["/bin/sh", "-c", body["command"]], cwd=body.get("cwd") or made.folder, start_new_session=True,
            env={**self.environment, **made.asked.get("env", {}), **(body.get("envs") or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            user=self.user, group=self.user, extra_groups=None if self.user is None else [],
        )  # fmt: skip
        made.running.append(process)
        limits = [limit for limit in (body.get("timeout"), self.give_up) if limit is not None]
        try:
            output, _ = process.communicate(timeout=min(limits, default=None))
        except subprocess.TimeoutExpired:
            if self.give_up is not None:
                assert process.stdout
                process.stdout.close()
                return refused(504, "the gateway gave up", source="DAYTONA_PROXY")
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return refused(408, "the command took too long", "PROCESS_EXECUTION_TIMEOUT", "DAYTONA_DAEMON")
        return told({"exitCode": process.returncode, "result": output.decode("utf-8", "replace")})


def _matches(fault: Fault, request: Request) -> bool:
    return fault.times > 0 and fault.method == request.method and fault.path in request.path


def _within(made: Made, path: str) -> Path:
    """A path of the sandbox; never one of the machine beside it."""
    found = Path(os.path.normpath(made.folder / path))
    assert found.is_relative_to(made.folder), path
    return found
