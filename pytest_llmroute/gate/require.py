"""Whether a run holds what `--llm-require` demands of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_llmroute.core.passk import Tries, mean_pass_at_k, mean_pass_hat_k
from pytest_llmroute.errors import printable
from pytest_llmroute.gate.figures import CaseFigures, RunFigures, RunHead, case_figures, figures_of
from pytest_llmroute.gate.metrics import BYTES, METRICS, SECONDS, Metric
from pytest_llmroute.gate.requirement import Requirement
from pytest_llmroute.gate.selection import nothing_selected, selected
from pytest_llmroute.gate.tries import Try

Verdict = Literal["held", "failed", "not compared"]
_VERBS: Mapping[Verdict, str] = {"held": "holds", "failed": "fails", "not compared": "is not compared"}


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """A demand on one column, and whether it holds."""

    requirement: Requirement
    column: str
    """Empty where the demand selects nothing."""
    verdict: Verdict
    now: float | None
    then: float | None
    limit: float | None
    text: str
    """One sentence for a reader."""


@dataclass(frozen=True, slots=True)
class RateMember:
    """A demand on a success rate against the baseline's: one of what is judged together."""

    column: str
    text: str
    baseline: Mapping[str, tuple[int, ...]]
    candidate: Mapping[str, tuple[int, ...]]
    min_drop: float


def evaluate(
    requirements: Iterable[Requirement], tries: Sequence[Try], baseline: RunFigures | None, *, machine: str,
    columns: Mapping[str, str],
) -> tuple[RequirementResult, ...]:  # fmt: skip
    """Every demand on every column, but those that `members` hands on to the statistics.

    `columns` gives the baseline's name of a column where that is another.
    """
    results: list[RequirementResult] = []
    for requirement in requirements:
        chosen = selected(requirement, tries)
        if not chosen:
            text = f"{printable(requirement.text)} fails: it selects nothing; {nothing_selected(requirement, tries)}"
            results.append(RequirementResult(requirement, "", "failed", None, None, None, text))
        for column, group in chosen.items():
            if not requirement.relative:
                results.append(_plain(requirement, column, group))
                continue
            against = _Against.of(column, group, baseline, columns)
            if found := against.obstacle(requirement, machine):
                results.append(_result(requirement, column, *found))
            elif not requirement.tested:
                results.append(_relative(requirement, against))
    return tuple(results)


def members(
    requirement: Requirement, tries: Sequence[Try], baseline: RunFigures | None, columns: Mapping[str, str]
) -> tuple[RateMember, ...]:
    """What statistics have to judge: nothing for other demands, and for columns that have nothing to compare."""
    if not requirement.tested:
        return ()
    found = []
    for column, group in selected(requirement, tries).items():
        scored = _Against.of(column, group, baseline, columns).scored()
        if scored:
            then = {one.case: one.outcomes for _, one in scored}
            now = {one.case: one.outcomes for one, _ in scored}
            found.append(RateMember(column, requirement.text, then, now, -requirement.amount))
    return tuple(found)


def rate_result(
    requirement: Requirement, column: str, failed: bool, p_adjusted: float, drop: float, lower: float, upper: float,
    then: float, now: float,
) -> RequirementResult:  # fmt: skip
    """What statistics said of a member."""
    words = (
        f"{now:.1%} now, {then:.1%} then ({_points(-drop)} pp, bounds {_points(-upper)} to {_points(-lower)},"
        f" p {f'= {p_adjusted:.3f}' if p_adjusted >= 0.0005 else '< 0.001'}; {_allowed(requirement)})"
    )
    verdict: Verdict = "failed" if failed else "held"
    return _result(requirement, column, verdict, words, now, then, then + requirement.amount)


