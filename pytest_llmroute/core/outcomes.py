"""How a case ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
