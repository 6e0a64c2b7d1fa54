"""What attempts on ladders gave: at which attempt tasks were solved, what that took, how good the verifier was."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_llmroute.core.attempts import LARGE, SMALL
from pytest_llmroute.core.outcomes import SCORED
from pytest_llmroute.core.records import CallRecord, Record


@dataclass(frozen=True, slots=True)
class Verified:
    """The verifier's word against what scores, over the small model's answers."""

    verifier: str
    feedback: str
    accepted_right: int
    accepted_wrong: int
    rejected_right: int
    rejected_wrong: int
    sensitivity: float | None
    """Of the right answers, the share that was accepted."""
    specificity: float | None
    """Of the wrong answers, the share that was rejected."""

    @property
    def scores_too(self) -> bool:
        """Whether it is what scores: then there is nothing to measure."""
        return (self.verifier, self.feedback) == ("check", "all")


@dataclass(frozen=True, slots=True)
class Attempts:
    """Of one column's tasks on its ladder."""

    tasks: int
    solved_at: Mapping[str, int]
    """By the number of the small model's attempt that solved them."""
    solved_by_large: int
    unsolved: int
    small_calls: int
    small_seconds: float
    """Those of a verifying model are among them."""
    large_calls: int
    large_seconds: float
    cancelled_calls: int = 0
    """Of both, those that were given up when the other model's answer was accepted."""
    cancelled_seconds: float = 0.0
    verified: tuple[Verified, ...] = ()


def attempts_of(record: Record) -> tuple[int, bool]:
    """How often the small model tried, to the end of its answer, and whether the large model's answer counts."""
    tried = [call for call in record.calls if not call.cancelled]
    accepted = any(call.role == SMALL and call.accepted for call in tried)
    return sum(call.role == SMALL for call in tried), not accepted and any(call.role == LARGE for call in tried)


@dataclass(slots=True)
class AttemptsTally:
    """Takes records one by one."""

    tasks: int = 0
    solved_at: Counter[int] = field(default_factory=Counter)
    by_large: int = 0
    small: array[float] = field(default_factory=lambda: array("d"))
    """Seconds of calls."""
    large: array[float] = field(default_factory=lambda: array("d"))
    cancelled: array[float] = field(default_factory=lambda: array("d"))
    """Of these the ones that were given up."""
    verified: dict[tuple[str, str], Counter[tuple[bool, bool]]] = field(default_factory=dict)

    def add(self, record: Record, sign: int = 1) -> None:
        """`sign` -1 takes it back."""
        own = [call for call in record.calls if call.rung]
        tried, by_large = attempts_of(record)
        if not (tried or by_large) or record.outcome not in SCORED:
            return
        self.tasks += sign
        if record.success and by_large:
            self.by_large += sign
        elif record.success:
            self.solved_at[tried] += sign
        for call in own:
            self._call(call, sign)

    def _call(self, call: CallRecord, sign: int) -> None:
        seconds = self.large if call.role == LARGE else self.small
        for each in (seconds, self.cancelled) if call.cancelled else (seconds,):
            (each.append if sign > 0 else each.remove)(call.total_s)
        if call.role == SMALL and call.accepted is not None and call.passed is not None:
            counts = self.verified.setdefault((call.verifier, call.feedback), Counter())
            counts[call.accepted, call.passed] += sign

    def summary(self) -> Attempts | None:
        """None where no task was on a ladder."""
        if not self.tasks:
            return None
        solved = {str(number): count for number, count in sorted(self.solved_at.items()) if count}
        return Attempts(
            tasks=self.tasks,
            solved_at=solved,
            solved_by_large=self.by_large,
            unsolved=self.tasks - sum(solved.values()) - self.by_large,
            small_calls=len(self.small),
            small_seconds=math.fsum(self.small),
            large_calls=len(self.large),
            large_seconds=math.fsum(self.large),
            cancelled_calls=len(self.cancelled),
            cancelled_seconds=math.fsum(self.cancelled),
            verified=tuple(_verified(*way, found) for way, found in sorted(self.verified.items()) if found.total()),
        )


def _verified(verifier: str, feedback: str, found: Counter[tuple[bool, bool]]) -> Verified:
    right, wrong = (found[True, passed] + found[False, passed] for passed in (True, False))
    return Verified(
        verifier, feedback, found[True, True], found[True, False], found[False, True], found[False, False],
        found[True, True] / right if right else None, found[False, False] / wrong if wrong else None,
    )  # fmt: skip
