"""Which of two is better, looked at after every task: the evidence may be read at any time, and as often as one likes.

Only tasks that one of the two alone solves count. If neither is better, each of them is a fair coin, and whoever bets
on a bias has at any time 20 times the stake with a chance of at most 1 in 20 (Ville's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

ENOUGH = 20.0
"""Evidence that decides: at most 1 in 20 comparisons of equals is ever decided."""
WEIGHT = 1.0
"""The bet: all shares of the first among these tasks are equally likely. Larger weights bet on smaller differences."""


def evidence(first: int, second: int, weight: float = WEIGHT) -> float:
    """2^n · B(weight + first, weight + second) ÷ B(weight, weight), of n tasks that one alone solved; may be ∞."""
    if min(first, second) < 0 or not 0 < weight < math.inf:
        raise ValueError(
            f"{first!r} against {second!r} tasks, weight {weight!r}: counts and a finite number above 0 are needed"
        )
    log = (first + second) * math.log(2) + _log_beta(weight + first, weight + second) - _log_beta(weight, weight)
    return math.exp(log) if log < 709 else math.inf  # the largest float is e^709.8


@dataclass(frozen=True, slots=True)
class Course:
    """A comparison as far as it went."""

    tasks: int
    """Seen, those that both or none solved included."""
    first: int
    """Solved by the first alone."""
    second: int
    decided: bool

    @property
    def evidence(self) -> float:
        return evidence(self.first, self.second)

    @property
    def better(self) -> int | None:
        """1 or 2; None while it is not decided."""
        return (1 if self.first > self.second else 2) if self.decided else None


def follow(pairs: Iterable[tuple[bool, bool]], enough: float = ENOUGH) -> Course:
    """Take one pair of outcomes for each task until it is decided; later ones are not even asked for.

    The order of the tasks must not depend on their outcomes, and each task comes once: its repeats are not independent.
    """
    tasks = first = second = 0
    for one, other in pairs:
        tasks += 1
        first += one and not other
        second += other and not one
        if one != other and evidence(first, second) >= enough:
            return Course(tasks, first, second, decided=True)
    return Course(tasks, first, second, decided=False)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
