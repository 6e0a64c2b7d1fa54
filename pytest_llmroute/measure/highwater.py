"""What Linux's kernel itself keeps: the high-water mark of a process and of ended children, PSS, direct children.

The files below /proc/PID stay open. They belong to one process: when it has ended reading them fails, whoever has its
pid by then.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import NamedTuple

from pytest_llmroute.measure.member import Seen, nothing

RESET = b"5"
"""What proc(5) wants in clear_refs for `reset the peak RSS`; nothing else of the process is touched."""


class LinuxMember:
    """A process through its open files below /proc; opening raises OSError where it is gone or hidden."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.last: Seen | None = None
        self._own = pid == os.getpid()
        self._tick = os.sysconf("SC_CLK_TCK")
        self._folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY)
        self._files: dict[str, int] = {}
        try:
            self._files = {name: self._open(name) for name in ("status", "stat")}
        except OSError:
            self.close()
            raise
        with suppress(OSError):
            self._files["clear_refs"] = self._open("clear_refs", os.O_WRONLY)

    def look(self) -> Seen | None:
        try:
            status = os.pread(self._files["status"], 16384, 0)
            rss, peak = _bytes(status, b"\nVmRSS:"), _bytes(status, b"\nVmHWM:")
            if rss is None:  # ended, and not yet waited for
                return None
            self.last = Seen(rss, peak, self._cpu())
        except (OSError, KeyError):
            return None
        return self.last

    def begin_anew(self) -> float | None:
        try:
            os.write(self._files["clear_refs"], RESET)
            return self._cpu()
        except (OSError, KeyError):
            return None

    def open_pss(self) -> Callable[[], int | None]:
        try:
            return partial(_read_pss, self._open("smaps_rollup"))
        except OSError:
            return nothing

    def children(self) -> list[int] | None:
        if not _lists_children():
            return None
        if self._own and _childless():
            return []
        found: list[int] = []
        try:
            tasks = self._open("task", os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return found
        try:
            for task in os.listdir(tasks):
                with suppress(OSError):  # the thread may have just ended
                    file = os.open(f"{task}/children", os.O_RDONLY, dir_fd=tasks)
                    try:
                        found += map(int, os.read(file, 65536).split())
                    finally:
                        os.close(file)
        finally:
            os.close(tasks)
        return found

    def close(self) -> None:
        for file in (*self._files.values(), self._folder):
            with suppress(OSError):
                os.close(file)
        self._files, self._folder = {}, -1

    def _open(self, name: str, flags: int = os.O_RDONLY) -> int:
        return os.open(name, flags, dir_fd=self._folder)

    def _cpu(self) -> float:
        if self._own:  # finer than the ticks of the file
            return time.process_time()
        fields = os.pread(self._files["stat"], 4096, 0).rpartition(b")")[2].split(None, 15)
        return sum(map(int, fields[11:15])) / self._tick


class Ended(NamedTuple):
    """What the kernel keeps of children that have ended and were waited for."""

    highest: int = 0
    """Bytes: the peak of the largest one so far."""
    faults: int = 0
    """Page faults of all: more than before means that another one has ended."""
    cpu: float = 0.0
    """Seconds of all."""


def ended_children() -> Ended:
    if sys.platform == "win32":
        return Ended()
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    highest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Ended(highest, usage.ru_minflt, usage.ru_utime + usage.ru_stime)


def _read_pss(file: int) -> int | None:
    try:
        return _bytes(os.read(file, 16384), b"\nPss:")
    except OSError:
        return None
    finally:
        os.close(file)


def _childless() -> bool:
    """Whether this process has no child at all: one question to the kernel, which takes nobody's exit status."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


@cache
def _lists_children() -> bool:
    """A kernel may be built without the lists of children."""
    return os.path.exists("/proc/thread-self/children")


def _bytes(text: bytes, key: bytes) -> int | None:
    at = text.find(key)
    return None if at < 0 else int(text[at + len(key) : text.index(b"kB", at)]) * 1024
