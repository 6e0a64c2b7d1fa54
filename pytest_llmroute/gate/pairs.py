"""Items that two runs share, each with its tries and passes on both sides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_llmroute.core.passk import Tries


@dataclass(frozen=True, slots=True)
class Pair:
    """One item with at least one outcome on both sides."""

    item: str
    then: Tries
    now: Tries

    @property
    def passes(self) -> int:
        return self.then.passes + self.now.passes

    @property
    def total(self) -> int:
        return self.then.total + self.now.total

    @property
    def cross(self) -> int:
        """Above zero where the item passes more often than before, below where less often."""
        return self.now.passes * self.then.total - self.then.passes * self.now.total

    @property
    def drop(self) -> float:
        return -self.cross / (self.then.total * self.now.total)


@dataclass(frozen=True, slots=True)
class Shared:
    """What two runs have in common, and what they have not."""

    pairs: tuple[Pair, ...]
    only_baseline: tuple[str, ...] = ()
    only_candidate: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    """Items of both sides of which at least one gave no outcome."""


def shared(baseline: Mapping[str, Sequence[int]], candidate: Mapping[str, Sequence[int]]) -> Shared:
    """The items of both, in the order of their names."""
    then, now = _tries(baseline, "baseline"), _tries(candidate, "candidate")
    both = sorted(then.keys() & now.keys())
    return Shared(
        pairs=tuple(Pair(item, then[item], now[item]) for item in both if then[item].total and now[item].total),
        only_baseline=tuple(sorted(then.keys() - now.keys())),
        only_candidate=tuple(sorted(now.keys() - then.keys())),
        lost=tuple(item for item in both if not (then[item].total and now[item].total)),
    )


def pooled(cells: Mapping[str, Shared]) -> Shared:
    """The items of all cells together, each named with its cell."""
    return Shared(
        pairs=tuple(
            replace(pair, item=f"{cell}: {pair.item}") for cell, shared_ in cells.items() for pair in shared_.pairs
        ),
        only_baseline=_named((cell, one.only_baseline) for cell, one in cells.items()),
        only_candidate=_named((cell, one.only_candidate) for cell, one in cells.items()),
        lost=_named((cell, one.lost) for cell, one in cells.items()),
    )


def unit_of(pairs: Iterable[Pair]) -> int:
    """The least number by which every item's rates become whole numbers."""
    return math.lcm(*(tries.total for pair in pairs for tries in (pair.then, pair.now)))


def mean_of(ratios: Sequence[tuple[int, int]]) -> float:
    """The mean of numerators over denominators, rounded once: 2 points are 0.02 and not a digit less; 0 without any."""
    unit = math.lcm(*(below for _, below in ratios))
    return sum(above * (unit // below) for above, below in ratios) / (unit * max(len(ratios), 1))


def mean_rate(tries: Sequence[Tries]) -> float:
    return mean_of([(one.passes, one.total) for one in tries])


def mean_drop(pairs: Sequence[Pair]) -> float:
    return mean_of([(-pair.cross, pair.then.total * pair.now.total) for pair in pairs])


def _tries(outcomes: Mapping[str, Sequence[int]], side: str) -> dict[str, Tries]:
    for item, values in outcomes.items():
        if not isinstance(values, Sequence):
            raise ValueError(f"{side}: item {item!r} has {values!r}; a list is needed, one 0 or 1 for each repeat")
        if wrong := [value for value in values if value not in (0, 1)]:
            raise ValueError(f"{side}: item {item!r} has the outcome {wrong[0]!r}; each is 0 or 1")
    return {item: Tries(int(sum(values)), len(values)) for item, values in outcomes.items()}


def _named(cells: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    return tuple(f"{cell}: {item}" for cell, items in cells for item in items)
