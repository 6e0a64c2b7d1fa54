"""Hints to the next attempt: what they show at each level, and what they never tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.solutions import Solution
from pytest_llmroute.tasks.checks import builtin_checks, load_check
from pytest_llmroute.tasks.hints import Failure, failure_of, hint_of

plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(plain, inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
names = st.sampled_from(["f", "solve", "max_10", "is_true", "none"])
kinds = st.sampled_from(["fail", "TypeError", "timeout", "memory", "error", "Error1", "KeyError"])


@given(names, st.lists(values, max_size=3), values, st.sampled_from(["class", "shape"]), kinds, st.booleans())
@example("max_10", [1], 10, "shape", "fail", False)
@example("f", [[1, 2]], 1, "shape", "Error1", False)
def test_no_hint_tells_what_is_expected(
    name: str, given_: list[Any], expected: Any, level: str, kind: str, swapped: bool
) -> None:
    call = f"{name}({', '.join(map(repr, given_))})"
    test = f"assert {expected!r} == {call}" if swapped else f"assert {call} == {expected!r}"
    hint, _ = hint_of(Failure(kind, test, (name,)), level, "Write a function.")
    assert repr(expected) not in hint


@given(values, st.floats(allow_nan=False, allow_infinity=False))
def test_nor_what_stands_in_a_call_around_it(value: Any, near: float) -> None:
    assume(repr(near) not in "shape")
    hint, _ = hint_of(Failure("fail", f"assert close(f({value!r}), {near!r}, places=7)", ("f",)), "shape", "")
    assert repr(near) not in hint
    assert "7" not in hint


@pytest.mark.parametrize(
    ("level", "test", "prompt", "hint"),
    [
        ("none", "assert f(1) == 2", "", ("", "none")),
        ("class", "assert f(1) == 2", "", ("Your last answer raised TypeError.", "class")),
        ("shape", "assert f([1, 2], 'a', k=None) == 2", "", (
            "Your last answer raised TypeError. It was called as f(list of int, text, k=nothing).", "shape")),
        ("shape", "assert g() == 2", "", ("Your last answer raised TypeError.", "class")),
        ("shape", "assert sorted(f({1: 2}, -1, (1, 'a'), [])) == 2", "", (
            "Your last answer raised TypeError. It was called as f(dict, int, tuple of values, list).", "shape")),
        ("values", "assert f(1) == 2", "", (
            "Your last answer raised TypeError. This did not hold: assert f(1) == 2", "values")),
        ("values", "", "", ("Your last answer raised TypeError.", "class")),
    ],
)  # fmt: skip
def test_each_level_shows_more(level: str, test: str, prompt: str, hint: tuple[str, str]) -> None:
    assert hint_of(Failure("TypeError", test, ("f",)), level, prompt) == hint


def test_what_the_prompt_has_told_is_no_secret() -> None:
    failure = Failure("fail", "assert f10(1) == 10", ("f10",))
    assert hint_of(failure, "shape", "Define f10.")[1] == "shape" or "10" in "Define f10."
    assert hint_of(failure, "shape", "Define it.")[1] == "class"


@pytest.mark.parametrize(
    ("status", "message", "held", "kind", "test"),
    [
        ("error", "error: test 1 of 2: TypeError: no, line 2 of it", (False, True), "TypeError", "assert f(1) == 2"),
        ("error", "error: SyntaxError: invalid syntax", (False, False), "SyntaxError", "assert f(1) == 2"),
        ("error", "error: KeyError", (False, False), "KeyError", "assert f(1) == 2"),
        ("fail", "test 2 of 2: did not hold: assert f(2) == 4", (True, False), "fail", "assert f(2) == 4"),
        ("timeout", "timeout: …", (False, False), "timeout", "assert f(1) == 2"),
    ],
)  # fmt: skip
def test_a_verdict_says_which_kind_of_error_and_which_assert(
    status: str, message: str, held: tuple[bool, ...], kind: str, test: str
) -> None:
    check = load_check({"unit_tests": {"tests": ["assert f(1) == 2", "assert f(2) == 4"]}}, (), builtin_checks())
    found = failure_of(check, CheckResult(False, message, solution=Solution(status, held=held)))
    assert found == Failure(kind, test, ("f",))


def test_a_reply_that_ran_no_code_leaves_no_hint() -> None:
    check = load_check({"exact": "x"}, (), builtin_checks())
    assert failure_of(check, CheckResult(False, 'wanted exactly "x"')) == Failure()
    assert hint_of(Failure(), "values", "") == ("", "none")
