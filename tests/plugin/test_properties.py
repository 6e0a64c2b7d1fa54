"""Tests of hypothesis that ask models: outcomes are those of other tests."""

from __future__ import annotations

import pytest

from .conftest import Run

WORDS = ("PASSED ", "ERROR ", "FAILED ")
TESTS = """
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pytest_llmroute.testing.strategies import few_examples, messages, prompts

CHECKS = [HealthCheck.function_scoped_fixture]
FIXTURE = settings(max_examples=20, derandomize=True, database=None, suppress_health_check=CHECKS)

@few_examples(6)
@given(conversation=messages())
@pytest.mark.llm(task="fix")
def test_conversations(llm, conversation):
    reply = llm.generate(conversation)
    assert reply.text.endswith(conversation[-1].content)

@FIXTURE
@given(st.integers(0, 3))
def test_wrong_in_two_ways(llm, number):
    text = llm.generate(str(number)).text
    assert number != 1
    assert number != 2

FLAKY = []

@FIXTURE
@given(st.integers(0, 3))
def test_wrong_only_once(llm, number):
    llm.generate(str(number))
    FLAKY.append(number)
    assert len(FLAKY) != 2

@FIXTURE
@given(st.integers(0, 3))
def test_wrong_and_nobody_answers(llm, number):
    llm.generate("FAIL" if number == 1 else "hello", timeout=0.1)
    assert number != 2

@FIXTURE
@given(st.integers(0, 3))
def test_broken_and_wrong(llm, number):
    llm.generate("hello")
    assert number != 2
    assert number != 1 or undefined
"""


@pytest.mark.parametrize(
    "spread", [pytest.param((), id="alone"), pytest.param(("-n2",), id="xdist", marks=pytest.mark.slow)]
)
def test_outcomes_under_hypothesis(run: Run, suite: pytest.Pytester, spread: tuple[str, ...]) -> None:
    """Several assertions at once, or one that fails only once, are a miss; a dead server is an error whatever else."""
    suite.makepyfile(TESTS)
    result = run("--llm-gate=record", "-rA", *spread)
    shown = {line.split("::")[1]: line.split()[0] for line in result.outlines if line.startswith(WORDS)}
    assert shown == {"test_conversations[balanced]": "PASSED", "test_wrong_and_nobody_answers[balanced]": "ERROR",
                     "test_broken_and_wrong[balanced] - E...": "FAILED"}  # fmt: skip
    assert "2 missed" in result.outlines[-1]
    assert result.ret == pytest.ExitCode.TESTS_FAILED
