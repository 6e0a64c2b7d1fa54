"""One jail as the host sees it: a process that runs one job after the other, and is never believed blindly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_llmroute.sandbox.inside.limits import MEMORY
from pytest_llmroute.sandbox.inside.protocol import END, GRACE, HEADER, LENGTH, MORE, PIECE, VERDICT
from pytest_llmroute.sandbox.verdict import SolutionVerdict, Status

Way = Literal["isolated", "restricted"]
READY_WITHIN = 20.0
LATE = 3.0
"""Seconds that a jail has beyond all its own limits before it is given up."""
JOBS = 500
"""After so many a jail is replaced."""
START = """import sys
sys.path.insert(0, {folder!r})
from inside.{module} import {function}
del sys.path[0]
{function}({args})"""
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "2",
}  # fmt: skip
BROKEN = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGXCPU} if hasattr(signal, "SIGXCPU") else ())
"""How a judge may end by what it was sent."""
STATUSES: Mapping[str, Status] = {
    "pass": "pass", "fail": "fail", "error": "error", "timeout": "timeout", "memory": "memory",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be judged, and its limits."""

    task: Mapping[str, Any]
    """code, and tests with setup, or stdin and expected."""
    timeout: float
    memory: int = MEMORY

    @property
    def wall(self) -> float:
        """By the clock a job may take much longer than of CPU: a busy machine is not the solution's fault."""
        return 5 * self.timeout + 1


class Refused(Exception):
    """This machine does not let a jail of this kind be made; the text is the kernel's."""


class Lost(Exception):
    """The jail is gone, or says nothing any more."""


def command(module: str, *args: object, function: str = "main") -> list[str]:
    """A bare interpreter with one of the inner modules: no site-packages, no variables of the user's."""
    folder = str(Path(__file__).parent)
    code = START.format(folder=folder, module=module, function=function, args=", ".join(map(repr, args)))
    return [sys.executable, "-S", "-s", "-P", "-c", code]


class Jail:
    """Opened by its maker; used by one thread at a time."""

    def __init__(self, way: Way, number: int) -> None:
        self.way = way
        self.jobs = 0
        self.worn = False
        """Whether it must not be used again."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                command("zygote", way, os.getpid() * 64 + number, theirs.fileno()), env=ENVIRONMENT, cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        try:
            told = json.loads(self._packet(time.monotonic() + READY_WITHIN))
        except (Lost, ValueError):
            self.close()
            raise Refused("its process ended while it was made") from None
        if "refused" in told:
            self.close()
            raise Refused(told["refused"])
        self.facts: Mapping[str, Any] = told

    def run(self, job: Job) -> SolutionVerdict:
        """Raises Lost where there is no verdict and nothing tells why: the jail is to be closed then."""
        began = time.monotonic()
        self.jobs += 1
        self.worn = True  # until its end has been seen
        data = json.dumps(job.task).encode()
        try:
            self._control.settimeout(LATE)
            self._control.send(HEADER.pack(job.timeout, job.wall, job.memory))
            self._control.send(LENGTH.pack(len(data)))
            for place in range(0, len(data), PIECE):
                self._control.send(data[place : place + PIECE])
        except OSError:
            raise Lost("it took no job") from None
        verdict, end = self._answer(began + job.wall + GRACE + LATE)
        self.worn = bool(end["why"] or end["signal"] or end["judge"] or end.get("worn") or self.jobs >= JOBS)
        return _composed(verdict, end, time.monotonic() - began, self.way)

    def close(self) -> None:
        """Ends all its processes."""
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            if self._process.wait(0.2) is not None:
                return
        self._process.kill()
        self._process.wait()

    def _answer(self, until: float) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The judge's verdict, where it gave one, and how the job ended."""
        parts: list[bytes] = []
        verdict = None
        while True:
            packet = self._packet(until)
            if packet[:1] == END:
                return verdict, json.loads(packet[1:])
            parts.append(packet[1:])
            if packet[:1] == VERDICT:
                verdict = json.loads(b"".join(parts))
            elif packet[:1] != MORE:
                raise Lost("it sent what is no answer")

    def _packet(self, until: float) -> bytes:
        self._control.settimeout(max(0.01, until - time.monotonic()))
        try:
            packet = self._control.recv(1 << 20)
        except TimeoutError:
            raise Lost("it did not answer in time") from None
        except OSError as error:
            raise Lost(f"it broke off the connection ({error})") from None
        if not packet:
            raise Lost("it ended")
        return packet


def _composed(verdict: dict[str, Any] | None, end: Mapping[str, Any], seconds: float, way: Way) -> SolutionVerdict:
    """How the processes ended decides before what the judge could say."""
    said = verdict or {"status": "infra", "message": "the judge ended without a verdict", "held": []}
    status, message = STATUSES.get(said["status"], "infra"), said["message"]
    if verdict is None and os.WIFSIGNALED(end["judge"]) and os.WTERMSIG(end["judge"]) in BROKEN:
        status, message = "error", "what the solution sent broke its judge"
    if end["why"]:
        limit = {"cpu": "its CPU time", "clock": "its time by the clock", "judge": "the time to judge what it sent"}
        status, message = "timeout", f"used up {limit[end['why']]}"
    elif status == "error" and end["signal"]:
        message = f"the solution was ended by signal {end['signal']}"
    return SolutionVerdict(
        status, message, tuple(said["held"]), said.get("output", ""), said.get("output_bytes", 0),
        end["cpu"], end["rss"], seconds, way,
    )  # fmt: skip


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
