"""Repeats in rounds: go on only while the verdict may still be "fail".

Every round repeats all tasks. Repeating those that failed would be a selection: it hides true drops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_llmroute.gate.looks import level
from pytest_llmroute.gate.members import Member, judge_family
from pytest_llmroute.gate.result import GateSettings
from pytest_llmroute.gate.verdict import CellsVerdict, GateVerdict

STOP = 0.30
"""A member with a larger p-value is done: it will not fail."""


@dataclass(frozen=True, slots=True)
class Look:
    """What to do after a look."""

    decision: Literal["fail", "stop", "go on"]
    done: frozenset[str]
    """Members that have stopped, at this look or before: the next look is told."""
    verdict: CellsVerdict
    """By what this look may spend. Where there is no further look it is the last word: do not judge once more."""


def look(
    members: Sequence[Member], number: int, of: int, settings: GateSettings, done: frozenset[str] = frozenset()
) -> Look:
    """Judge what there is so far; `members` keep their names from look to look.

    Where nothing is paired it stops: repeats would not change that.
    """
    verdict = judge_family(members, settings, level(number, of, settings.alpha))
    done |= {name for name, one in verdict.cells.items() if _done(one, settings)}
    if verdict.failed:
        return Look("fail", done, verdict)
    return Look("go on" if number < of and not done.issuperset(verdict.cells) else "stop", done, verdict)


def _done(one: GateVerdict, settings: GateSettings) -> bool:
    """Where too few tries to tell are a failure, a member goes on until it passes."""
    return one.p_value > STOP and (settings.inconclusive == "warn" or one.verdict == "pass")
