"""A run against its baseline: every column, all together, every requirement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_llmroute.gate.adaptive import Look, look
from pytest_llmroute.gate.figures import RunFigures
from pytest_llmroute.gate.matching import ENOUGH, Matched, MatchedColumn, changes, match, part_of
from pytest_llmroute.gate.members import CellsVerdict, GateVerdict, Member, judge_family, members_of
from pytest_llmroute.gate.pairs import Shared, shared
from pytest_llmroute.gate.require import RateMember, RequirementResult, evaluate, members, rate_result
from pytest_llmroute.gate.requirement import Requirement
from pytest_llmroute.gate.result import ALL, CaseChange, ColumnVerdict, GateResult, GateSettings, Verdict
from pytest_llmroute.gate.tries import Try, in_order

Rates = Sequence[tuple[Requirement, RateMember]]
WORST: tuple[Verdict, ...] = ("fail", "incomparable", "inconclusive", "pass", "not judged", "new")


def compare(
    tries: Sequence[Try], now: RunFigures, then: RunFigures | None, settings: GateSettings, *, source: str = "",
    requirements: Sequence[Requirement] = (), incomplete: str = "",
) -> GateResult:  # fmt: skip
    """`incomplete` says why a run is no whole one: interrupted, or results missing."""
    tries = in_order(tries, now.columns)
    if then is None:
        held = evaluate(requirements, tries, None, machine=now.head.machine, columns={})
        verdict: Verdict = "incomparable" if incomplete else "new"
        return GateResult(verdict, source, requirements=held, why=incomplete, settings=settings, now=now.head)
    if why := incomplete or _nothing(now, then):
        return GateResult("incomparable", source, why=why, settings=settings, now=now.head, then=then.head)
    sides = _laid(tries, now, then, settings, requirements)
    matched, part = sides.matched, sides.part
    judged = _judged(sides, settings, now.head.looks.level(settings.alpha))
    columns = [
        _column(one, sides.refused.get(one.column), judged, settings, tries, now, then, part) for one in matched.columns
    ]
    if ALL in judged.cells:
        columns.append(_word(ColumnVerdict(ALL, "pass"), judged, ALL))
    return GateResult(
        verdict=min((one.verdict for one in columns), key=WORST.index, default="new"),
        source=source,
        columns=tuple(columns),
        requirements=(
            *evaluate(requirements, tries, then, machine=now.head.machine, columns=matched.names),
            *(_rate(requirement, rate, judged) for requirement, rate in sides.rates),
        ),
        notes=tuple(_notes(matched, now, then, part, settings)),
        settings=settings,
        now=now.head,
        then=then.head,
    )


def look_at(
    tries: Sequence[Try], now: RunFigures, then: RunFigures, settings: GateSettings, number: int, of: int, *,
    done: frozenset[str] = frozenset(), requirements: Sequence[Requirement] = (),
) -> Look:  # fmt: skip
    """What a look at an unfinished run says of all that `compare` would judge together."""
    sides = _laid(in_order(tries, now.columns), now, then, settings, requirements)
    return look(sides.family, number, of, settings, done)


@dataclass(frozen=True, slots=True)
class _Sides:
    """A run laid beside its baseline."""

    matched: Matched
    part: str
    refused: Mapping[str, str]
    """Columns that can't be compared, and why."""
    cells: Mapping[str, Shared]
    """The others."""
    rates: Rates
    family: tuple[Member, ...]
    """What is judged together: the columns, all of them together and the required rates."""


def _laid(
    tries: Sequence[Try], now: RunFigures, then: RunFigures, settings: GateSettings, requirements: Sequence[Requirement]
) -> _Sides:
    matched = match(now, then, dict(settings.columns))
    part = part_of(now.head, then.head)
    refused = {one.column: why for one in matched.columns if (why := _refused(one, matched, settings, part))}
    able = (one for one in matched.columns if one.against is not None and one.column not in refused)
    cells = {one.column: _shared(one) for one in able}
    rates = [(one, rate) for one in requirements for rate in members(one, tries, then, matched.names)]
    extra = (Member(_key(rate), shared(rate.baseline, rate.candidate), rate.min_drop) for _, rate in rates)
    return _Sides(matched, part, refused, cells, rates, (*members_of(cells, settings), *extra))


def _nothing(now: RunFigures, then: RunFigures) -> str:
    if not any(case.tries for cases in then.columns.values() for case in cases.values()):
        return "the baseline is empty"
    if not any(cases for cases in now.columns.values()):
        return "this run has no case that the gate counts"
    return ""


def _refused(one: MatchedColumn, matched: Matched, settings: GateSettings, part: str) -> str:
    """Why a column can't be compared; empty if it can, or if it is new."""
    if one.against is None:
        if not matched.left:
            return ""
        return (
            f"the baseline has no column of this name, and its {_names(matched.left)} did not run:"
            f" if it was renamed, say so under [gate] columns = {{{_quoted(one.column)} = {_quoted(matched.left[0])}}}"
        )
    total, found = len(one.then), len(one.shared)
    if not found:
        return "no case of the baseline is in this run"
    if not part and found < ENOUGH * total:
        return (
            f"only {found} of the baseline's {total} cases are in this run ({found / total:.0%}, {ENOUGH:.0%} needed)"
        )
    if not any(one.now[case].tries for case in one.shared):
        return "no shared case gave an outcome"
    if one.replayed and not settings.allow_replayed:
        return (
            f"{one.replayed} of its tries were replayed from recordings, which says nothing new of a model"
            " (--llm-replay=none asks the models; [gate] allow_replayed = true lets such tries count)"
        )
    if one.lost_share > settings.max_lost:
        allowed = f"{settings.max_lost:.0%} allowed"
        return f"{one.lost_share:.0%} of the tries were lost to infrastructure or skipped ({allowed})"
    return ""


