"""Tasks that are in order, and those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.sandbox.verdict import SolutionVerdict
from pytest_llmroute.tasks import unit_tests
from pytest_llmroute.tasks.checks import builtin_checks
from pytest_llmroute.tasks.convert import to_task
from pytest_llmroute.tasks.proof import Finding, prove
from pytest_llmroute.tasks.values import Known, TaskCase

TESTS = ["assert double(2) == 4"]
GOOD = "def double(x): return 2 * x"


def task(reference: str | None, check: dict[str, Any] | None = None, name: str = "t") -> TaskCase:
    data = {"id": name, "prompt": "p", "check": check or {"unit_tests": {"tests": TESTS}}}
    found, mistakes = to_task(data | ({"reference": reference} if reference else {}), builtin_checks(), Known(), "f", 1)
    assert (mistakes, found is not None) == ([], True)
    assert found is not None
    return found


def finding(reference: str, check: dict[str, Any] | None = None) -> Finding:
    (found,) = prove([task(reference, check)], threads=1)
    return found


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("reference", "check", "kind", "told"),
    [
        (GOOD, None, "", ""),
        ("def double(x): return x", None, "reference", "test 1 of 1: did not hold: assert double(2) == 4"),
        ("def other(x): return x", None, "reference", "does not pass: error: "),
        (GOOD, {"unit_tests": {"tests": ["assert double(2) or True"]}}, "empty", "passes with empty bodies"),
        ("print(4)", {"unit_tests": {"cases": [{"stdout": "4"}]}}, "", ""),
        ("def f(): return 4\nprint(4)", {"unit_tests": {"cases": [{"stdout": "4"}]}}, "", ""),
        ("print('')", {"unit_tests": {"cases": [{"stdout": ""}]}}, "empty", "its tests ask for nothing"),
        (GOOD, {"unit_tests": {"tests": TESTS, "challenge": ["assert double(2) == 5", "assert double(3) == 6"]}},
         "challenge", "the reference passes 50% of the challenge"),
        (GOOD, {"all": [{"not": {"contains": "2 *"}}, {"unit_tests": {"tests": TESTS}}]}, "reference", "must not"),
        (GOOD, {"all": [{"unit_tests": {"tests": TESTS}}, {"python": "no_such:f"}]}, "reference", "can't be found"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(reference: str, check: dict[str, Any] | None, kind: str, told: str) -> None:
    found = finding(reference, check)
    assert found.kind == kind
    assert told in found.message


@pytest.mark.usefixtures("sandbox")
def test_tasks_without_a_reference_are_left_out_and_the_others_keep_their_order() -> None:
    tasks = [task(GOOD if place % 3 else None, name=f"t{place}") for place in range(12)]
    told: list[Finding] = []
    found = prove(tasks, threads=4, done=told.append)
    assert [each.task.id for each in found] == [f"t{place}" for place in range(12) if place % 3]
    assert sorted(told, key=lambda each: int(each.task.id[1:])) == found


def test_what_could_not_be_run_says_nothing_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_tests, "run_solution", lambda *_, **__: SolutionVerdict("infra", "no jail"))
    found = finding(GOOD)
    assert (found.kind, found.message) == ("lost", "the solution could not be run: no jail")


def test_a_mistake_of_ours_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> CheckResult:
        raise RuntimeError("ours")

    monkeypatch.setattr(unit_tests, "run_solution", broken)
    with pytest.raises(RuntimeError, match="ours"):
        prove([task(GOOD, name=f"t{place}") for place in range(50)], threads=2)
