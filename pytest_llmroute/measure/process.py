"""RSS and CPU of this process and all its living children.

The peak is the highest of the samples: one at the begin, one at the end, and one every quarter of a second between
them; a spike that is shorter can be missed.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

import psutil

INTERVAL = 0.25


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used between begin and end; bytes and seconds."""

    rss_peak: int
    rss_average: int
    cpu_seconds: float
    cpu_percent: float
    seconds: float
    samples: int


@dataclass(slots=True, eq=False)
class Mark:
    """An open measurement."""

    started: float
    cpu_started: float
    peak: int
    total: int
    samples: int = 1


@dataclass(slots=True)
class _Children:
    """What the sampler last saw of the children."""

    rss: int = 0
    cpu: float = 0.0


class ProcessMeter:
    """One sampler thread for any number of open marks; it looks for children, the marks themselves do not."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._own = psutil.Process()
        self._children = _Children()
        self._marks: set[Mark] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> Mark:
        rss = self._rss()
        mark = Mark(time.perf_counter(), self._cpu(), rss, rss)
        with self._lock:
            self._marks.add(mark)
            if self._thread is None:
                self._thread = threading.Thread(target=self._sample, name="llmroute-meter", daemon=True)
                self._thread.start()
        return mark

    def end(self, mark: Mark) -> Usage:
        """The usage since `begin`; ending a mark twice measures on from the same begin."""
        rss, cpu = self._rss(), self._cpu()
        with self._lock:
            self._marks.discard(mark)
            _count(mark, rss)
        seconds = time.perf_counter() - mark.started
        used = max(0.0, cpu - mark.cpu_started)
        return Usage(
            rss_peak=mark.peak,
            rss_average=mark.total // mark.samples,
            cpu_seconds=used,
            cpu_percent=100 * used / seconds if seconds > 0 else 0.0,
            seconds=seconds,
            samples=mark.samples,
        )

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _rss(self) -> int:
        return int(self._own.memory_info().rss) + self._children.rss

    def _cpu(self) -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system + self._children.cpu

    def _sample(self) -> None:
        while not self._stop.wait(self._interval):
            self._look_at_children()
            rss = self._rss()
            with self._lock:
                for mark in self._marks:
                    _count(mark, rss)

    def _look_at_children(self) -> None:
        """Children that vanish or can't be read count as nothing; reaped ones are in os.times already."""
        rss, cpu = 0, 0.0
        try:
            children = self._own.children(recursive=True)
        except psutil.Error:
            children = []
        for child in children:
            try:
                with child.oneshot():
                    rss += child.memory_info().rss
                    times = child.cpu_times()
                    cpu += times.user + times.system
            except psutil.Error:
                continue
        self._children = _Children(rss, cpu)


def _count(mark: Mark, rss: int) -> None:
    mark.peak = max(mark.peak, rss)
    mark.total += rss
    mark.samples += 1
