"""What a terminal shows of the gate, and what a failed criterion says."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.gate.figures import CaseFigures
from pytest_llmroute.gate.figures import RunHead as GateHead
from pytest_llmroute.gate.require import RequirementResult
from pytest_llmroute.gate.result import ALL, CaseChange, ColumnVerdict, GateResult, GateSettings
from pytest_llmroute.gate.verdict import GateVerdict, Repeats
from pytest_llmroute.report.gate import criterion_text, failed_criteria, gate_lines, next_steps
from pytest_llmroute.report.gatejson import TOLD_ELSEWHERE, gate_json
from pytest_llmroute.report.jsonfile import text_of
from pytest_llmroute.report.terminal import display_width, folded, misses, no_command
from pytest_llmroute.report.verdicts import p_figure, sentence
from tests.report.results import (
    HOSTILE,
    NOW,
    column,
    failing,
    hostile,
    names,
    outcomes,
    required,
    result,
    summary,
)

SENTENCES = {
    "fail": (
        column(outcomes(98, 93), outcomes(98, 61)),
        "balanced: FAIL — 61 of 98 cases pass now, 93 did (62.2% from 94.9%): down 32.7 points"
        " (at least 24.5, at most 40.8), p < 0.0001 (0.05 allowed)",
    ),
    "fail by all together": (
        column(outcomes(10, 10), outcomes(10, 5), adjusted=0.047),
        "balanced: FAIL — 5 of 10 cases pass now, 10 did (50.0% from 100.0%): down 50.0 points"
        " (at least 13.2, at most 86.8), p = 0.047 among all columns (0.05 allowed), p = 0.016 alone",
    ),
    "the same": (
        column(outcomes(98, 93), outcomes(98, 93)),
        "balanced: pass — 93 of 98 cases pass now as then; a drop of more than 2.4 points is ruled out (5 allowed)",
    ),
    "better": (
        column(outcomes(98, 80), outcomes(98, 95)),
        "balanced: pass — 95 of 98 cases pass now, 80 did (96.9% from 81.6%): up 15.3 points;"
        " any drop is ruled out; better by more than luck explains, p < 0.0001",
    ),
    "inconclusive": (
        column(outcomes(98, 93), outcomes(98, 90, gained=1)),
        "balanced: INCONCLUSIVE — 91 of 98 cases pass now, 93 did (92.9% from 94.9%): down 2.0 points,"
        " p = 0.19 (0.05 allowed); a drop of 5 points can't be ruled out (up to 6.2);"
        " 2 repeats instead of 1 would decide, or 101 cases",
    ),
    "repeats": (
        column({n: [1, 1, 0] for n in names(40)}, {n: [1, 0, 0] for n in names(40)}),
        "balanced: FAIL — 40 cases pass 33.3% of the tries now, 66.7% then: down 33.3 points"
        " (at least 31.4, at most 35.3), p < 0.0001 (0.05 allowed)",
    ),
    "too small": (
        column(outcomes(3, 3), outcomes(3, 1)),
        "balanced: INCONCLUSIVE — 1 of 3 cases passes now, 3 did (33.3% from 100.0%): down 66.7 points;"
        " this suite is too small to ever fail: 3 cases tried once; 4 or more are needed",
    ),
    "nothing passed": (
        column(outcomes(3, 0), outcomes(3, 0)),
        "balanced: INCONCLUSIVE — 0 of 3 cases pass now as then;"
        " nothing of 3 cases passed then, so nothing can pass less often now",
    ),
    "incomparable": (
        ColumnVerdict("balanced", "incomparable", why="only 61 of the baseline's 98 cases are in this run"),
        "balanced: INCOMPARABLE — only 61 of the baseline's 98 cases are in this run",
    ),
    "new": (ColumnVerdict("balanced", "new"), "balanced: new — the baseline does not have this column"),
    "not judged": (
        replace(column(outcomes(3, 3), outcomes(3, 1)), verdict="not judged", adjusted=None),
        "balanced: not judged — 1 of 3 cases passes now, 3 did (33.3% from 100.0%): down 66.7 points;"
        " only all columns together are judged",
    ),
    "renamed": (ColumnVerdict("fast", "incomparable", "quick", "empty"), "fast (then quick): INCOMPARABLE — empty"),
    "together": (
        column(outcomes(98, 93), outcomes(98, 93), name=ALL),
        "all columns together: pass — 93 of 98 cases pass now as then;"
        " a drop of more than 2.4 points is ruled out (5 allowed)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("one", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_a_sentence_says_what_happened_to_a_column(one: ColumnVerdict, expected: str) -> None:
    assert sentence(one, GateSettings()) == expected


def test_the_lines_of_a_gate_that_failed() -> None:
    then, now = outcomes(12, 11), outcomes(12, 3, gained=1)
    shown = result(
        column(
            then, now, changes=("model pico, was micro, in 12 cases",), missing=("a.py::gone",), added=tuple("abcd"),
            lost=(("b.py::x", "timeout"),), rechecked=("c.py::y",),
        ),
        notes=("another machine: here, was there",),
        requirements=(required("tokens<=5", "failed", "tokens<=5 fails in balanced: 9.0 a try"),),
    )  # fmt: skip
    assert gate_lines(shown) == [
        "balanced: FAIL — 4 of 12 cases pass now, 11 did (33.3% from 91.7%): down 58.3 points (at least 20.7,",
        "  at most 96.0), p = 0.011 (0.05 allowed)",
        "balanced, different now:",
        "  model pico, was micro, in 12 cases",
        "balanced, newly failing: 8 cases",
        *(
            line
            for number in range(3, 11)
            for line in (
                f"  tasks/fix.llm.yaml::case{number:02}   0/1 now, 1/1 then   pico now, micro then",
                "    fast: fix → small now, balanced: fix → large then",
                '    wanted exactly "5"; got "6"',
            )
        ),
        "balanced, newly passing: 1 case: tasks/fix.llm.yaml::case11",
        "balanced, not in this run: 1 case: a.py::gone",
        "balanced, not in the baseline: 4 cases: a, b, c … and 1 more (-v shows all)",
        "balanced, checked in another way now, so not compared: 1 case: c.py::y",
        "balanced, without any outcome: 1 case: b.py::x (timeout)",
        "required: tokens<=5 fails in balanced: 9.0 a try",
        "note: another machine: here, was there",
        "gate: FAIL against llmroute-baseline.json (exit status 1)",
        "every case, then and now: llmroute baseline diff 20261121-101010-aaaaaa",
        "where this is what you want: llmroute baseline save 20261121-101010-aaaaaa",
    ]


def test_all_columns_together_come_after_the_columns() -> None:
    lines = gate_lines(
        result(column(outcomes(98, 93), outcomes(98, 90)), column(outcomes(9, 9), outcomes(9, 9), name=ALL))
    )
    found = next(place for place, line in enumerate(lines) if line.startswith("all columns together: "))
    assert found > lines.index("balanced, newly failing: 3 cases")


def test_what_is_the_same_is_said_once() -> None:
    one = column(outcomes(9, 9), outcomes(9, 1))
    same = tuple(replace(change, then=replace(change.then, models=change.now.models, reason="r"),
                         now=replace(change.now, reason="r")) for change in one.failing)  # fmt: skip
    assert "  tasks/fix.llm.yaml::case01   0/1 now, 1/1 then   pico   r" in gate_lines(
        result(replace(one, failing=same))
    )


@pytest.mark.parametrize(("verbose", "shown"), [(False, 10), (True, 32)])
def test_ten_failing_cases_are_shown_or_all(verbose: bool, shown: int) -> None:
    lines = gate_lines(failing(), verbose=verbose)
    assert sum(line.startswith("  tasks/") for line in lines) == shown
    assert ("  … and 22 more (-v shows all)" in lines) is not verbose


def test_a_gate_that_passes_shows_few_cases_and_no_next_step() -> None:
    lines = gate_lines(result(column({n: [1, 1, int(i % 3 > 0)] for i, n in enumerate(names(98))},
                                     {n: [1, 1, int(i % 4 > 0)] for i, n in enumerate(names(98))})))  # fmt: skip
    assert "balanced, passing less often: 16 cases" in lines
    assert sum(line.startswith("  tasks/") and " now" in line for line in lines) == 3
    assert lines[-1] == "gate: pass against llmroute-baseline.json"


@pytest.mark.parametrize(
    ("shown", "enforced", "last"),
    [
        (failing(), True, "gate: FAIL against llmroute-baseline.json (exit status 1)"),
        (failing(), False, "gate: FAIL against llmroute-baseline.json (exit status 0: --llm-gate=warn)"),
        (
            result(column(outcomes(3, 3), outcomes(3, 3))), True,
            'gate: INCONCLUSIVE against llmroute-baseline.json (exit status 0: inconclusive = "warn")',
        ),
        (
            result(column(outcomes(3, 3), outcomes(3, 3)), settings=GateSettings(inconclusive="fail")), True,
            "gate: INCONCLUSIVE against llmroute-baseline.json (exit status 1)",
        ),
        (
            GateResult("incomparable", "main.json", why="the baseline is empty", then=GateHead()), True,
            "gate: INCOMPARABLE against main.json (exit status 1): the baseline is empty",
        ),
        (GateResult("new", "main.json", now=NOW), True, "gate: no verdict, nothing to compare with yet (main.json)"),
        (
            result(column(outcomes(98, 93), outcomes(98, 93)), requirements=(required("cost<=5", "failed", "x"),)),
            True,
            "gate: FAIL against llmroute-baseline.json (exit status 1)",
        ),
    ],
)  # fmt: skip
def test_the_last_line_says_verdict_and_exit_status(shown: GateResult, enforced: bool, last: str) -> None:
    assert gate_lines(shown, enforced=enforced, steps=False)[-1] == last


def test_the_next_steps_fit_what_happened() -> None:
    assert [command for _, command in next_steps(GateResult("new", "x", now=NOW))] == [
        "llmroute baseline save 20261121-101010-aaaaaa"
    ]
    moved = result(ColumnVerdict("balanced", "incomparable", missing=("a",), added=("b",)))
    assert [command for _, command in next_steps(moved)] == ["llmroute baseline rename OLD NEW"]
    unsure = result(column(outcomes(98, 93), outcomes(98, 93, gained=1)), column(outcomes(98, 93), outcomes(98, 90)))
    assert next_steps(unsure)[-1] == ("for a verdict", "pytest … --llm-repeat=2")
    assert next_steps(result(column(outcomes(98, 93), outcomes(98, 93)))) == ()


def test_a_failed_criterion_says_what_changed_and_which_cases() -> None:
    one = column(outcomes(98, 93), outcomes(98, 61), changes=("model pico, was micro, in 98 cases",))
    shown = result(one, requirements=(required("tokens<=5", "failed", "tokens<=5 fails in balanced: 9.0 a try"),))
    (first, text), (second, demand) = failed_criteria(shown)
    assert (first, second) == ("balanced", "balanced: tokens<=5")
    lines = text.splitlines()
    assert lines[2:5] == [
        "balanced, different now:",
        "  model pico, was micro, in 98 cases",
        "balanced, newly failing: 32 cases",
    ]
    assert lines[-1] == "  … and 22 more (-v shows all)"
    assert demand == "required: tokens<=5 fails in balanced: 9.0 a try"
    assert criterion_text(one, shown.settings) == text


def test_a_run_that_could_not_be_compared_is_one_criterion() -> None:
    shown = GateResult("incomparable", "main.json", why="the baseline is empty", then=GateHead())
    assert failed_criteria(shown) == [
        ("run", "gate: INCOMPARABLE against main.json (exit status 1): the baseline is empty")
    ]
    assert failed_criteria(result(column(outcomes(98, 93), outcomes(98, 93)))) == []


@given(st.floats(0, 1), st.floats(0.0001, 0.5))
def test_a_p_value_never_rounds_across_what_is_allowed(p: float, alpha: float) -> None:
    shown = p_figure(p, alpha)
    assert shown == "< 0.0001" if p < 0.0001 else (float(shown) <= alpha) == (p <= alpha)


TEXTS = st.text(st.characters(codec=None), max_size=80)


@given(TEXTS, st.booleans(), st.booleans())
def test_no_text_leaves_its_line(text: str, verbose: bool, unicode: bool) -> None:
    for line in gate_lines(hostile(text), verbose=verbose, unicode=unicode):
        assert line.isprintable()
        assert display_width(line) <= 100
        assert not line.lstrip().startswith("::")
        assert unicode or line.isascii()


def test_hostile_text_is_shown_as_what_it_is() -> None:
    text = "\n".join(gate_lines(hostile()))
    assert r"a\x1b[31m\r\n::error" in text
    assert r"\u202e" in text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error ::x", r"\::error ::x"), ("##[group]x", r"#\#[group]x"), ("a ##vso[task]", r"a #\#vso[task]"),
        ("a.py::x", "a.py::x"), ("## a [b]", "## a [b]"),
    ],
)  # fmt: skip
def test_no_line_is_a_command_of_a_ci_system(line: str, shown: str) -> None:
    assert no_command(line) == shown
    assert misses([(line, line)]) == [shown, f"  {shown}"]


@given(st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)), st.integers(20, 60))
def test_folding_loses_no_part_that_fits(parts: list[str], width: int) -> None:
    lines = folded(parts, width, first="* ", rest="  ")
    assert all(display_width(line) <= width for line in lines)
    whole = " ".join(lines).split()
    assert all(
        part in whole for part in parts if display_width(no_command(part)) <= width - 2 and no_command(part) == part
    )


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (resources.files("pytest_llmroute.config") / "schemas" / f"{name}.schema.json").read_text()
    )
    return loaded


RESULTS = {
    "fail": failing(),
    "hostile": hostile(),
    "empty": GateResult("incomparable", "x", why="the baseline is empty"),
    "new": result(ColumnVerdict("balanced", "new"), then=None),
    "renamed": result(column(outcomes(3, 3), outcomes(3, 1)), settings=GateSettings(columns=(("new", "old"),))),
    "nan": result(
        column(outcomes(9, 9), outcomes(9, 1), adjusted=math.nan),
        requirements=(replace(required("cost<=5", "failed", "x"), now=math.inf),),
        now=replace(NOW, settings={"temperature": math.nan, "seeds": (1, 2)}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shown", RESULTS.values(), ids=RESULTS)
def test_the_json_fits_its_published_schemas(shown: GateResult) -> None:
    data = json.loads(json.dumps(gate_json(shown), allow_nan=False))
    jsonschema.Draft202012Validator(schema("exports")).validate({"schema": "llmroute.gate/1", **data})
    run = json.loads("".join(text_of(summary(), [], gate=shown)))
    jsonschema.Draft202012Validator(schema("run")).validate(run)
    assert run["gate"] == data


def test_a_run_without_a_gate_says_null() -> None:
    assert json.loads("".join(text_of(summary(), [])))["gate"] is None


def test_both_schemas_describe_the_gate_alike() -> None:
    run, exports = schema("run")["$defs"], schema("exports")["$defs"]
    parts = [name for name in run if name.startswith("gate_")]
    assert {name: run[name] for name in parts} == {name: exports[name] for name in parts}
    assert run["gate"]["properties"] == {k: v for k, v in exports["gate"]["properties"].items() if k != "schema"}


def test_the_schema_names_every_field() -> None:
    defs = schema("run")["$defs"]
    for name, cls in (
        ("column", ColumnVerdict), ("settings", GateSettings), ("head", GateHead), ("change", CaseChange),
        ("case", CaseFigures), ("stats", GateVerdict), ("repeats", Repeats), ("requirement", RequirementResult),
    ):  # fmt: skip
        known = {field.name for field in fields(cls)} - (set(TOLD_ELSEWHERE) if cls is GateVerdict else set())
        assert set(defs[f"gate_{name}"]["properties"]) == known, name


def test_the_json_holds_every_case() -> None:
    data = gate_json(hostile())
    (case,) = data["columns"][0]["failing"]
    assert case["message"] == HOSTILE
    assert case["then"]["outcomes"] == [1]
    assert data["columns"][0]["lost"] == [{"case": HOSTILE, "cause": HOSTILE}]
