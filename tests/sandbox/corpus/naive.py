"""An executor that believes the exit status of code and tests in one file.

It proves that the corpus bites, and never gets an entry that is `dangerous`.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pytest_llmroute.sandbox.verdict import SolutionVerdict, Status


def run_naively(code: str, tests: Sequence[str], timeout: float, *, setup: str = "") -> SolutionVerdict:
    with tempfile.TemporaryDirectory(prefix="naive-") as folder:
        path = Path(folder, "solution.py")
        path.write_text("\n".join([code, *filter(None, [setup]), *tests, ""]), encoding="utf-8", errors="surrogatepass")
        status, out, err = ended(path, timeout)
    held = (True,) * len(tests) if status == "pass" else ()
    return SolutionVerdict(status, text(err)[-2000:], held, text(out)[: 1 << 16], len(out), tier="unsafe-local")


def ended(path: Path, timeout: float) -> tuple[Status, bytes, bytes]:
    """Only memory, time and the size of files are held, so that the harmless can't slow this machine."""
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", path],
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: limited(timeout),
    )
    try:
        out, err = child.communicate(timeout=timeout + 2)
    except subprocess.TimeoutExpired:
        return "timeout", b"", b""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    return told(child.returncode, err), out, err


def limited(timeout: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (int(timeout) + 1, int(timeout) + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 << 20, 32 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def told(code: int, err: bytes) -> Status:
    if code == 0:
        return "pass"
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout"
    return "memory" if b"MemoryError" in err else "fail" if b"AssertionError" in err else "error"


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
