"""`unsafe-local`: a solution can do all that the user can. The verdict is still the judge's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import Any

from pytest_llmroute.sandbox.jail import ENVIRONMENT, Job, Lost, command
from pytest_llmroute.sandbox.verdict import SolutionVerdict

XCPU = 24


class UnsafeLocal:
    """Two new processes for each job."""

    worn = False
    module = "pair"
    """The inner module that both processes run."""

    def run(self, job: Job) -> SolutionVerdict:
        began = time.monotonic()
        solver = command(self.module, job.timeout, job.memory, function="solve")
        process = subprocess.Popen(
            command(self.module, solver), env=_environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            told, _ = process.communicate(json.dumps(job.task).encode() + b"\n", timeout=job.wall + 1)
        except subprocess.TimeoutExpired:
            return _late("its time by the clock", time.monotonic() - began)
        except OSError:
            raise Lost("the judge took no job") from None
        finally:
            _end(process)
        try:
            said = json.loads(told)
        except ValueError:
            raise Lost("the judge ended without a verdict") from None
        seconds = time.monotonic() - began
        if said["signal"] == XCPU or (said["status"] == "error" and said["cpu"] >= job.timeout):
            return _late("its CPU time", seconds, said["cpu"])
        return SolutionVerdict(
            said["status"], said["message"], tuple(said["held"]), said["output"], said["output_bytes"], said["cpu"],
            said["rss"], seconds, "unsafe-local",
        )  # fmt: skip

    def close(self) -> None:
        """Nothing is left open."""


def _late(what: str, seconds: float, cpu: float = 0.0) -> SolutionVerdict:
    return SolutionVerdict("timeout", f"used up {what}", cpu_seconds=cpu, seconds=seconds, tier="unsafe-local")


def _environment() -> dict[str, str]:
    """Windows starts no process without some of its own variables."""
    return {**{name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMP") if name in os.environ}, **ENVIRONMENT}


def _end(process: subprocess.Popen[bytes]) -> None:
    """The judge, the solver, and what a solver may have started in this session."""
    children = _children(process.pid)
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    for child in children:
        with suppress(Exception):
            child.kill()
    process.communicate()


def _children(pid: int) -> list[Any]:
    """Those that psutil sees, where it is: a remote sandbox has none."""
    try:
        import psutil
    except ImportError:
        return []
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []
