"""What the system tells of processes and of its memory: read below /proc on Linux, asked of psutil elsewhere.

Linux is read by hand since importing psutil takes 6 ms, which every run would pay. What is not there, or hidden, is
None or empty.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def pids() -> list[int]:
    """Of all processes that can be seen."""
    if sys.platform != "linux":
        import psutil

        return psutil.pids()
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def started_at(pid: int) -> float | None:
    """When a process began, by the clock: what tells it from a later owner of its id."""
    if sys.platform != "linux":
        import psutil

        try:
            return float(psutil.Process(pid).create_time())
        except psutil.Error:
            return None
    fields = _stat(pid)
    return None if fields is None else _booted_at() + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int | None:
    if sys.platform != "linux":
        import psutil

        try:
            return psutil.Process(pid).ppid()
        except psutil.Error:
            return None
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def name_of(pid: int) -> str:
    """Of its program; Linux keeps 15 characters of it."""
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


def _stat(pid: int) -> list[bytes] | None:
    """The fields of proc(5) behind the name, which may hold anything; the first of them is the state."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split() or None


def _booted_at() -> float:
    """By the clock; asked each time, since it moves with the clock."""
    return float(_figure("/proc/stat", b"\nbtime"))


def _memory(name: bytes) -> int:
    """0 where the kernel does not tell: another system's, or one older than the line."""
    return 1024 * _figure("/proc/meminfo", name)


def _figure(path: str, name: bytes) -> int:
    """The first number of a line of the kernel's."""
    rest = (b"\n" + _read(path)).partition(name)[2]
    return int(rest.split(None, 1)[0]) if rest else 0


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