def _judged(sides: _Sides, settings: GateSettings, level: float) -> CellsVerdict:
    judged = judge_family(sides.family, settings, level)
    apart = {name: one for name, one in sides.cells.items() if name not in {member.name for member in sides.family}}
    if not apart:
        return judged
    # Under the family "pooled" a column has its figures, and no verdict.
    alone = judge_family([Member(name, one) for name, one in apart.items()], replace(settings, family="none"))
    return replace(judged, cells={**alone.cells, **judged.cells})


def _shared(one: MatchedColumn) -> Shared:
    cases = one.shared
    return shared({case: one.then[case].outcomes for case in cases}, {case: one.now[case].outcomes for case in cases})


def _column(
    one: MatchedColumn, refused: str | None, judged: CellsVerdict, settings: GateSettings, tries: Sequence[Try],
    now: RunFigures, then: RunFigures, part: str,
) -> ColumnVerdict:  # fmt: skip
    if one.against is None:
        return ColumnVerdict(one.column, "incomparable" if refused else "new", why=refused or "")
    verdict = ColumnVerdict(
        one.column,
        "incomparable",
        against=one.against,
        why=refused or "",
        missing=() if part else one.missing,
        added=one.added,
        rechecked=one.rechecked,
        lost=_lost(one, tries),
        changes=changes(one, now, then),
    )
    if refused:
        return verdict
    verdict = _word(verdict, judged, one.column)
    if settings.family == "pooled" and one.column not in judged.adjusted:
        verdict = replace(verdict, verdict="not judged", adjusted=None)
    worse, better = _changed(one, verdict.stats, tries)
    return replace(verdict, failing=worse, passing=better)


def _word(verdict: ColumnVerdict, judged: CellsVerdict, name: str) -> ColumnVerdict:
    stats = judged.cells[name]
    return replace(verdict, verdict=stats.verdict, stats=stats, adjusted=judged.adjusted.get(name))


def _changed(
    one: MatchedColumn, stats: GateVerdict | None, tries: Sequence[Try]
) -> tuple[tuple[CaseChange, ...], tuple[CaseChange, ...]]:
    """Cases that pass less often, and those that pass more often; the most telling first."""
    shown: dict[str, Try] = {}
    for attempt in sorted(tries, key=lambda attempt: attempt.outcome != 0):  # a miss, where there is one
        if attempt.column == one.column:
            shown.setdefault(attempt.case, attempt)
    worse: list[CaseChange] = []
    better: list[CaseChange] = []
    for change in stats.changed if stats else ():
        attempt = shown[change.item]
        case = CaseChange(
            change.item, one.column, one.then[change.item], one.now[change.item],
            attempt.message if change.worse else "", attempt.nodeid, attempt.suite, attempt.line,
        )  # fmt: skip
        (worse if change.worse else better).append(case)
    return tuple(worse), tuple(better)


def _lost(one: MatchedColumn, tries: Sequence[Try]) -> tuple[tuple[str, str], ...]:
    """Cases without an outcome; one that is skipped then and now is nobody's loss."""
    causes = {attempt.case: attempt.cause for attempt in tries if attempt.column == one.column and attempt.cause}
    lost = (
        case for case, found in one.now.items() if not found.tries and (case in one.then or found.lost > found.skipped)
    )
    return tuple((case, causes.get(case, "")) for case in lost)


def _rate(requirement: Requirement, rate: RateMember, judged: CellsVerdict) -> RequirementResult:
    key = _key(rate)
    stats = judged.cells[key]
    return rate_result(
        requirement, rate.column, key in judged.failed, judged.adjusted[key],
        stats.drop, stats.lower, stats.upper, stats.baseline_rate, stats.candidate_rate,
    )  # fmt: skip


def _key(rate: RateMember) -> str:
    return f"{rate.column}: {rate.text}"


def _notes(matched: Matched, now: RunFigures, then: RunFigures, part: str, settings: GateSettings) -> list[str]:
    notes = []
    looks = now.head.looks
    if looks.of > 1:
        level = f"{looks.level(settings.alpha):g} of {settings.alpha:g} allowed"
        notes.append(f"adaptive repeats: judged by look {looks.number} of {looks.of} ({level})")
    if then.head.adaptive:
        notes.append("the baseline is a run with adaptive repeats: few, and as many as its results asked for")
    if part:
        shared_cases = sum(len(one.shared) for one in matched.columns)
        total = sum(len(one.then) for one in matched.columns)
        notes.append(f"a part of the suite ({part}): compared {shared_cases} of {total} baseline cases")
    if matched.left:
        notes.append(f"not compared, since this run does not have it: {_names(matched.left)}")
    if then.head.selection:
        notes.append(f"the baseline itself is of a part of the suite ({then.head.selection})")
    if now.head.machine != then.head.machine:
        notes.append(f"another machine: {now.head.machine or 'unknown'}, was {then.head.machine or 'unknown'}")
    return notes


def _names(names: Sequence[str]) -> str:
    return ("column " if len(names) == 1 else "columns ") + ", ".join(names)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
