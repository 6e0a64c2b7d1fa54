"""Evidence that may be read at any time."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.learn.anytime import Course, evidence, follow

counts = st.integers(0, 400)


def coin(heads: int, tails: int) -> Fraction:
    """By counting: 2^n · heads! · tails! ÷ (n + 1)!"""
    ways = math.comb(heads + tails, heads)
    return Fraction(2 ** (heads + tails), (heads + tails + 1) * ways)


@given(counts, counts)
def test_it_is_the_exact_bet_on_any_share(first: int, second: int) -> None:
    assert evidence(first, second) == pytest.approx(float(coin(first, second)), rel=1e-9)


@given(counts, counts, st.floats(0.1, 50))
def test_between_equals_nothing_is_to_be_won(first: int, second: int, weight: float) -> None:
    """The mean of what the next task can bring is what there is: so 20 comes at most once in 20 courses."""
    following = (evidence(first + 1, second, weight) + evidence(first, second + 1, weight)) / 2
    assert following == pytest.approx(evidence(first, second, weight), rel=1e-9)


def test_no_task_no_evidence_and_no_overflow() -> None:
    assert evidence(0, 0) == 1
    assert evidence(3000, 0) == math.inf
    assert 0 < evidence(5000, 5000) < 1
    assert evidence(8, 1) == evidence(1, 8)
    for wrong in ((-1, 0, 1.0), (0, 0, 0.0), (0, 0, math.nan)):
        with pytest.raises(ValueError, match="a finite number above 0"):
            evidence(*wrong)


def test_it_stops_as_soon_as_it_is_decided() -> None:
    """Eight wins of eight are 28, seven of seven 16; what both or none solve says nothing."""
    left = iter([(True, True), (False, False), *[(True, False)] * 9])
    course = follow(left)
    assert course == Course(tasks=10, first=8, second=0, decided=True)
    assert course.evidence == pytest.approx(2**8 / 9)
    assert course.better == 1
    assert list(left) == [(True, False)]
    assert follow([(False, True)] * 8).better == 2
    undecided = follow([(True, False)] * 7)
    assert (undecided.tasks, undecided.better) == (7, None)
    assert follow([]) == Course(0, 0, 0, decided=False)


def courses(first: float, second: float, runs: int) -> tuple[float, float]:
    """The share of courses of at most 400 tasks that are decided, and their mean length."""
    rng = random.Random(8)

    def pairs() -> Iterator[tuple[bool, bool]]:
        for _ in range(400):
            drawn = rng.random()
            yield drawn < first, first <= drawn < first + second

    found = [follow(pairs()) for _ in range(runs)]
    return fmean(one.decided for one in found), fmean(one.tasks for one in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second", "decided", "tasks"), [(0.15, 0.05, 0.95, 168), (0.25, 0.05, 1.0, 61)], ids=["15:5", "25:5"]
)
def test_a_difference_is_seen_after_as_many_tasks_as_published(
    first: float, second: float, decided: float, tasks: float
) -> None:
    """Published for at most 400 tasks; the weight of the bet is not told, with ours it comes out."""
    share, mean = courses(first, second, 1000)
    assert share == pytest.approx(decided, abs=0.025)
    assert mean == pytest.approx(tasks, abs=3.5 * 110 / 1000**0.5)


@pytest.mark.slow
def test_equals_are_decided_in_one_of_20_courses_at_most() -> None:
    """Published: 2 %, with a look after every task. A p-value looked at every ten tasks: 17.5 %."""
    assert courses(0.10, 0.10, 1500)[0] == pytest.approx(0.025, abs=0.015)
