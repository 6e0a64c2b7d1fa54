"""Results of the gate, made by hand for what is printed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.gate import judge
from pytest_llmroute.gate.figures import CaseFigures, RunHead
from pytest_llmroute.gate.require import RequirementResult
from pytest_llmroute.gate.requirement import parse_requirement
from pytest_llmroute.gate.result import CaseChange, ColumnVerdict, GateResult, GateSettings, Verdict
from pytest_llmroute.report.summary import RunHead as SummaryHead
from pytest_llmroute.report.summary import Summary, summarize

NOW = RunHead("20261121-101010-aaaaaa", "1.1", "2026-11-21T10:10:10", "embedded", "Linux x86_64, 2 cores, 8 GB")
THEN = replace(NOW, run_id="20261101-090909-bbbbbb", version="1.0", created="2026-11-01T09:09:09")
SMALL, LARGE = ("pico", "fast: fix → small"), ("micro", "balanced: fix → large")
MISS = 'wanted exactly "5"; got "6"'
Outcomes = Mapping[str, Sequence[int]]


def names(count: int) -> list[str]:
    return [f"tasks/fix.llm.yaml::case{number:02}" for number in range(count)]


def outcomes(count: int, passed: int, *, gained: int = 0) -> dict[str, list[int]]:
    """The first `passed` cases pass, and the last `gained`."""
    return {name: [int(n < passed or n >= count - gained)] for n, name in enumerate(names(count))}


def side(case: str, tries: Sequence[int], by: tuple[str, str]) -> CaseFigures:
    return CaseFigures(case, tuple(tries), made=len(tries), models=(by[0],), reason=by[1])


def column(
    then: Outcomes, now: Outcomes, *, name: str = "balanced", message: str = MISS, settings: GateSettings | None = None,
    adjusted: float | None = None, **more: object,
) -> ColumnVerdict:  # fmt: skip
    """A column as the statistics judge it."""
    used = settings or GateSettings()
    stats = judge(then, now, alpha=used.alpha, margin=used.margin, min_drop=used.min_drop)
    changes = [
        CaseChange(
            one.item, name, side(one.item, then[one.item], LARGE), side(one.item, now[one.item], SMALL),
            message if one.worse else "", f"{one.item}[{name}]", one.item.partition("::")[0], 3,
        )
        for one in stats.changed
    ]  # fmt: skip
    worse = tuple(change for change, one in zip(changes, stats.changed, strict=True) if one.worse)
    better = tuple(change for change, one in zip(changes, stats.changed, strict=True) if not one.worse)
    made = ColumnVerdict(
        name, stats.verdict, stats=stats, adjusted=stats.p_value if adjusted is None else adjusted,
        failing=worse, passing=better,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def result(*columns: ColumnVerdict, **more: object) -> GateResult:
    order: tuple[Verdict, ...] = ("fail", "incomparable", "inconclusive", "pass", "not judged", "new")
    worst = min((one.verdict for one in columns), key=order.index)
    made = GateResult(worst, "llmroute-baseline.json", columns, now=NOW, then=THEN)
    return replace(made, **more)  # type: ignore[arg-type]


def required(text: str, verdict: str, found: str) -> RequirementResult:
    return RequirementResult(parse_requirement(text), "balanced", verdict, 0.5, None, 0.9, found)  # type: ignore[arg-type]


def failing(count: int = 98, then: int = 93, now: int = 61) -> GateResult:
    return result(column(outcomes(count, then), outcomes(count, now)))


HOSTILE = "a\x1b[31m\r\n::error::x|`<img src=x onerror=y>[b](javascript:z)&amp;**c**‮ %0A @you #1 https://w.x"


def hostile(text: str = HOSTILE) -> GateResult:
    """`text` wherever somebody else's text can stand."""
    then, now = side(text, [1], (text, text)), side(text, [0], (f"{text}2", f"{text}2"))
    change = CaseChange(text, text, then, now, text, text, text, 1)
    figures = column(outcomes(8, 8), outcomes(8, 2)).stats
    one = ColumnVerdict(
        text, "fail", f"{text}2", text, figures, 0.01, (change,), (change,), (text,), (text,), (text,),
        ((text, text),), (text,),
    )  # fmt: skip
    other = ColumnVerdict(text, "incomparable", why=text)
    demand = replace(required("tokens<=5", "failed", text), column=text)
    demand = replace(demand, requirement=replace(demand.requirement, text=text))
    head = RunHead(text, text, text, text, text, (text,), text)
    return GateResult("fail", text, (one, other), (demand,), text, (text,), now=head, then=head)


def summary(name: str = "balanced", model: str = "pico") -> Summary:
    records = [
        Record("run", "t.py::a", "t.py::a", name, outcome=outcome, success=outcome == "passed", seconds=0.5,
               prompt_tokens=80, completion_tokens=20, rss_peak=53_000_000,
               calls=(CallRecord(model, usd=0.001),), usd=0.001)
        for outcome in ("passed", "missed")
    ]  # fmt: skip
    return summarize(records, SummaryHead("run", "1.1", "embedded", (name,), "now"))
