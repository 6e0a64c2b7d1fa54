"""How a case ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_llmroute.core.solutions import Solution


OutcomeKind = Literal["passed", "missed", "failed", "error", "skipped", "interrupted"]

SCORED: frozenset[str] = frozenset({"passed", "missed", "failed"})
"""Outcomes that count as a try; an error, a skip or an interruption says nothing of the model."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict of a task's checks on one reply."""

    passed: bool
    message: str = ""
    """Why not: names the check, what was wanted and what came."""
    score: float | None = None
    """The share of sub-checks that held, where there are several."""
    solution: Solution | None = None
    """What came of the reply's code, where the check ran it."""
