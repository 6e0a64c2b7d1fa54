"""Which tests decide on an attempt and which score it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.solutions import Solution
from pytest_llmroute.tasks.checks import Check, builtin_checks, load_check
from pytest_llmroute.tasks.feedback import first_held, judged, well_formed

TWO = {"unit_tests": {"tests": ["assert f(1) == 2", "assert f(2) == 4"], "challenge": ["assert f(9) == 18"]}}
PLAIN = {"unit_tests": {"tests": ["assert f(1) == 2"]}}


def check(value: Any) -> Check:
    return load_check(value, (), builtin_checks())


def ran(*held: bool, challenge: float | None = None) -> CheckResult:
    passed = all(held)
    solution = Solution("pass" if passed else "fail", held=held, challenge=challenge)
    return CheckResult(passed, "" if passed else "test did not hold", solution=solution)


@pytest.mark.parametrize(
    ("task", "result", "wanted", "found"),
    [
        (TWO, ran(True, False, challenge=0.0), "all", (False, False, "all")),
        (TWO, ran(True, False, challenge=0.0), "visible", (True, False, "visible")),
        (TWO, ran(False, True), "visible", (False, False, "visible")),
        (TWO, ran(True, True, challenge=0.0), "challenge", (True, False, "challenge")),
        (TWO, ran(True, True, challenge=1.0), "challenge", (True, True, "challenge")),
        (TWO, ran(True, False, challenge=1.0), "challenge", (False, False, "challenge")),
        (PLAIN, ran(True), "visible", (True, True, "all")),
        (PLAIN, ran(True), "challenge", (True, True, "all")),
        ({"exact": "x"}, CheckResult(True), "visible", (True, True, "all")),
        ({"all": [TWO, {"contains": "f"}]}, ran(True, False), "visible", (False, False, "all")),
    ],
)
def test_what_decides_and_what_scores(
    task: Any, result: CheckResult, wanted: str, found: tuple[bool, bool, str]
) -> None:
    one = judged(check(task), result, wanted)
    assert (one.decides.passed, one.scores.passed, one.feedback) == found
    assert one.scores.passed or one.scores.message


def test_the_first_test_is_seen_alone() -> None:
    assert first_held(ran(True, False))
    assert not first_held(ran(False, True))
    assert first_held(CheckResult(True))


@pytest.mark.parametrize(
    ("task", "text", "fine"),
    [
        (TWO, "def f(a): return a", True),
        (TWO, "```python\ndef f(a): return a\n```", True),
        (TWO, "def f(a: return a", False),
        ({"json_schema": {"type": "object"}}, "[1]", True),
        ({"json_schema": {"type": "object"}}, "{1", False),
        ({"exact": "x"}, "anything", True),
        ({"exact": "x"}, " ", False),
    ],
)
def test_syntax_is_the_form_alone(task: Any, text: str, fine: bool) -> None:
    assert well_formed(check(task), text) is fine