@dataclass(frozen=True, slots=True)
class _Against:
    """A column's selected cases beside the baseline's."""

    column: str
    tries: Sequence[Try]
    baseline: RunFigures | None
    other: str
    """The baseline's name of the column."""
    pairs: tuple[tuple[CaseFigures, CaseFigures], ...]
    """The shared cases, now and then."""
    cases: int

    @staticmethod
    def of(column: str, tries: Sequence[Try], baseline: RunFigures | None, columns: Mapping[str, str]) -> _Against:
        mine = figures_of(tries, RunHead()).columns.get(column, {})
        other = columns.get(column, column)
        theirs = baseline.columns.get(other, {}) if baseline else {}
        pairs = [
            (now, theirs[case]) for case, now in mine.items() if case in theirs and now.check == theirs[case].check
        ]
        return _Against(column, tries, baseline, other, tuple(pairs), len(mine))

    def obstacle(self, requirement: Requirement, machine: str) -> tuple[Verdict, str] | None:
        """Why there is nothing to compare, if so."""
        if self.baseline is None:
            return "not compared", "no baseline"
        if self.other not in self.baseline.columns:
            return "not compared", f'the baseline has no column "{printable(self.other)}"'
        if not self.pairs:
            return "failed", "no shared case"
        if requirement.tested and not self.scored():
            return "not compared", "no shared case has an outcome on both sides"
        there = self.baseline.head.machine
        if METRICS[requirement.metric].kind in (SECONDS, BYTES) and (machine != there or not machine):
            now, then = printable(machine) or "unknown", printable(there) or "unknown"
            return "not compared", f"different machine (now {now}, then {then})"
        return None

    def scored(self) -> list[tuple[CaseFigures, CaseFigures]]:
        return [(now, then) for now, then in self.pairs if now.tries and then.tries]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A figure of a run."""

    value: float | None
    words: str
    """The figure for a reader, or why there is none."""
    unpriced: int = 0
    """Calls that are not in it: the true figure is at least this one."""


def _plain(requirement: Requirement, column: str, tries: Sequence[Try]) -> RequirementResult:
    seen = _seen(requirement, tries)
    verdict = _judged(requirement.op, seen.value, requirement.amount, seen.unpriced)
    return _result(requirement, column, verdict, seen.words, seen.value, None, requirement.amount)


def _judged(op: str, value: float | None, limit: float, unpriced: int) -> Verdict:
    if value is None:
        return "not compared"
    ceiling = op in ("<=", "<", ":")
    near = math.isclose(value, limit, rel_tol=1e-9, abs_tol=1e-12)
    held = op in ("<=", ">=", ":") if near else (value < limit) == ceiling
    if unpriced and held == ceiling:
        return "not compared"
    return "held" if held else "failed"


def _seen(requirement: Requirement, tries: Sequence[Try]) -> _Seen:
    metric = METRICS[requirement.metric]
    if requirement.k is not None:
        return _of_k(requirement.metric, requirement.k, tries)
    scored = [one for one in tries if one.outcome is not None]
    if requirement.metric == "success_rate":
        passed = sum(one.outcome == 1 for one in scored)
        share = passed / len(scored) if scored else None
        return _Seen(share, metric.missing if share is None else f"{passed} of {len(scored)} ({share:.1%})")
    counted = scored if metric.scored else tries
    values = [value for one in counted if (value := getattr(one, metric.field)) is not None]
    unpriced = sum(one.unpriced for one in tries) if metric.name == "cost" else 0
    value = metric.of(values) if values else None
    parts = [] if value is None else [metric.kind.show(value) + (" a try" if metric.each else "")]
    if unpriced:
        parts.append(_without_price(unpriced))
    elif value is not None and len(values) < len(counted):
        parts.append(f"known of {len(values)} of {len(counted)} tries")
    return _Seen(value, ", ".join(parts) or metric.missing, unpriced)


def _of_k(metric: str, k: int, tries: Sequence[Try]) -> _Seen:
    cases: dict[str, list[Try]] = {}
    for one in tries:
        cases.setdefault(one.case, []).append(one)
    figures = [case_figures(case, group) for case, group in cases.items()]
    items = [Tries(one.passes, one.tries) for one in figures]
    mean = (mean_pass_at_k if metric == "pass@k" else mean_pass_hat_k)(items, k)
    if mean.value is None:
        what = "an outcome" if k == 1 else f"{k} tries with an outcome (repeats at temperature 0 are one)"
        return _Seen(None, f"no case has {what}")
    fewer = f", {mean.left_out} more with fewer than {k} tries" if mean.left_out else ""
    return _Seen(mean.value, f"{mean.value:.1%} over {mean.counted} case{'s'[: mean.counted > 1]}{fewer}")


def _relative(requirement: Requirement, against: _Against) -> RequirementResult:
    metric = METRICS[requirement.metric]
    unpriced = _unpriced(against) if metric.name == "cost" else 0
    # Where prices are missing the sum is at least what is known, so all of then's counts.
    none = 0.0 if unpriced else None
    both = [
        (none if (now := getattr(mine, metric.field)) is None else now, then)
        for mine, theirs in against.pairs
        if (then := getattr(theirs, metric.field)) is not None
    ]
    known = [(now, then) for now, then in both if now is not None]
    now = metric.of([now for now, _ in known]) if known else None
    then = metric.of([then for _, then in known]) if known else None
    why = _without_price(unpriced) if unpriced else ""
    if now is None or then is None:
        missing = why or "no shared case has this figure on both sides"
        return _result(requirement, against.column, "not compared", missing)
    limit = then * (1 + requirement.amount) if requirement.unit == "%" else then + requirement.amount
    verdict = _judged(requirement.op, now, limit, unpriced)
    words = _compared(requirement, metric, now, then) + (f", {why}" if why else "")
    if len(known) < against.cases:
        words += f"; {len(known)} of {against.cases} cases compared"
    return _result(requirement, against.column, verdict, words, now, then, limit)


def _compared(requirement: Requirement, metric: Metric, now: float, then: float) -> str:
    show = metric.kind.show
    by_share = requirement.unit == "%" and then
    change = f"{now / then - 1:+.1%}" if by_share else ("-" if now < then else "+") + show(abs(now - then))
    each = " a case" if metric.each else ""
    return f"{show(now)}{each} now, {show(then)} then ({change}, {_allowed(requirement)})"


def _unpriced(against: _Against) -> int:
    shared = {now.case for now, _ in against.pairs}
    return sum(one.unpriced for one in against.tries if one.gated and one.outcome is not None and one.case in shared)


def _without_price(calls: int) -> str:
    return f"{calls} call{'s'[: calls > 1]} without a known price"


def _allowed(requirement: Requirement) -> str:
    """The allowance as it was written; a saving is no allowance."""
    sign, amount = requirement.text.rpartition(":")[2][:1], requirement.text.rpartition(":")[2][1:]
    worse = "-" if requirement.tested else "+"
    return f"{amount} allowed" if sign == worse else f"{sign}{amount} wanted"


def _result(
    requirement: Requirement, column: str, verdict: Verdict, words: str, now: float | None = None,
    then: float | None = None, limit: float | None = None,
) -> RequirementResult:  # fmt: skip
    text = f"{printable(requirement.text)} {_VERBS[verdict]} in {printable(column)}: {words}"
    return RequirementResult(requirement, column, verdict, now, then, limit, text)


def _points(share: float) -> str:
    return f"{100 * share + 0.0:+.1f}"  # not -0.0
