"""One measurement of one tree, from begin to end: samples in between, and what the kernel's marks add to them."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pytest_llmroute.measure.gpu import GpuSeen
from pytest_llmroute.measure.highwater import Ended
from pytest_llmroute.measure.member import Member
from pytest_llmroute.measure.tree import Look, Tree

SLACK = 0.02
"""By how much two of the kernel's figures of one moment may differ: it counts pages in batches per core."""

Source = Literal["", "high-water", "sampled", "reported"]
Scope = Literal["", "exact", "shared", "run"]


class Usage(NamedTuple):
    """What was used between begin and end; bytes and seconds."""

    rss_peak: int
    rss_average: int
    cpu_seconds: float
    cpu_percent: float
    seconds: float
    samples: int
    source: Source = "sampled"
    """Whether the peak is the kernel's own for every process, or the highest sample for one of them."""
    scope: Scope = "exact"
    """Whether nothing else ran in these processes meanwhile."""
    pss: int | None = None
    gpu_bytes: int | None = None
    gpu_percent: float | None = None


@dataclass(slots=True, eq=False)
class Target:
    """What is measured: our own processes, or a server's once they are found."""

    tree: Tree | None = None
    own: bool = False
    several: bool = False
    """Whether others use these processes at the same time, so that no figure belongs to one case."""
    marks: set[Mark] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Mark:
    """An open measurement. It begins to count when its target has been found."""

    target: Target
    started: float = field(default_factory=time.perf_counter)
    alone: bool = True
    crowded: bool = False
    """Whether the server held several models, so that its RAM is not one model's."""
    cpu: float | None = None
    last_cpu: float = 0.0
    peak: int = 0
    seen: tuple[int, int] = (0, 0)
    """Bytes of all samples together, and how many: one value, since two threads may count at once."""
    ended: int = 0
    """The highest peak that was seen of a member that has ended."""
    floors: dict[Member, int | None] = field(default_factory=dict)
    """Above which a high-water mark is of this measurement; None where the system keeps no marks."""
    children: Ended = Ended()
    pss: int | None = None
    gpu_bytes: int | None = None
    gpu_percents: list[float] = field(default_factory=list)

    def open(self, tree: Tree, look: Look) -> None:
        """Begins to count."""
        self.cpu = self.last_cpu = look.cpu
        self.children = tree.ended
        self.count(look)

    def keep_floors(self, tree: Tree, *, reset: bool) -> None:
        """For members that have just been looked at. With `reset` their marks begin anew, where the kernel permits."""
        for member in tuple(tree.members.values()):
            seen = member.last
            if seen is None or seen.peak is None:
                self.floors[member] = None
            else:
                fresh = (1 - SLACK) * seen.peak <= seen.rss or (reset and member.begin_anew() is not None)
                self.floors[member] = -1 if fresh else seen.peak

    def count(self, look: Look) -> None:
        """One sample."""
        self.peak = max(self.peak, look.rss)
        self.seen = self.seen[0] + look.rss, self.seen[1] + 1
        self.last_cpu = look.cpu

    def count_sparse(self, pss: int | None, gpu: GpuSeen | None, pids: Collection[int]) -> None:
        """One of the rarer samples."""
        if pss is not None:
            self.pss = max(pss, self.pss or 0)
        if gpu is not None:
            self.gpu_percents.append(gpu.percent)
            if (used := gpu.bytes_for(pids)) is not None:
                self.gpu_bytes = max(used, self.gpu_bytes or 0)

    def usage(self, highest_own: int) -> Usage | None:
        """After the last look; None where the target was never found."""
        if self.cpu is None or self.target.tree is None:
            return None
        high, sure = self._marks_of(self.target.tree)
        ended, known = self._ended(self.target.tree.ended, highest_own)
        high += ended
        seconds = time.perf_counter() - self.started
        used = max(0.0, self.last_cpu - self.cpu)
        return Usage(
            rss_peak=max(high, self.peak),
            rss_average=self.seen[0] // self.seen[1],
            cpu_seconds=used,
            cpu_percent=100 * used / seconds if seconds > 0 else 0.0,
            seconds=seconds,
            samples=self.seen[1],
            source="high-water" if sure and known and high >= (1 - SLACK) * self.peak else "sampled",
            scope="exact" if self.alone and not self.crowded and not self.target.several else "shared",
            pss=self.pss,
            gpu_bytes=self.gpu_bytes,
            gpu_percent=sum(self.gpu_percents) / len(self.gpu_percents) if self.gpu_percents else None,
        )

    def _marks_of(self, tree: Tree) -> tuple[int, bool]:
        """The sum of the living members' high-water marks, and whether all of them are of this measurement."""
        total, sure = 0, True
        for member in tuple(tree.members.values()):
            seen, floor = member.last, self.floors.get(member, -1)
            if seen is None:
                continue
            if seen.peak is not None and floor is not None and seen.peak > floor:
                total += seen.peak
            else:
                total, sure = total + seen.rss, False
        return total, sure

    def _ended(self, now: Ended, highest_own: int) -> tuple[int, bool]:
        """The peak of the largest member that ended, and whether the kernel has told it.

        The kernel's figure for ended children begins with what the parent held when it started them, so it says
        something only above the parent's own highest.
        """
        if not self.target.own:
            return self.ended, self.ended == 0
        if now.highest > max(self.children.highest, highest_own):
            return max(now.highest, self.ended), True
        return self.ended, self.ended == 0 and now.faults == self.children.faults
