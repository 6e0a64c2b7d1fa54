"""The gate's word on a run for a terminal: a sentence a column, what is different, which cases, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pytest_llmroute.core.rounds import LOOKS
from pytest_llmroute.errors import printable
from pytest_llmroute.gate.require import RequirementResult
from pytest_llmroute.gate.result import ALL, CaseChange, ColumnVerdict, GateResult, GateSettings
from pytest_llmroute.report import verdicts
from pytest_llmroute.report.terminal import ascii_only, folded

SHOWN = 10
"""Cases that pass less often, and things that are different."""
FEW = 3
"""Cases of every other kind, and those of a gate that passes."""
MORE = "(-v shows all)"
Item = TypeVar("Item")


def gate_lines(
    result: GateResult, *, verbose: bool = False, width: int = 100, unicode: bool = True, enforced: bool = True,
    steps: bool = True, told: bool = False,
) -> list[str]:  # fmt: skip
    """`enforced`: whether a failed gate makes the exit status 1; `steps`: whether to name the next commands.

    `told`: whether the text of each failed criterion stands elsewhere already.
    """
    paper = _Paper(width, unicode, verbose)
    return [
        *finding_lines(result, verbose=verbose, width=width, unicode=unicode, told=told),
        *paper.sentences([_last(result, enforced)]),
        *paper.sentences(f"{why}:  {command}" for why, command in (next_steps(result) if steps else ())),
    ]


def finding_lines(
    result: GateResult, *, verbose: bool = False, width: int = 100, unicode: bool = True, told: bool = False
) -> list[str]:
    """What was found, without the gate's own word on it."""
    paper = _Paper(width, unicode, verbose)
    shown = FEW if result.verdict == "pass" else SHOWN
    each = [one for one in result.columns if one.column != ALL]
    together = [one for one in result.columns if one.column == ALL]
    return [
        *paper.sentences(verdicts.sentence(one, result.settings) for one in each),
        *(
            line
            for one in each
            if verbose or not (told and result.settings.fails(one.verdict))
            for line in paper.details(one, shown)
        ),
        *paper.sentences(verdicts.sentence(one, result.settings) for one in together),
        *paper.sentences(map(verdicts.demand, result.requirements)),
        *paper.sentences(f"note: {printable(note, verdicts.LONG)}" for note in result.notes),
    ]


def criterion_text(one: ColumnVerdict | RequirementResult, settings: GateSettings, *, width: int = 100) -> str:
    """What a failed criterion says in the place of a traceback."""
    paper = _Paper(width)
    more = paper.details(one, SHOWN) if isinstance(one, ColumnVerdict) else ()
    return "\n".join([*paper.sentences([verdicts.criterion(one, settings)]), *more])


def failed_criteria(result: GateResult) -> list[tuple[str, str]]:
    """What makes a run red, by name, each with its text."""
    failures = [(_name(one), criterion_text(one, result.settings)) for one in result.failures]
    return failures or ([("run", _last(result, enforced=True))] if result.failed else [])


def _name(one: ColumnVerdict | RequirementResult) -> str:
    demand = "" if isinstance(one, ColumnVerdict) else one.requirement.text
    return ": ".join(filter(None, (one.column, demand)))


def next_steps(result: GateResult) -> tuple[tuple[str, str], ...]:
    """What a reader may want now, and the command for it."""
    run = printable(result.now.run_id) or "last"
    columns = result.columns
    anew = f"pytest … --llm-repeat={LOOKS[-1]} --llm-save" if result.now.adaptive else f"llmroute baseline save {run}"
    repeats = max((one.stats.repeats_needed or 0 for one in columns if one.stats), default=0)
    worse = result.verdict != "pass" and any(one.failing for one in columns)
    moved = any(one.verdict == "incomparable" and one.missing and one.added for one in columns)
    steps = (
        (result.then is None, "to have a baseline", anew),
        (worse, "every case, then and now", f"llmroute baseline diff {run}"),
        (moved, "where cases have other names now", "llmroute baseline rename OLD NEW"),
        (result.verdict == "fail", "where this is what you want", anew),
        (result.verdict == "inconclusive" and repeats > 0, "for a verdict", f"pytest … --llm-repeat={repeats}"),
    )
    return tuple((why, command) for wanted, why, command in steps if wanted)


