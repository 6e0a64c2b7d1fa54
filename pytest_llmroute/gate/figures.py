"""What a run says of each case: the one form that a run, a stored run and a baseline file share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pytest_llmroute.config.options import ADAPTIVE
from pytest_llmroute.gate.looks import Looks
from pytest_llmroute.gate.tries import SKIPPED, Try, in_order


@dataclass(frozen=True, slots=True)
class CaseFigures:
    """One case on one column, its tries together."""

    case: str
    outcomes: tuple[int, ...] = ()
    """0 or 1 for each try that gave an outcome; repeats at temperature 0 or replayed are one."""
    lost: int = 0
    made: int = 0
    """All tries, the lost ones too."""
    replayed: int = 0
    """Those of them on recorded replies."""
    skipped: int = 0
    """Of the lost ones, those that a test skipped."""
    check: str = ""
    models: tuple[str, ...] = ()
    reason: str = ""
    prompt: str = ""
    template: str = ""
    settings: str = ""
    policy: str = ""
    seconds: float | None = None
    """The median of the tries, as the following figures; None where there is none."""
    tokens: float | None = None
    ram: float | None = None
    server_ram: float | None = None
    usd: float | None = None

    @property
    def passes(self) -> int:
        return sum(self.outcomes)

    @property
    def tries(self) -> int:
        return len(self.outcomes)


@dataclass(frozen=True, slots=True)
class RunHead:
    """What identifies a run, and whether it is a whole one."""

    run_id: str = ""
    version: str = ""
    created: str = ""
    profile: str = ""
    machine: str = ""
    """The class of machine: times and RAM are compared within one only."""
    paths: tuple[str, ...] = (".",)
    """What was collected, from the root directory."""
    selection: str = ""
    """The options that left cases out (-k, -m, --lf, an id, …); empty for a whole run."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values of options that play a part in the result."""
    looks: Looks = Looks()

    @property
    def adaptive(self) -> bool:
        """Whether the results decided how many repeats there are."""
        return self.settings.get("repeat") == ADAPTIVE


@dataclass(frozen=True, slots=True)
class RunFigures:
    """A run by column and case."""

    head: RunHead
    columns: Mapping[str, Mapping[str, CaseFigures]]
    kinds: Mapping[str, str] = field(default_factory=dict)
    """strategy or model, by column."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Digests of the models that answered, as far as backends know them; else empty. Several of one are joined by +."""


def figures_of(tries: Iterable[Try], head: RunHead, order: Iterable[str] = ()) -> RunFigures:
    """All gated tries by column, as `order` has them, and case."""
    columns: dict[str, dict[str, list[Try]]] = {}
    kinds: dict[str, str] = {}
    digests: dict[str, set[str]] = defaultdict(set)
    for one in in_order(tries, order):
        kinds.setdefault(one.column, one.kind)
        for model, known in zip(one.models, one.digests, strict=True):
            digests[model].add(known)
        if one.gated:
            columns.setdefault(one.column, defaultdict(list))[one.case].append(one)
    return RunFigures(
        head,
        {
            column: {case: case_figures(case, group) for case, group in cases.items()}
            for column, cases in columns.items()
        },
        kinds,
        {model: "+".join(sorted(filter(None, known))) for model, known in sorted(digests.items())},
    )


def case_figures(case: str, tries: Sequence[Try]) -> CaseFigures:
    """The tries of one case together, in the order of their repeats."""
    ordered = in_order(tries)
    scored = [one for one in ordered if one.outcome is not None]
    shown = scored[0] if scored else ordered[0]
    counted = scored[:1] if scored and all(one.fixed for one in scored) else scored
    return CaseFigures(
        case=case,
        outcomes=tuple(one.outcome for one in counted if one.outcome is not None),
        lost=len(ordered) - len(scored),
        made=len(ordered),
        replayed=sum(one.replayed for one in ordered),
        skipped=sum(one.cause == SKIPPED for one in ordered),
        check=shown.check,
        models=shown.models,
        reason=shown.reason,
        prompt=shown.prompt,
        template=shown.template,
        settings=shown.settings,
        policy=shown.policy,
        seconds=_median(one.seconds for one in scored),
        tokens=_median(one.tokens for one in scored),
        ram=_median(one.ram for one in scored),
        server_ram=_median(one.server_ram for one in scored),
        usd=_median(one.usd for one in scored),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
