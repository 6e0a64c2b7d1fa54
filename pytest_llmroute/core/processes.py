"""What the system tells of processes and of its memory: read below /proc on Linux, asked of psutil elsewhere.

Linux is read by hand since importing psutil takes 6 ms, which every run would pay. What is not there, or hidden, is
None or empty.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

STATE, PARENT, STARTED = 0, 1, 19
"""Where they stand among the figures of a process."""


def name_of(pid: int) -> str:
    """A name that no other process of this machine has, now or later; empty where none of this id runs.

    By its start on the clock it would have another one as soon as the clock is set; the kernel's count since the
    machine's start stays.
    """
    if not (boot := _boot()):
        return _by_the_clock(pid)
    figures = _figures(pid)
    return f"{pid}:{int(figures[STARTED])}:{boot}" if figures and figures[STATE] not in (b"Z", b"X") else ""


def lives(name: str) -> bool:
    """Whether the process of this name still runs."""
    pid = name.partition(":")[0]
    return pid.isdecimal() and name_of(int(pid)) == name


def pids() -> list[int]:
    """Of all processes that can be seen."""
    if sys.platform != "linux":
        import psutil

        return psutil.pids()
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def parent_of(pid: int) -> int | None:
    if sys.platform != "linux":
        import psutil

        try:
            return psutil.Process(pid).ppid()
        except psutil.Error:
            return None
    figures = _figures(pid)
    return int(figures[PARENT]) if figures else None


def program_of(pid: int) -> str:
    """The name of its program; Linux keeps 15 characters of it."""
    if sys.platform != "linux":
        import psutil

        try:
            return psutil.Process(pid).name()
        except psutil.Error:
            return ""
    return _read(f"/proc/{pid}/comm").decode("utf-8", "replace").rstrip("\n")


def words_of(pid: int) -> list[str]:
    """Its command line."""
    if sys.platform != "linux":
        import psutil

        try:
            return psutil.Process(pid).cmdline()
        except psutil.Error:
            return []
    text = _read(f"/proc/{pid}/cmdline").decode("utf-8", "replace")
    return text.removesuffix("\0").split("\0") if text else []


def total_ram() -> int:
    """Bytes."""
    if found := _memory(b"\nMemTotal:"):
        return found
    import psutil

    return int(psutil.virtual_memory().total)


def available_ram() -> int:
    """Bytes that could be used now without swapping."""
    if found := _memory(b"\nMemAvailable:"):
        return found
    import psutil

    return int(psutil.virtual_memory().available)


def _figures(pid: int) -> list[bytes]:
    """Those behind its program's name, which may hold anything."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


@cache
def _boot() -> str:
    """Which start of the machine this is; empty where the system does not tell."""
    return _read("/proc/sys/kernel/random/boot_id").decode("ascii")[:8]


def _by_the_clock(pid: int) -> str:
    import psutil

    try:
        return f"{pid}:{psutil.Process(pid).create_time():.2f}"
    except (psutil.Error, OverflowError):
        return ""


def _memory(name: bytes) -> int:
    """Bytes; 0 where the kernel does not tell: another system's, or one older than the line."""
    rest = (b"\n" + _read("/proc/meminfo")).partition(name)[2]
    return 1024 * int(rest.split(None, 1)[0]) if rest else 0


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
