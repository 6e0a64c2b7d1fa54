"""Phases of an agent's work and the sampling settings that suit them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ExecutionPhase(StrEnum):
    """The built-in phases; a configuration may add others, named by their text."""

    PLANNING = "planning"
    EXECUTION = "execution"
    REFLECTION = "reflection"
    SUMMARIZATION = "summarization"
    ERROR_RECOVERY = "error_recovery"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase with its defaults."""

    name: str
    temperature: float
    max_tokens: int
    top_p: float = 0.9
    enable_reasoning: bool | None = None
    best_for: str = ""
