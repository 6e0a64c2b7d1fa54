"""In which order different attempts are made: by temperature, by prompt form, by model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arm:
    """One kind of attempt."""

    name: str
    chance: float
    """That it solves a task."""
    cost: float

    def __post_init__(self) -> None:
        if not (0 <= self.chance <= 1 and 0 <= self.cost < math.inf):
            raise ValueError(f"{self.name}: a chance from 0 to 1 and a finite cost from 0 on are needed")

    @property
    def worth(self) -> float:
        """Successes for one unit of cost."""
        if not self.cost:
            return math.inf if self.chance else 0.0
        return self.chance / self.cost


def order(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """By chance ÷ cost, the best first: no other order costs less until the first success (Weitzman 1979).

    That holds for attempts that succeed or fail independently of each other. What comes when all have failed does not
    change the order. Equal ones stay as they were given.
    """
    return tuple(sorted(arms, key=lambda arm: arm.worth, reverse=True))


def expected_cost(arms: Sequence[Arm]) -> float:
    """Of making these attempts in this order until one succeeds."""
    cost = 0.0
    for arm in reversed(arms):
        cost = arm.cost + (1 - arm.chance) * cost
    return cost
