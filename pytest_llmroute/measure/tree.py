"""A process and its descendants, kept up to date; whatever has vanished or can't be read counts as nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from pytest_llmroute.measure.highwater import Ended, LinuxMember, ended_children
from pytest_llmroute.measure.member import Member

Keep = Callable[[int], bool]


def open_member(pid: int) -> Member | None:
    """A process to be read; None where it is gone or hidden."""
    if sys.platform != "linux":
        from pytest_llmroute.measure.portable import opened

        return opened(pid)
    try:
        return LinuxMember(pid)
    except OSError:
        return None


def everyone(_pid: int) -> bool:
    return True


class Look(NamedTuple):
    """All members together: bytes and seconds."""

    rss: int
    cpu: float
    ended: int
    """The highest peak that was ever seen of one that has ended since the last look; 0 where none has."""


class Tree:
    """The root, and those of its descendants that `keep` wants.

    A member stays one until it ends, also when it is handed to another parent; an ended root is never found again.
    """

    def __init__(self, root: Member, keep: Keep = everyone, *, by_model: bool = False) -> None:
        self.root, self._keep = root, keep
        self._own = root.pid == os.getpid()
        self.ended = Ended()
        """Of our own process: what the kernel keeps of its ended children, at the last look."""
        self.by_model = by_model
        """Whether each child runs one model."""
        self.members: dict[int, Member] = {root.pid: root}
        self.alive = True
        self.found_at = 0.0
        """When children were last looked for, on the monotonic clock."""
        self.looked_at = 0.0
        """When all members were last looked at."""
        self.took = 0.0
        """The seconds of that."""
        self.last: Look | None = None
        """What was seen then."""
        self.quick = root.children() is not None
        """Whether looking for children costs microseconds, so that a mark may do it."""
        if not self.quick:
            from pytest_llmroute.measure.portable import descendants

            self._descendants = descendants

    def look(self, *, children: bool = True) -> Look:
        """Takes in new members, drops those that ended."""
        self.looked_at = time.monotonic()
        if children:
            self._find()
            self.found_at = self.looked_at
        rss, cpu, ended = 0, self._ended_cpu(), 0
        for pid, member in list(self.members.items()):
            before = member.last
            seen = member.look()
            if seen is not None:
                rss, cpu = rss + seen.rss, cpu + seen.cpu
                continue
            if before is not None:
                ended = max(ended, before.rss, before.peak or 0)
            self._drop(pid)
        self.alive = self.root.pid in self.members
        self.last = Look(rss, cpu, 0)
        self.took = time.monotonic() - self.looked_at
        return Look(rss, cpu, ended)

    def begin_anew(self) -> Look | None:
        """The last look with the CPU seconds of now, all high-water marks begun anew; None where one can't be."""
        rss, cpu = 0, self._ended_cpu()
        for member in self.members.values():
            seen, now = member.last, member.begin_anew()
            if seen is None or now is None:
                return None
            rss, cpu = rss + seen.rss, cpu + now
        return Look(rss, cpu, 0)

    def open_pss(self) -> list[Callable[[], int | None]]:
        """One function for each member that reads its PSS; the reading may take long."""
        return [member.open_pss() for member in self.members.values()]

    def close(self) -> None:
        for pid in list(self.members):
            self._drop(pid)

    def _ended_cpu(self) -> float:
        if self._own:
            self.ended = ended_children()
        return self.ended.cpu

    def _find(self) -> None:
        waiting = list(self.members.values()) if self.quick else []
        while waiting:
            for pid in waiting.pop().children() or ():
                if (member := self._new(pid)) is not None:
                    waiting.append(member)
        if not self.quick and self.alive:
            for pid in self._descendants(self.root.pid):
                self._new(pid)

    def _new(self, pid: int) -> Member | None:
        """The process as a new member; None where it is one already, is not wanted, or can't be read."""
        if pid in self.members or not self._keep(pid) or (member := open_member(pid)) is None:
            return None
        self.members[pid] = member
        return member

    def _drop(self, pid: int) -> None:
        self.members.pop(pid).close()
