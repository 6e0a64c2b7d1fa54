"""Processes through psutil: macOS, Windows, and the BSDs."""

from __future__ import annotations

import os
from collections.abc import Callable

import psutil

from pytest_llmroute.measure.member import Seen, nothing


def opened(pid: int) -> PortableMember | None:
    """None where it is gone or hidden."""
    try:
        return PortableMember(pid)
    except psutil.Error:
        return None


def descendants(pid: int) -> list[int]:
    """Empty where it is gone."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


class PortableMember:
    """One process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.last: Seen | None = None
        self._own = pid == os.getpid()
        self._process = psutil.Process(pid)

    def look(self) -> Seen | None:
        try:
            if not self._process.is_running():  # compares the start time: the pid may be another's by now
                return None
            memory, times = self._process.memory_info(), self._process.cpu_times()
        except psutil.Error:
            return None
        cpu = times.user + times.system
        if not self._own:
            cpu += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        self.last = Seen(int(memory.rss), getattr(memory, "peak_wset", None), cpu)
        return self.last

    def begin_anew(self) -> float | None:
        return None

    def open_pss(self) -> Callable[[], int | None]:
        return nothing

    def children(self) -> list[int] | None:
        return None

    def close(self) -> None:
        """Holds nothing open."""
