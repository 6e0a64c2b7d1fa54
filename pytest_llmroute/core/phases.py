"""Phases of an agent's work and the sampling settings that suit them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase with its defaults."""

    name: str
    temperature: float
    max_tokens: int
    top_p: float = 0.9
    reasoning: bool | None = None
    best_for: str = ""
