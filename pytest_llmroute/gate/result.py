"""What the gate says: values that the terminal, JSON, Markdown, JUnit and exit status are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_llmroute.gate.figures import CaseFigures, RunHead

if TYPE_CHECKING:
    from pytest_llmroute.gate.members import GateVerdict
    from pytest_llmroute.gate.require import RequirementResult

Verdict = Literal["pass", "fail", "inconclusive", "incomparable", "not judged", "new"]
ALL = "<all>"
"""The name under which all columns together are judged."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The knobs; `docs/gate.md` explains each."""

    alpha: float = 0.05
    margin: float = 0.05
    min_drop: float = 0.02
    max_lost: float = 0.1
    scope: Literal["suite", "population"] = "suite"
    p: Literal["mid", "exact"] = "mid"
    family: Literal["cells", "none", "pooled"] = "cells"
    inconclusive: Literal["warn", "fail"] = "warn"
    allow_replayed: bool = False
    """Whether tries count whose replies were recorded before."""
    columns: tuple[tuple[str, str], ...] = ()
    """Renamed columns: new, old."""

    def fails(self, verdict: Verdict) -> bool:
        """Whether CI shall be red by this verdict."""
        return verdict in ("fail", "incomparable") or (verdict == "inconclusive" and self.inconclusive == "fail")


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case on one column, then and now."""

    case: str
    column: str
    then: CaseFigures
    now: CaseFigures
    message: str = ""
    """Why it misses now."""
    nodeid: str = ""
    suite: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ColumnVerdict:
    """One column, or all together, against the baseline."""

    column: str
    verdict: Verdict
    against: str = ""
    """The baseline's name for the column, where that is another."""
    why: str = ""
    """Of what can't be compared: what is the matter, in one clause."""
    stats: GateVerdict | None = None
    adjusted: float | None = None
    """p after Holm's correction over all that is judged together."""
    failing: tuple[CaseChange, ...] = ()
    """Cases that pass less often than before, the most telling first."""
    passing: tuple[CaseChange, ...] = ()
    """Cases that pass more often than before."""
    missing: tuple[str, ...] = ()
    """Cases of the baseline that this run does not have."""
    added: tuple[str, ...] = ()
    rechecked: tuple[str, ...] = ()
    """Cases whose check is another one now: not compared."""
    lost: tuple[tuple[str, str], ...] = ()
    """Cases without any outcome now, each with its cause."""
    changes: tuple[str, ...] = ()
    """What is another thing now: models, templates, prompts, settings, routing."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The gate's word on a run."""

    verdict: Verdict
    """The worst of all that was judged; new where there is nothing to compare with."""
    source: str
    """What the run was compared with, in words: a file, a run, a branch."""
    columns: tuple[ColumnVerdict, ...] = ()
    """One for each column, then `<all>` where there are several."""
    requirements: tuple[RequirementResult, ...] = ()
    why: str = ""
    """Why nothing could be compared at all."""
    notes: tuple[str, ...] = ()
    """What else a reader must know: a part of the suite only, columns not run, another machine."""
    settings: GateSettings = GateSettings()
    now: RunHead = field(default_factory=RunHead)
    then: RunHead | None = None

    @property
    def failures(self) -> tuple[ColumnVerdict | RequirementResult, ...]:
        """Every criterion that shall make CI red."""
        columns = (one for one in self.columns if self.settings.fails(one.verdict))
        return (*columns, *(one for one in self.requirements if one.verdict == "failed"))

    @property
    def failed(self) -> bool:
        """Whether CI shall be red."""
        return self.settings.fails(self.verdict) or bool(self.failures)
