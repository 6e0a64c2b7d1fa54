"""Judge and solver where no jail can be made: two processes all the same, so that the verdict is still the judge's.

The judge starts the solver before it reads the job, and hears from it through pipes. Runs on every system.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import limits
from .channel import Channel
from .judge import judge
from .solver import Solver
from .streams import KEPT, captured, printed


def solve(cpu: float, memory: int, guard: Callable[[], object] = bool) -> None:
    """The solver: its channel takes the place of both standard streams. `guard` is called before it hears anything."""
    incoming, outgoing = os.dup(0), os.dup(1)
    output = os.dup(2)
    captured(output)
    os.close(output)
    held = limits.address_space()
    limits.limit(cpu, None if held is None else held + memory)
    guard()
    Solver(Channel(incoming, outgoing)).serve()
    os._exit(0)


def main(solver: list[str]) -> None:
    """The judge: a job comes by standard input, the verdict goes to standard output."""
    told, said = os.dup(0), os.dup(1)
    captured(os.open(os.devnull, os.O_RDWR))  # what tests print is no verdict
    with open(told, "rb") as task, open(said, "w", encoding="ascii") as answer, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(solver, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output)
        assert process.stdin is not None
        assert process.stdout is not None
        job: dict[str, Any] = json.loads(task.readline())
        channel = Channel(process.stdout.fileno(), process.stdin.fileno())
        verdict = judge(channel, job, lambda: printed(output.fileno()))
        verdict |= _used(process)
        verdict |= {"output": printed(output.fileno(), KEPT), "output_bytes": os.fstat(output.fileno()).st_size}
        answer.write(json.dumps(verdict))


def _used(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Seconds of CPU and the highest RSS of the solver, where the system tells; and what ended it before we did."""
    if sys.platform == "win32":
        process.kill()
        process.wait()
        return {"cpu": 0.0, "rss": 0, "signal": 0}
    with suppress(OSError):
        os.kill(process.pid, signal.SIGKILL)  # Popen.kill would take the figures with it
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return {"cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * unit, "signal": ended}
