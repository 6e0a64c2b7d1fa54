"""Looks at the results of a run while it goes on: how many there were, and what each may spend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_llmroute.config.options import ADAPTIVE

INTERIM = 0.1
"""The share of alpha that each look but the last one may spend."""


def level(number: int, of: int, alpha: float) -> float:
    """The alpha of look `number`, counted from 1: those of all looks together are `alpha`."""
    if not 1 <= number <= of <= 1 / INTERIM:
        raise ValueError(f"look {number} of {of}: from 1 to {1 / INTERIM:g} looks are possible")
    return alpha * INTERIM if number < of else alpha * (1 - INTERIM * (of - 1))


@dataclass(frozen=True, slots=True)
class Taken:
    """A look that was taken while the run went on."""

    repeats: int
    """Made of every case by then."""
    decision: str
    """fail, stop or go on."""
    p: float | None
    """The least p-value that decided; None where nothing could be compared."""


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks of a run: one, when all is made, unless its repeats were adaptive."""

    number: int = 1
    """The look that has the last word. Nothing is judged once more: its level is what is left for the verdict."""
    of: int = 1
    """How many there could have been."""
    taken: tuple[Taken, ...] = ()
    """Those while the run went on."""
    why: str = ""
    """Why further repeats were not made, in one clause; empty where all were."""
    saved: int = 0
    """Calls that were not made."""
    planned: int = 0
    """Calls with all repeats."""

    def level(self, alpha: float) -> float:
        """What the last look may spend."""
        return level(self.number, self.of, alpha)

    @staticmethod
    def from_dict(data: Any) -> Looks | None:
        """From its JSON form; None if it can't be that."""
        try:
            found = Looks(**{**data, "taken": tuple(Taken(**one) for one in data["taken"])})
            found.level(1.0)
            return found if isinstance(found.why, str) and found.saved + found.planned >= 0 else None
        except (TypeError, ValueError, KeyError):
            return None


def looks_of(facts: Mapping[str, Any]) -> Looks | None:
    """Of a stored run; None where its repeats were adaptive and its looks are not known."""
    if "looks" in facts:
        return Looks.from_dict(facts["looks"])
    settings = facts.get("settings")
    adaptive = isinstance(settings, Mapping) and settings.get("repeat") == ADAPTIVE
    return None if adaptive else Looks()
