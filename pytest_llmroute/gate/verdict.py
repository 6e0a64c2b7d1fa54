"""What was judged, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_llmroute.core.passk import Tries

Word = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Change:
    """An item that passes more or less often than before."""

    item: str
    then: Tries
    now: Tries
    p: float
    """How unusual the change of this item is by itself, if nothing had changed."""

    @property
    def worse(self) -> bool:
        return self.now.passes * self.then.total < self.then.passes * self.now.total


@dataclass(frozen=True, slots=True)
class Repeats:
    """Outcomes for each shared item on one side."""

    least: int
    most: int
    total: int


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """One comparison, with all that a message about it needs. Rates are means over the shared items."""

    verdict: Word
    p_value: float
    """Of "passes less often", by itself: uncorrected also where several columns are judged together."""
    level: float
    """Up to where a p-value fails: alpha, or the part of it that one look of several may spend."""
    drop: float
    """Baseline minus candidate."""
    lower: float
    upper: float
    repeats_needed: int | None
    """Of the candidate, for a verdict; None where no number suffices, and where there is a verdict."""
    baseline_repeats_needed: int | None
    """Of both sides, where no number of the candidate's suffices."""
    tasks_needed: int | None
    """For a verdict with the present repeats."""
    too_small: bool
    """Even a candidate that fails everything could not be told from bad luck."""
    tasks_to_fail: int | None
    """With how many tasks like these it could, where it is too small; None where the baseline passes nothing."""
    items: int
    """Shared, with an outcome on both sides."""
    baseline_rate: float
    candidate_rate: float
    improvement_p: float
    """Of "passes more often"."""
    worse: int
    """Items that pass less often than before: at one try each, b of McNemar's test."""
    better: int
    newly_failing: int
    """Items that passed before, and now never."""
    newly_passing: int
    """Items that never passed before, and now do."""
    baseline_repeats: Repeats
    candidate_repeats: Repeats
    changed: tuple[Change, ...]
    """The most unusual first."""
    only_baseline: tuple[str, ...]
    only_candidate: tuple[str, ...]
    lost: tuple[str, ...]
    """Items of both sides of which at least one gave no outcome."""


@dataclass(frozen=True, slots=True)
class CellsVerdict:
    """Several comparisons judged together."""

    verdict: Word
    adjusted: Mapping[str, float]
    """p-values of all that was judged, corrected for being several."""
    failed: tuple[str, ...]
    cells: Mapping[str, GateVerdict]
    """The same names as `adjusted`; each verdict is the one that the corrected p-value gives."""
    unpaired: tuple[str, ...]
    """Cells without a shared item: not judged."""


def repeats(tries: Sequence[Tries]) -> Repeats:
    """Those of one side."""
    totals = [one.total for one in tries]
    return Repeats(min(totals, default=0), max(totals, default=0), sum(totals))