def _last(result: GateResult, enforced: bool) -> str:
    status = ""
    if result.failed:
        status = " (exit status 1)" if enforced else " (exit status 0: --llm-gate=warn)"
    elif result.verdict == "inconclusive":
        status = ' (exit status 0: inconclusive = "warn")'
    why = f": {printable(result.why, verdicts.LONG)}" if result.why else ""
    return f"{verdicts.heading(result)}{status}{why}"


@dataclass(frozen=True, slots=True)
class _Paper:
    """How wide lines may be, and how much is told."""

    width: int
    unicode: bool = True
    verbose: bool = False

    def sentences(self, texts: Iterable[str]) -> list[str]:
        return [line for text in texts for line in self._folded(text.split(), rest="  ")]

    def details(self, one: ColumnVerdict, shown: int) -> Iterator[str]:
        yield from self.different(one)
        yield from self.worse(one, shown)
        yield from self._better(one)
        for title, names in verdicts.asides(one):
            yield from self._listed(f"{verdicts.column_name(one)}, {title}", names)

    def different(self, one: ColumnVerdict) -> Iterator[str]:
        if one.changes:
            yield from self.sentences([f"{verdicts.column_name(one)}, different now:"])
        for text in self._some(one.changes, SHOWN):
            yield from self._folded(printable(text, verdicts.LONG).split(), first="  ", rest="    ")
        yield from self._rest(one.changes, SHOWN)

    def worse(self, one: ColumnVerdict, shown: int = SHOWN) -> Iterator[str]:
        if one.failing:
            yield from self.sentences([f"{verdicts.column_name(one)}, {verdicts.worse_title(one.failing)}"])
        for change in self._some(one.failing, shown):
            yield from self._case(change)
        yield from self._rest(one.failing, shown)

    def _better(self, one: ColumnVerdict) -> Iterator[str]:
        if one.passing:
            title = f"{verdicts.column_name(one)}, {verdicts.better_title(one.passing)}"
            yield from self._listed(title, tuple(change.case for change in one.passing))

    def _case(self, change: CaseChange) -> Iterator[str]:
        parts = [printable(change.case, 300), *verdicts.circumstances(change)]
        yield from self._folded(parts, first="  ", rest="    ", between="   ")
        if change.message:
            yield from self._folded([printable(change.message, 300)], first="    ")

    def _listed(self, title: str, names: tuple[str, ...]) -> list[str]:
        shown = [printable(name, 300) for name in self._some(names, FEW)]
        parts = [*title.split()[:-1], f"{title.split()[-1]}:", *(f"{name}," for name in shown[:-1]), shown[-1]]
        return self._folded([*parts, *self._rest(names, FEW, indent="")], rest="  ")

    def _some(self, items: tuple[Item, ...], limit: int) -> tuple[Item, ...]:
        return items if self.verbose else items[:limit]

    def _rest(self, items: tuple[object, ...], limit: int, indent: str = "  ") -> list[str]:
        hidden = 0 if self.verbose else len(items) - limit
        return [f"{indent}… and {hidden} more {MORE}"] if hidden > 0 else []

    def _folded(self, parts: Iterable[str], *, first: str = "", rest: str = "", between: str = " ") -> list[str]:
        if self.unicode:
            return folded(parts, self.width, first=first, rest=rest, between=between)
        # Made ASCII before the layout too: a replaced character may be wider than what it replaces.
        lines = folded(map(ascii_only, parts), self.width, first=first, rest=rest, between=between)
        return [ascii_only(line) for line in lines]
