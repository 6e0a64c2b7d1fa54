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


def parent_of(pid: int) -> int | None:
    if sys.platform != "linux":
        import psutil

        try:
            return psutil.Process(pid).ppid()
        except psutil.Error:
            return None
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()  # behind the name, which may hold anything
    return int(fields[1]) if fields else None


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


def _memory(name: bytes) -> int:
    """Bytes; 0 where the kernel does not tell: another system's, or one older than the line."""
    rest = (b"\n" + _read("/proc/meminfo")).partition(name)[2]
    return 1024 * int(rest.split(None, 1)[0]) if rest else 0


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
