"""Which columns, phases and repeats a run has, and which of them a test takes part in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_llmroute.codes import Code
from pytest_llmroute.config.resolve import DEFAULT_STRATEGY, Settings
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.rounds import round_of_repeat
from pytest_llmroute.errors import UserError


@dataclass(frozen=True, slots=True)
class Cell:
    """One item's place among phases and repeats; `excluded` ones are deselected."""

    phase: str | None
    repeat: int
    repeats: int
    excluded: bool = False
    round: int = 1
    """Repeats of a later round run only if the results before them ask for it."""

    @property
    def label(self) -> str:
        """Its part of the id: a phase where the option multiplied, a repeat where there are several."""
        parts = [self.phase] if self.phase else []
        return "-".join([*parts, *([f"rep{self.repeat}"] if self.repeats > 1 else [])])


def columns_of(settings: Settings) -> tuple[Column, ...]:
    """Strategies, then single models; what is set nearer to the user puts the other kind out of play."""
    nearest_level = min(settings.level("strategy"), settings.level("model"))
    strategies = settings["strategy"] or () if settings.level("strategy") == nearest_level else ()
    models = settings["model"] or () if settings.level("model") == nearest_level else ()
    if not strategies and not models:
        strategies = (DEFAULT_STRATEGY,)
    return distinct([Column("strategy", s) for s in strategies] + [Column("model", m) for m in models])


def distinct(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns, once each; two that would share an id are a mistake."""
    by_label: dict[str, Column] = {}
    for column in columns:
        other = by_label.setdefault(column.label, column)
        if other != column:
            raise UserError(
                f'the columns "{other.name}" ({other.kind}) and "{column.name}" ({column.kind})'
                f' would both be called "{column.label}" in test ids',
                code=Code.COLUMNS,
                fix="run them one after the other",
            )
    return tuple(by_label.values())


def cells_of(
    declared_phase: str | None, phases: tuple[str, ...], repeats: int, *, adaptive: bool = False
) -> tuple[Cell, ...]:
    """The phases and repeats of one case: a declared phase restricts, the option multiplies."""
    runs = [(k, round_of_repeat(k) if adaptive else 1) for k in range(1, repeats + 1)]
    if declared_phase is not None or not phases:
        excluded = bool(phases) and declared_phase not in phases
        return tuple(Cell(None, k, repeats, excluded, of) for k, of in runs)
    return tuple(Cell(phase, k, repeats, round=of) for phase in phases for k, of in runs)
