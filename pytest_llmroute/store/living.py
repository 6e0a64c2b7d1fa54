"""Names of processes: enough to know later whether the very same one still runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
STATE, STARTED = 0, 19
"""Where they stand in a process's line of figures, behind its own name."""


def name_of(pid: int) -> str:
    """A name that no other process of this machine has, now or later; empty where none of this id runs.

    By its start on the clock it would have another one as soon as the clock is set; the kernel's count since the
    machine's start stays.
    """
    if not (boot := _boot()):
        return _by_the_clock(pid)
    try:
        figures = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if figures[STATE] in (b"Z", b"X") else f"{pid}:{int(figures[STARTED])}:{boot}"


def lives(name: str) -> bool:
    """Whether the process of this name still runs."""
    pid = name.partition(":")[0]
    return pid.isdecimal() and name_of(int(pid)) == name


@cache
def _boot() -> str:
    """Which start of the machine this is; empty where the system does not tell."""
    try:
        return BOOT.read_text("ascii")[:8]
    except OSError:
        return ""


def _by_the_clock(pid: int) -> str:
    import psutil

    try:
        return f"{pid}:{psutil.Process(pid).create_time():.2f}"
    except (psutil.Error, OverflowError):
        return ""
