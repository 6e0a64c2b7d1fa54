"""Annotations and the file of the job summary."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.gate.result import ALL, CaseChange, ColumnVerdict, GateResult, GateSettings
from pytest_llmroute.report import github
from pytest_llmroute.report.github import STEP_LIMIT, on_github, places, write_summary
from pytest_llmroute.report.jsonfile import ReportError
from tests.report.results import column, failing, hostile, outcomes, required, result

COMMAND = re.compile(r"::(?:error|warning) (?:(?:file|line|title)=[^:,\r\n]*,?)*::[^\r\n]*")


def nowhere(change: CaseChange) -> None:
    return None


def test_newly_failing_cases_come_first_and_the_rest_is_counted() -> None:
    lines = github.annotations(failing(), places(Path("/repo/sub"), {"GITHUB_WORKSPACE": "/repo"}))
    assert len(lines) == 10
    assert lines[0] == (
        "::error file=sub/tasks/fix.llm.yaml,line=3,title=tasks/fix.llm.yaml%3A%3Acase61 passes less often (balanced)"
        "::0/1 now, 1/1 then, pico now, micro then, fast: fix → small now, balanced: fix → large then"
        '%0Awanted exactly "5"; got "6"'
    )
    assert lines[-1] == "::error ::and 24 more, see the job summary"


def test_failed_criteria_follow_the_cases() -> None:
    shown = result(
        column(outcomes(6, 6), outcomes(6, 1)), ColumnVerdict("fast", "incomparable", why="50% lost"),
        requirements=(required("tokens<=5", "failed", "tokens<=5 fails"), required("cost<=5", "held", "holds")),
    )  # fmt: skip
    lines = github.annotations(shown, nowhere)
    assert [line.split("::")[1] for line in lines[:5]] == [
        f"error title=tasks/fix.llm.yaml%3A%3Acase0{number} passes less often (balanced)" for number in range(1, 6)
    ]
    assert lines[5].startswith(
        "::error title=LLM gate::balanced: FAIL — 1 of 6 cases passes now, 6 did (16.7%25 from 100.0%25)"
    )
    assert lines[6:] == [
        "::error title=LLM gate::fast: INCOMPARABLE — 50%25 lost",
        "::error title=LLM gate::required: tokens<=5 fails",
    ]


def test_where_all_together_fail_every_columns_cases_are_named() -> None:
    fine = replace(column(outcomes(6, 6), outcomes(6, 4)), verdict="pass")
    together = replace(column(outcomes(6, 6), outcomes(6, 1), name=ALL), failing=())
    assert len(github.annotations(result(fine, together), nowhere)) == 3
    assert len(github.annotations(result(fine, replace(together, verdict="pass")), nowhere)) == 0


def test_a_gate_that_passes_says_nothing_and_one_that_can_not_tell_warns() -> None:
    assert github.annotations(result(column(outcomes(98, 93), outcomes(98, 93))), nowhere) == []
    unsure = result(column(outcomes(3, 3), outcomes(3, 3)))
    (line,) = github.annotations(unsure, nowhere)
    assert line.startswith("::warning title=LLM gate::balanced: INCONCLUSIVE — 3 of 3 cases pass now as then;")
    (line,) = github.annotations(replace(unsure, settings=GateSettings(inconclusive="fail")), nowhere)
    assert line.startswith("::error title=LLM gate::balanced: INCONCLUSIVE")


def test_what_could_not_be_compared_at_all_is_one_error() -> None:
    shown = GateResult("incomparable", "main.json", why="the baseline is empty")
    assert github.annotations(shown, nowhere) == ["::error title=LLM gate::the baseline is empty"]


@given(st.text(st.characters(codec=None), max_size=60))
def test_no_text_breaks_out_of_its_annotation(text: str) -> None:
    for line in github.annotations(hostile(text), lambda change: (change.suite, change.line)):
        assert COMMAND.fullmatch(line), line
        assert line.isprintable()
        assert all(
            line[place : place + 3] in ("%25", "%0A", "%3A", "%2C") for place in range(len(line)) if line[place] == "%"
        )


@pytest.mark.parametrize(
    ("root", "env", "place"),
    [
        ("/repo", {"GITHUB_WORKSPACE": "/repo"}, ("tasks/a.yaml", 3)),
        ("/repo/sub", {"GITHUB_WORKSPACE": "/repo"}, ("sub/tasks/a.yaml", 3)),
        ("/repo/sub", {}, ("tasks/a.yaml", 3)),
        ("/elsewhere", {"GITHUB_WORKSPACE": "/repo"}, None),
    ],
)
def test_places_are_told_from_the_top_of_the_checkout(root: str, env: dict[str, str], place: object) -> None:
    change = replace(failing().columns[0].failing[0], suite="tasks/a.yaml", line=3)
    assert places(Path(root), env)(change) == place
    assert places(Path(root), env)(replace(change, suite="")) is None


def test_only_github_is_github() -> None:
    assert on_github({"GITHUB_ACTIONS": "true"})
    assert not on_github({})


def test_the_summary_goes_below_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "summary.md"
    write_summary({"GITHUB_STEP_SUMMARY": str(target)}, "# é\n")
    write_summary({"GITHUB_STEP_SUMMARY": str(target)}, "# two\n")
    write_summary({}, "# nowhere\n")
    assert target.read_text(encoding="utf-8") == "\n# é\n\n# two\n"


@pytest.mark.parametrize(
    ("free", "expected"), [(400_000, "Left out"), (900, "found no room here"), (10, "")], ids=["cut", "a line", "full"]
)
def test_a_step_never_writes_more_than_github_takes(tmp_path: Path, free: int, expected: str) -> None:
    target = tmp_path / "summary.md"
    target.write_bytes(b"x" * (STEP_LIMIT - free))
    write_summary({"GITHUB_STEP_SUMMARY": str(target)}, "- é row\n" * 100_000)
    assert target.stat().st_size <= STEP_LIMIT
    assert target.read_text(encoding="utf-8").lstrip("x").count(expected) >= 1


def test_a_summary_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="the job summary can't be written"):
        write_summary({"GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "file")}, "x")
