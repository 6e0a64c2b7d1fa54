"""The job summary and the comment: what they say, that hostile text stays text, and that they fit."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.errors import printable
from pytest_llmroute.gate.result import ColumnVerdict, GateResult
from pytest_llmroute.report.markdown import (
    COMMENT_LIMIT,
    MARKER,
    SUMMARY_LIMIT,
    code,
    comment_text,
    fit,
    gate_markdown,
    inert,
)
from tests.report.results import HOSTILE, column, failing, hostile, names, outcomes, required, result, summary

OURS = re.compile(r"</?(?:code|details|summary)>|<!-- (?:pytest-llmroute )?-->|`llmroute gate --json`")
TEXTS = st.text(st.characters(codec=None), max_size=80)


def check(page: str) -> None:
    """Nothing but our own markup, whole tables, and folded parts that end."""
    assert all(line.isprintable() for line in page.split("\n"))
    foreign = OURS.sub("", page)
    assert not set(foreign) & set("<`[]~$@\\*"), foreign
    assert "://" not in foreign
    assert page.count("<details>") == page.count("</details>") == page.count("<summary>")
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        head, rule, *rows = table.splitlines()
        assert re.fullmatch(r"(?:\|(?:---|--:))+\|", rule)
        assert rows
        assert {line.count("|") for line in rows} == {head.count("|")} == {rule.count("|")}


def test_the_verdict_comes_first() -> None:
    lines = gate_markdown(failing(), summary()).splitlines()
    assert lines[0] == "## LLM gate: FAIL against llmroute-baseline.json"
    assert lines[2] == (
        "- balanced: FAIL — 61 of 98 cases pass now, 93 did (62.2% from 94.9%): down 32.7 points"
        " (at least 24.5, at most 40.8), p &#60; 0.0001 (0.05 allowed)"
    )
    assert lines[4:7] == [
        "| column | verdict | now | then | drop in points | p | p among all | shared cases |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
        "| <code>balanced</code> | FAIL | 62.2% | 94.9% | 32.7 (24.5 to 40.8) | &#60; 0.0001 | &#60; 0.0001 | 98 |",
    ]


def test_a_failing_case_has_its_row() -> None:
    row = (
        "| <code>tasks/fix.llm.yaml::case61</code> | <code>balanced</code> | 0/1 now, 1/1 then | pico now, micro then"
        ' | fast: fix → small now, balanced: fix → large then | wanted exactly "5"; got "6" |'
    )
    assert row in gate_markdown(failing(), summary()).splitlines()
    assert row in comment_text(failing(), summary()).splitlines()


def test_the_page_has_requirements_figures_and_both_sides() -> None:
    shown = replace(
        failing(), requirements=(required("tokens<=5", "failed", "tokens<=5 fails in balanced: 9.0 a try"),)
    )
    lines = gate_markdown(shown, summary()).splitlines()
    assert (
        "| <code>tokens&#60;=5</code> | <code>balanced</code> | FAIL | tokens&#60;=5 fails in balanced: 9.0 a try |"
        in lines
    )
    assert "| <code>balanced</code> | 1/2 | 50% | 9–91 | 0% | 500 ms | 500 ms | 160/40 | 53 MB | &#36;0.0020 |" in lines
    assert "| run | <code>20261121-101010-aaaaaa</code> | <code>20261101-090909-bbbbbb</code> |" in lines
    assert "Models now: <code>pico</code>." in lines


def test_nothing_to_compare_with_leaves_no_empty_table() -> None:
    page = gate_markdown(GateResult("new", "llmroute-baseline.json"), summary())
    assert page.startswith("## LLM gate: no verdict, nothing to compare with yet (llmroute-baseline.json)\n")
    check(page)


def test_long_lists_are_folded_the_short_ones_first() -> None:
    one = column(outcomes(98, 93), outcomes(98, 30, gained=2), missing=("gone",), added=tuple("abc"))
    page = gate_markdown(result(one), summary())
    check(page)
    assert "The first 50 of 63; all are in the list below." not in page
    assert "The first 50; all are in the list below." in page
    titles = re.findall("<summary>(.*)</summary>", page)
    assert titles == [
        "balanced, not in this run: 1 case",
        "balanced, not in the baseline: 3 cases",
        "balanced, newly passing: 2 cases",
        "newly failing: 63 cases",
    ]


def test_hostile_text_stays_text() -> None:
    for page in (
        gate_markdown(hostile(), summary(HOSTILE, HOSTILE)),
        comment_text(hostile(), summary(HOSTILE, HOSTILE)),
    ):
        check(page)
        assert "&#64;&#8203;you" in page


@settings(deadline=None)
@given(TEXTS)
def test_no_text_becomes_markup(text: str) -> None:
    check(gate_markdown(hostile(text), summary(text, text)))
    check(comment_text(hostile(text), summary(text, text)))


@given(TEXTS)
def test_inert_text_reads_as_what_it_was(text: str) -> None:
    assert html.unescape(inert(text)).replace("\u200b", "") == printable(text)
    assert html.unescape(code(text).replace("<!-- -->", "")) == (f"<code>{printable(text)}</code>" if text else "")


def huge(count: int = 20_000) -> GateResult:
    one = failing().columns[0]
    message = "<b>" * 60
    worse = tuple(replace(one.failing[0], case=f"{name}|é", message=message) for name in names(count))
    return result(replace(one, failing=worse, missing=tuple(names(count)), added=("one",)))


def test_a_run_with_thousands_of_failures_fits() -> None:
    page = gate_markdown(huge(), summary())
    assert 0.9 * SUMMARY_LIMIT < len(page.encode()) <= SUMMARY_LIMIT
    check(page)
    assert "balanced, not in the baseline: 1 case" in page
    assert re.search(r"Left out, to stay below 900 kB: \d+ rows and 1 whole section\.", page)


def test_a_comment_fits_and_begins_with_its_marker() -> None:
    columns = tuple(replace(one, column=f"{n}{'x' * 150}") for n in range(200) for one in failing().columns)
    page = comment_text(result(*columns), summary())
    assert page.startswith(f"{MARKER}\n")
    assert len(page.encode()) <= COMMENT_LIMIT
    check(page)
    assert comment_text(failing(), summary(), "<!-- mine -->").startswith("<!-- mine -->\n")


@settings(deadline=None)
@given(st.integers(600, 20_000))
def test_a_page_can_be_cut_anywhere(limit: int) -> None:
    one = column(outcomes(98, 93), outcomes(98, 30, gained=2), missing=("gone",), changes=("a", "b"))
    whole = gate_markdown(result(one, ColumnVerdict("new", "new")), summary())
    page = fit(whole, limit)
    assert len(page.encode()) <= limit
    assert ("Left out" in page) is (page != whole)
    check(page)


def test_a_page_that_fits_is_left_alone() -> None:
    page = gate_markdown(failing(), summary())
    assert fit(page, len(page.encode())) == page


@pytest.mark.parametrize("limit", [0, 100, 600])
def test_where_nothing_fits_the_note_is_all(limit: int) -> None:
    assert fit("x" * 1000, limit).strip().startswith("Left out")
