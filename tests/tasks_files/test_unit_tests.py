"""The check unit_tests: what is run, what passes, and what a miss says."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.requests import Message
from pytest_llmroute.core.solutions import Solution
from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox import run_solution
from pytest_llmroute.sandbox.verdict import SolutionVerdict, Status
from pytest_llmroute.tasks import unit_tests
from pytest_llmroute.tasks.checks import builtin_checks, load_check, on_code
from pytest_llmroute.tasks.values import SolutionLost, TaskCase

DOUBLE = ["assert double(2) == 4", "assert double('ab') == 'abab'"]
GOOD = "def double(x):\n    return 2 * x"


def judge(value: dict[str, Any], text: str, *, code: bool = False, reference: str | None = None) -> CheckResult:
    check = load_check(value, ("check",), builtin_checks())
    task = TaskCase("t", (Message("user", "p"),), check, "", reference=reference)
    return (on_code(check) if code else check).run(text, task)


def tried(value: dict[str, Any], text: str) -> tuple[CheckResult, Solution]:
    result = judge({"unit_tests": value}, text)
    assert result.solution is not None
    return result, result.solution


@pytest.mark.usefixtures("sandbox")
class TestInTheSandbox:
    """Run for real."""

    def test_a_solution_that_holds_passes_and_all_of_it_is_kept(self) -> None:
        result, solution = tried({"tests": DOUBLE}, f"Of course:\n```python\n{GOOD}\nprint('hello')\n```\nDone.")
        assert (result.passed, result.message, result.score) == (True, "", 1.0)
        assert (solution.status, solution.held, solution.challenge) == ("pass", (True, True), None)
        assert solution.code.strip() == f"{GOOD}\nprint('hello')"
        assert (solution.rule, solution.truncated) == ("fence", False)
        assert (solution.output, solution.output_bytes) == ("hello\n", 6)
        assert solution.cpu_seconds > 0
        assert solution.rss_peak is None or solution.rss_peak > 1_000_000
        assert solution.tier

    def test_a_miss_names_the_assert_and_scores_the_share_that_held(self) -> None:
        result, solution = tried({"tests": DOUBLE}, "def double(x):\n    return 4")
        assert (result.passed, result.score, solution.status) == (False, 0.5, "fail")
        assert solution.held == (True, False)
        assert "test 2 of 2" in result.message
        assert "assert double('ab') == 'abab'" in result.message

    @pytest.mark.parametrize(
        ("code", "status", "told"),
        [
            ("def double(x):\n    return 1 / 0", "error", "ZeroDivisionError"),
            ("def other(x):\n    return 2 * x", "error", "double"),
            ("def double(x:\n", "error", "SyntaxError"),
            ("def double(x):\n    while True: pass", "timeout", "CPU"),
            ("def double(x):\n    return bytearray(10 ** 12)", "memory", "MemoryError"),
        ],
    )
    def test_every_other_end_has_its_status_in_front(self, code: str, status: str, told: str) -> None:
        result, solution = tried({"tests": DOUBLE, "timeout": 0.5}, code)
        assert (result.passed, result.score, solution.status) == (False, 0.0, status)
        assert result.message.startswith(f"{status}: ")
        assert told in result.message
        assert len(solution.held) == 2

    def test_setup_runs_before_the_tests(self) -> None:
        value = {"setup": "import math\ncase = double(math.inf)", "tests": ["assert case == math.inf"]}
        assert tried(value, GOOD)[0].passed

    def test_the_challenge_is_scored_apart(self) -> None:
        value = {"tests": DOUBLE, "challenge": ["assert double([1]) == [1, 1]", "assert double(3) == 7"]}
        result, solution = tried(value, GOOD)
        assert (result.passed, result.score, solution.challenge) == (True, 1.0, 0.5)
        failed, solution = tried(value, "def double(x):\n    return [1, 1]")
        assert (failed.passed, failed.score, solution.challenge) == (False, 0.0, 0.5)
        assert tried(value, "1 / 0")[1].challenge is None

    def test_cases_compare_what_a_program_prints(self) -> None:
        value = {"cases": [{"stdin": "2\n", "stdout": "4"}, {"stdin": "5\n", "stdout": "10\n"}, {"stdout": "none"}]}
        program = "try:\n    print(2 * int(input()))\nexcept EOFError:\n    print('none')"
        assert tried(value, program)[0].passed
        result, solution = tried(value, "print(4)")
        assert (result.score, solution.held) == (1 / 3, (True, False, False))
        assert result.message == "case 2 of 3: line 1: expected '10', got '4'"

    def test_tests_and_cases_count_together(self) -> None:
        value = {"tests": DOUBLE, "cases": [{"stdout": "4"}]}
        assert tried(value, f"{GOOD}\nprint(double(2))")[1].held == (True, True, True)
        result, solution = tried(value, GOOD)
        assert (result.score, solution.held) == (2 / 3, (True, True, False))

    def test_after_a_program_that_does_not_end_no_other_case_is_tried(self) -> None:
        value = {"cases": [{"stdout": "1"}] * 20, "timeout": 0.3}
        result, solution = tried(value, "while True: pass")
        assert (solution.status, solution.held) == ("timeout", (False,) * 20)
        assert solution.cpu_seconds < 3
        assert result.message.startswith("timeout: case 1 of 20: ")

    def test_text_of_the_solution_is_inert_in_a_message(self) -> None:
        result, _ = tried({"tests": DOUBLE}, "def double(x):\n    raise ValueError('\\x1b[2J\\u202e')")
        assert "\x1b" not in result.message
        assert "\u202e" not in result.message
        assert "ValueError" in result.message

    def test_within_other_checks_what_was_run_is_kept(self) -> None:
        unit = {"unit_tests": {"tests": DOUBLE}}
        both = judge({"all": [{"not": {"contains": "eval"}}, unit]}, GOOD)
        assert (both.passed, both.solution and both.solution.status) == (True, "pass")
        either = judge({"any": [{"exact": "no"}, unit]}, GOOD)
        assert (either.passed, either.solution and either.solution.status) == (True, "pass")
        turned = judge({"not": unit}, GOOD)
        assert (turned.passed, turned.solution and turned.solution.status) == (False, "pass")
        assert "must not: the unit tests" in turned.message

    def test_code_that_is_no_reply_is_run_as_it_is(self) -> None:
        text = 'def double(x):\n    """```python\n    1 / 0\n    ```"""\n    return 2 * x'
        result = judge({"all": [{"unit_tests": {"tests": DOUBLE}}]}, text, code=True)
        assert (result.passed, result.solution and result.solution.code) == (True, text)


def stand_in(monkeypatch: pytest.MonkeyPatch, *statuses: Status) -> None:
    """Executions that end as told, one after the other."""
    left = list(statuses)

    def run(*args: Any, **options: Any) -> SolutionVerdict:
        status = left.pop(0)
        return SolutionVerdict(status, "the jail was lost twice", (status == "pass",) * 2, rss_peak=7, cpu_seconds=0.5)

    monkeypatch.setattr(unit_tests, "run_solution", run)
    monkeypatch.setattr(unit_tests, "run_program", run)


@pytest.mark.parametrize(
    "check",
    [
        {"unit_tests": {"tests": DOUBLE}},
        {"not": {"unit_tests": {"tests": DOUBLE}}},
        {"any": [{"contains": "double"}, {"unit_tests": {"tests": DOUBLE}}]},
    ],
    ids=["alone", "not", "any"],
)
def test_what_could_not_be_run_is_no_verdict_of_any_check(
    monkeypatch: pytest.MonkeyPatch, check: dict[str, Any]
) -> None:
    stand_in(monkeypatch, "infra")
    with pytest.raises(SolutionLost, match="the jail was lost twice") as caught:
        judge(check, GOOD)
    kept = caught.value.result
    assert (kept.passed, kept.score) == (False, None)
    assert (kept.solution and kept.solution.status, kept.solution and kept.solution.code) == ("infra", GOOD)


def test_a_failure_stands_even_where_another_execution_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "infra", "fail")
    result, solution = tried({"tests": DOUBLE, "cases": [{"stdout": "4"}]}, GOOD)
    assert (result.passed, solution.status, solution.cpu_seconds, solution.rss_peak) == (False, "fail", 1.0, 7)


def test_a_lost_challenge_costs_its_own_score_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "pass", "infra")
    result, solution = tried({"tests": DOUBLE, "challenge": ["assert double(1) == 2"]}, GOOD)
    assert (result.passed, solution.challenge) == (True, None)


def test_a_machine_without_a_sandbox_says_nothing_of_a_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> SolutionVerdict:
        raise UserError("no sandbox holds here", code=Code.SANDBOX)

    monkeypatch.setattr(unit_tests, "run_solution", refuse)
    with pytest.raises(SolutionLost, match="no sandbox holds here"):
        judge({"unit_tests": {"tests": DOUBLE}}, GOOD)


@pytest.mark.usefixtures("sandbox")
def test_quality_stands_beside_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is run once, and only where the solution passed."""
    asked: list[str] = []
    real = run_solution

    def counted(code: str, *args: Any, **more: Any) -> Any:
        asked.append(code)
        return real(code, *args, **more)

    monkeypatch.setattr(unit_tests, "run_solution", counted)
    quick = "def double(x):\n    return x * 2"
    slow = "def double(x):\n    for _ in range(3_000_000):\n        pass\n    return x * 2"
    found = [
        judge({"unit_tests": {"tests": DOUBLE}}, code, reference=quick).solution
        for code in (quick, slow, "def double(x): return 7")
    ]
    scores = [
        (s.status, s.efficiency and s.efficiency > 0.9, s.readability and s.readability > 0.5) for s in found if s
    ]
    assert scores == [("pass", True, True), ("pass", False, True), ("fail", None, True)]
    assert asked.count(quick) == 2


def test_a_solution_comes_back_from_its_json_form() -> None:
    solution = Solution(
        "fail", "fence", True, (True, False), challenge=0.5, efficiency=0.7, cpu_seconds=0.1, rss_peak=5, seconds=0.2,
        tier="isolated", retried=True, output_bytes=3, output="hi", code="code",
    )  # fmt: skip
    assert Solution.from_dict({**solution.to_dict(), "of a newer version": 1}) == solution
    assert (solution.score, solution.without_texts().code, solution.without_texts().output) == (0.5, "", "")
