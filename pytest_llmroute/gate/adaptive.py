"""Repeats in rounds: go on only while the verdict may still be "fail".

Every round repeats all tasks. Repeating those that failed would be a selection: it hides true drops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_llmroute.gate.judge import Member, judge_family
from pytest_llmroute.gate.result import GateSettings
from pytest_llmroute.gate.verdict import CellsVerdict

LOOKS = (1, 3, 5)
"""Repeats of the candidate after which a look is taken."""
STOP = 0.30
"""A member with a larger p-value is done: it will not fail."""
INTERIM = 0.1
"""The share of alpha that each look but the last one may spend."""


@dataclass(frozen=True, slots=True)
class Look:
    """What to do after a look."""

    decision: Literal["fail", "stop", "go on"]
    done: frozenset[str]
    """Members that have stopped, at this look or before: the next look is told."""
    verdict: CellsVerdict
    """By what this look may spend. Where there is no further look it is the last word: do not judge once more."""


def level(number: int, of: int, alpha: float) -> float:
    """The alpha of look `number`, counted from 1: those of all looks together are `alpha`."""
    if not 1 <= number <= of <= 1 / INTERIM:
        raise ValueError(f"look {number} of {of}: from 1 to {1 / INTERIM:g} looks are possible")
    return alpha * INTERIM if number < of else alpha * (1 - INTERIM * (of - 1))


def look(
    members: Sequence[Member], number: int, of: int, settings: GateSettings, done: frozenset[str] = frozenset()
) -> Look:
    """Judge what there is so far; `members` keep their names from look to look."""
    verdict = judge_family(members, settings, level(number, of, settings.alpha))
    done |= {name for name, one in verdict.cells.items() if one.p_value > STOP}
    if verdict.failed:
        return Look("fail", done, verdict)
    open_ = number < of and not (verdict.cells and done.issuperset(verdict.cells))
    return Look("go on" if open_ else "stop", done, verdict)
