"""One process of a tree, as every platform can read it; `highwater.py` has what Linux's kernel tells beyond that."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Seen(NamedTuple):
    """One look at a process: bytes, and seconds of CPU."""

    rss: int
    peak: int | None
    """The highest RSS since it started, or since it was last reset; None where the system keeps none."""
    cpu: float
    """Of another process with its ended children, of our own without: `ended_children` tells more of those."""


class Member(Protocol):
    """A process that is told from a later owner of its pid. What can't be read is None, never an error."""

    pid: int
    last: Seen | None
    """What the last look saw."""

    def look(self) -> Seen | None: ...

    def begin_anew(self) -> float | None:
        """Lets the high-water mark begin anew; the CPU seconds so far, or None where that is not permitted."""
        ...

    def open_pss(self) -> Callable[[], int | None]:
        """Reads its bytes with shared pages divided among those who share them; to be called once."""
        ...

    def children(self) -> list[int] | None:
        """Its direct children; None where the system has no quick way to tell."""
        ...

    def close(self) -> None: ...


def nothing() -> None:
    """What a reading gives that is not to be had."""
    return
