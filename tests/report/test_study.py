"""The figures of a study, from records made by hand; and that its tables are safe to open."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.core.attempts import LARGE, SMALL, VERIFIER
from pytest_llmroute.core.records import CANCELLED, CallRecord, Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.core.stats import wilson
from pytest_llmroute.errors import UserError
from pytest_llmroute.report.sources import StoredRun
from pytest_llmroute.report.study import Study, study_of
from pytest_llmroute.report.studyfiles import export
from pytest_llmroute.store.contract import RunInfo

WEIGHTS = {"seconds": 1.0, "cpu": 1.0, "ram": 1.0}


def call(role: str = "", **more: Any) -> CallRecord:
    """One second of the small model with 1 GB, or five of the large one with 8."""
    large = role in ("", LARGE)
    usual: dict[str, Any] = {
        "model": "dog" if large else "pup", "role": role, "rung": 5 if role == LARGE else int(role != ""),
        "total_s": 5.0 if large else 1.0, "server_rss_peak": 8 * 10**9 if large else 10**9,
    }  # fmt: skip
    return CallRecord(**{**usual, **more})


def record(case: str, solved: bool, *calls: CallRecord, **more: Any) -> Record:
    column = "branching" if any(one.rung for one in calls) else "dog"
    usual: dict[str, Any] = {
        "run_id": "r", "nodeid": f"{case}[{column}]", "case_id": case, "column": column,
        "column_kind": "strategy" if column == "branching" else "model", "outcome": "passed" if solved else "missed",
        "success": solved, "first_attempt": len(calls) == 1, "calls": calls, "seconds": 6.0, "cpu_seconds": 2.0,
        "started_at": "2026-11-21T10:00:00.000+00:00",
    }  # fmt: skip
    return Record(**{**usual, **more})


def run(*records: Record, columns: tuple[str, ...] = ("branching", "dog")) -> StoredRun:
    facts = {"settings": {"small": "pup", "large": "dog"}, "looks": {"repeats": 1}}
    return StoredRun(RunInfo("r", "2026-11-21", columns=columns, facts=facts), records, "run r")


def study(*records: Record, weights: dict[str, float] = WEIGHTS) -> Study:
    return study_of(run(*records), weights)


def test_the_first_attempt_is_the_small_models_and_a_verifiers_word_is_paid_with_its_attempt() -> None:
    """Where nothing is tried and the large model is asked at once, no attempt was the first."""
    found = study(
        record("a", True, call(SMALL), call(VERIFIER, total_s=0.5)),
        record("b", True, call(SMALL), call(VERIFIER, total_s=0.5), call(LARGE)),
        record("c", True, call(LARGE, rung=1)),
        *(record(case, True, call()) for case in "abc"),
    )
    ours, theirs = found.arms
    assert (ours.solved, ours.first, ours.solved_at, ours.by_large) == (3, 0, {"1": 1}, 2)
    assert (theirs.solved, theirs.first, theirs.solved_at, theirs.by_large) == (3, 3, {"1": 3}, 0)
    assert ours.spent.seconds == 1.5 + 6.5 + 5


def test_a_model_that_was_given_up_is_paid_for_and_has_solved_nothing() -> None:
    """Both were asked at once: the small one was first at `a`, the large one at `b`, which had no success at `c`."""
    gone = {"error_class": CANCELLED, "total_s": 0.5}
    early = record("a", True, call(SMALL, accepted=True), call(LARGE, **gone), first_attempt=True)
    found = study(
        early,
        record("b", True, call(LARGE, accepted=True), call(SMALL, **gone)),
        record("c", True, call(LARGE, accepted=False), call(SMALL, accepted=True)),
        *(record(case, True, call()) for case in "abc"),
    )
    assert (found.arms[0].solved, found.arms[0].first) == (3, 1)
    assert (found.arms[0].solved_at, found.arms[0].by_large) == ({"1": 2}, 1)
    assert found.arms[0].spent.seconds == 1.5 + 5.5 + 6
    assert early.model == "pup"


def test_what_was_not_scored_is_in_no_figure_and_in_no_pair() -> None:
    found = study(
        record("a", True, call(SMALL)),
        record("b", False, call(SMALL), outcome="error"),
        record("c", True, call(SMALL)),
        record("a", False, call()),
        record("b", True, call()),
        record("c", True, call(), outcome="error"),
    )
    ours, theirs = found.arms
    assert (ours.runs, ours.errors, theirs.runs, theirs.errors) == (2, 1, 2, 1)
    (one,) = found.comparisons
    assert (one.pairs, one.only_arm, one.both, one.left_out) == (1, 1, 0, 2)
    assert one.score is None  # of the pairs, always large has solved none


def test_what_one_side_does_not_know_is_left_out_of_the_score() -> None:
    silent = call(server_rss_peak=None)
    ours = [record(case, True, call(SMALL), cpu_seconds=1.0) for case in "ab"]
    theirs = [record("a", True, silent), record("b", True, call())]
    found = study(*ours, *theirs, weights={"seconds": 3, "cpu": 1, "ram": 1, "usd": 0})
    (one,) = found.comparisons
    assert one.ratios == {"seconds": 5, "cpu": 2, "ram": None, "usd": None}
    assert one.score == pytest.approx((5**3 * 2) ** (1 / 4))
    assert found.arms[1].spent.ram is None
    assert found.arms[1].ram_peak == 8 * 10**9


def test_repeats_do_not_narrow_the_interval_and_are_told_apart() -> None:
    """Three repeats of four tasks say as much of other tasks as four tries; evidence takes each task once."""
    shares = {1: "ab", 2: "abc", 3: "a"}
    records = [
        record(case, case in solved, call(SMALL), repeat=number, repeats=3)
        for number, solved in shares.items() for case in "abcd"
    ]  # fmt: skip
    base = [record(case, case != "a", call(), repeat=number, repeats=3) for number in shares for case in "abcd"]
    found = study(*records, *base)
    ours, (one,) = found.arms[0], found.comparisons
    assert (ours.tasks, ours.runs, ours.solved, ours.repeats) == (4, 12, 6, (0.5, 0.75, 0.25))
    assert ours.repeats_sd == pytest.approx(0.25)
    assert ours.interval == wilson(2, 4)
    assert one.difference == pytest.approx(-0.25)
    again = study(*(replace(one, repeats=1) for one in (*records, *base) if one.repeat == 1))
    assert one.evidence == again.comparisons[0].evidence


def test_a_run_without_both_arms_is_refused() -> None:
    for records, lacks in (
        ([record("a", True, call())], "no ladder"),
        ([record("a", True, call(SMALL))], "no column of a single model"),
    ):
        with pytest.raises(UserError, match=lacks):
            study(*records)


def test_no_cell_is_a_formula_or_a_command(tmp_path: Path) -> None:
    """Names and messages are what models and files say: they are text for a spreadsheet and one line for a terminal."""
    hostile = ("=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\uff1d1", "a\x1b[31m\nb", '","=1', "\ud800")
    records = [record(f"{text}{place}", False, call(SMALL), message=text) for place, text in enumerate(hostile)]
    base = record("=1+10", True, call())
    series = Series("main", "2026-11-21T10:00:00+00:00", 0.2, ((0.2, 1.0, None, -2.5, None, None),))
    found = study(*records, base)
    export(tmp_path / "new" / "out", found, (*records, base), [series])
    tables = {path.name: path.read_bytes().decode() for path in (tmp_path / "new" / "out").glob("*.csv")}
    for text in tables.values():
        assert "\x1b" not in text
        for cell in (cell for line in csv.reader(text.splitlines()) for cell in line):
            assert cell == "-2.5" or not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d")), cell
    cases = list(csv.DictReader(tables["cases.csv"].splitlines()))
    assert [row["message"] for row in cases[:3]] == ["'=1+1", "'+1", "'-1"]
    assert cases[8]["message"] == '","=1'
    assert [row["column"] for row in csv.DictReader(tables["series.csv"].splitlines())] == ["dog"]
    assert json.loads((tmp_path / "new" / "out" / "summary.json").read_text())["run_id"] == "r"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        export(tmp_path / "file", found, records, [])
