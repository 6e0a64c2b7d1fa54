"""Each check: what passes, what misses, and what the miss says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.requests import Message
from pytest_llmroute.tasks.checks import builtin_checks, load_check
from pytest_llmroute.tasks.structured import CheckError
from pytest_llmroute.tasks.values import TaskCase


def judge(value: dict[str, Any], text: str) -> CheckResult:
    check = load_check(value, ("check",), builtin_checks())
    task = TaskCase("t", (Message("user", "p"),), check, "")
    return check.run(text, task)


SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("check", "text", "passed"),
    [
        ({"exact": "int x = 1;"}, "  int x = 1;\n", True),
        ({"exact": "int x = 1;"}, "int x = 1", False),
        ({"exact": ["yes", "true"]}, "true", True),
        ({"exact": {"text": "Yes", "ignore_case": True}}, "yEs", True),
        ({"exact": {"text": "yes", "strip": False}}, "yes ", False),
        ({"contains": "lin"}, "linker", True),
        ({"contains": ["a", "b"]}, "only a", False),
        ({"contains": {"text": ["A", "b"], "ignore_case": True}}, "aB", True),
        ({"regex": r"^\d+$"}, "a\n12", False),
        ({"regex": {"pattern": r"^\d+$", "flags": "m"}}, "a\n12", True),
        ({"regex": {"pattern": r"\d+", "full": True}}, " 12 ", True),
        ({"regex": {"pattern": r"\d+", "full": True}}, "12 a", False),
        ({"json_schema": SCHEMA}, '{"n": 1}', True),
        ({"json_schema": SCHEMA}, 'Sure!\n```json\n{"n": 1}\n```', True),
        ({"json_schema": SCHEMA}, '{"n": "1"}', False),
        ({"json_schema": SCHEMA}, "no json", False),
        ({"json_schema": {"type": "array"}}, "[" * 100_000, False),
        ({"numeric": 4}, "2 + 2 = 4", True),
        ({"numeric": {"value": 3.14, "abs": 0.01}}, "about 3.1416.", True),
        ({"numeric": {"value": 1000, "rel": 0.01}}, "roughly 1,005 units", True),
        ({"numeric": {"value": 5, "pick": "first"}}, "5 or 6", True),
        ({"numeric": {"value": 5, "pick": "only"}}, "5 or 6", False),
        ({"numeric": -2.5}, "x = -2.5", True),
        ({"numeric": 20}, "10-20", True),
        ({"numeric": 1e6}, "1e6", True),
        ({"numeric": 1}, "nan inf none", False),
        ({"all": [{"contains": "a"}, {"contains": "b"}]}, "ab", True),
        ({"all": [{"contains": "a"}, {"contains": "b"}]}, "a", False),
        ({"any": [{"contains": "a"}, {"contains": "b"}]}, "b", True),
        ({"any": [{"contains": "a"}, {"contains": "b"}]}, "c", False),
        ({"not": {"contains": "sorry"}}, "here it is", True),
        ({"not": {"contains": "sorry"}}, "sorry", False),
    ],
)
def test_a_check_judges(check: dict[str, Any], text: str, passed: bool) -> None:
    result = judge(check, text)
    assert result.passed is passed
    assert bool(result.message) is not passed


@pytest.mark.parametrize(
    ("check", "text", "message"),
    [
        ({"exact": "a"}, "b\x1b[31m", 'wanted exactly "a"; got "b\\x1b[31m"'),
        ({"contains": ["a", "b"]}, "a", 'wanted "b" in it; got "a"'),
        ({"regex": "z+"}, "", "wanted a match of /z+/; got an empty reply"),
        ({"json_schema": SCHEMA}, '{"n": "1"}', "does not fit the schema at ['n']: '1' is not of type 'integer'"),
        ({"numeric": {"value": 2, "abs": 0.5}}, "3", "wanted 2 ± 0.5; got 3"),
        ({"not": {"contains": "a"}}, "a", 'held, and must not: contains "a"; got "a"'),
    ],
)
def test_a_miss_says_what_was_wanted_and_what_came(check: dict[str, Any], text: str, message: str) -> None:
    assert judge(check, text).message == message


def test_the_score_is_the_share_that_held() -> None:
    assert judge({"all": [{"contains": "a"}, {"contains": "b"}, {"contains": "c"}]}, "ab").score == pytest.approx(2 / 3)
    assert judge({"contains": ["a", "b"]}, "a").score == 0.5


def says_yes(text: str) -> bool:
    """For the check `python`."""
    return "yes" in text


def wants_task(text: str, task: TaskCase) -> tuple[bool, str]:
    """For the check `python`."""
    return task.id == text, "another id"


def asserts(text: str) -> None:
    """For the check `python`."""
    assert text == "x", "not x"


def answers_oddly(text: str) -> int:
    """For the check `python`."""
    return 7


HERE = __name__


def test_a_python_function_decides() -> None:
    assert judge({"python": f"{HERE}:says_yes"}, "yes").passed
    assert judge({"python": f"{HERE}.wants_task"}, "t").passed
    assert judge({"python": f"{HERE}:wants_task"}, "u").message == f'{HERE}:wants_task: another id; got "u"'
    assert judge({"python": f"{HERE}:asserts"}, "x").passed
    assert "not x" in judge({"python": f"{HERE}:asserts"}, "y").message


@pytest.mark.parametrize("name", ["answers_oddly", "no_such_name", "HERE"])
def test_a_function_that_can_not_judge_is_its_authors_mistake(name: str) -> None:
    with pytest.raises(CheckError):
        judge({"python": f"{HERE}:{name}"}, "x")


@given(st.text(st.characters(codec=None), max_size=300))
def test_no_reply_breaks_a_check_or_reaches_a_message_unescaped(text: str) -> None:
    for check in (
        {"exact": "\0"},
        {"contains": "\0"},
        {"regex": "\0"},
        {"numeric": 12345.678},
        {"json_schema": SCHEMA},
    ):
        assert judge(check, text).message.isprintable()
