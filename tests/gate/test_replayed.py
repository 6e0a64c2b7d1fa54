"""Tries on recorded replies: nobody was asked, so they say nothing new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.gate.baseline import unfit
from pytest_llmroute.gate.compare import compare
from pytest_llmroute.gate.figures import RunFigures, RunHead, case_figures, figures_of
from pytest_llmroute.gate.result import ColumnVerdict, GateSettings
from pytest_llmroute.gate.tries import Try, try_of

DEFAULT = GateSettings()
ALLOWED = GateSettings(allow_replayed=True)


def tries(column: str = "fast", **more: Any) -> list[Try]:
    return [Try(column, "strategy", f"c{number}", f"c{number}", 1, 1, **more) for number in range(60)]


def run(of: list[Try]) -> RunFigures:
    return figures_of(of, RunHead())


def judged(now: list[Try], then: list[Try], settings: GateSettings = DEFAULT) -> dict[str, ColumnVerdict]:
    return {one.column: one for one in compare(now, run(now), run(then), settings).columns}


@pytest.mark.parametrize("side", ["now", "then"])
def test_a_column_that_was_replayed_cant_be_compared(side: str) -> None:
    both = {"now": tries() + tries("slow"), "then": tries() + tries("slow")}
    both[side][0] = replace(both[side][0], replayed=True)
    found = judged(both["now"], both["then"])
    assert (found["fast"].verdict, found["slow"].verdict) == ("incomparable", "pass")
    assert "1 of its tries were replayed from recordings" in found["fast"].why
    assert judged(both["now"], both["then"], ALLOWED)["fast"].verdict == "pass"


def test_it_is_nobodys_baseline() -> None:
    figures = run(tries(replayed=True))
    assert unfit(figures, DEFAULT) == "60 of 60 tries were replayed"
    assert unfit(figures, ALLOWED) == ""


@pytest.mark.parametrize(("calls", "fixed"), [((True, True), True), ((True, False), False), ((), False)])
def test_replayed_repeats_count_once(calls: tuple[bool, ...], fixed: bool) -> None:
    made = tuple(CallRecord("m", temperature=0.7, replayed=replayed) for replayed in calls)
    record = Record("r", "n", "c", "fast", success=True, calls=made, replayed=any(calls))
    one = try_of(record)
    assert (one.fixed, one.replayed) == (fixed, any(calls))
    figures = case_figures("c", [replace(one, repeat=repeat) for repeat in (1, 2, 3)])
    assert (figures.tries, figures.replayed) == (1 if fixed else 3, 3 if any(calls) else 0)
