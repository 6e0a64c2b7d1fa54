"""How much more a case takes than before: the paired geometric mean ratio."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.gate.figures import CaseFigures
from pytest_llmroute.gate.ratios import Ratio, ratio

Figures = dict[str, CaseFigures]


def side(*values: float | None) -> Figures:
    return {f"c{place}": CaseFigures(f"c{place}", tokens=value) for place, value in enumerate(values)}


def found(then: Figures, now: Figures, alpha: float = 0.05) -> Ratio | None:
    return ratio(then, now, [case for case in then if case in now], "tokens", alpha)


def test_it_is_the_geometric_mean_over_the_cases_that_both_have() -> None:
    assert found(side(100, 100), side(200, 50)) == Ratio(1.0, 2)
    assert found(side(64, 10, 10), side(128, None, 0)) == Ratio(2.0, 1)
    assert found(side(None, 0), side(5, 5)) is None
    assert found({}, {}) is None


def test_a_case_counts_once_however_much_it_takes() -> None:
    """The sum would be ruled by the one long case."""
    value = found(side(10, 10, 10, 10_000), side(20, 20, 20, 10_000))
    assert value is not None
    assert value.value == pytest.approx(2**0.75)


def test_bounds_come_with_eight_cases() -> None:
    then, now = side(*[100.0] * 8), side(*[100.0 + step for step in range(8)])
    whole = found(then, now)
    assert whole is not None
    assert whole.lower is not None
    assert whole.upper is not None
    assert 1 < whole.lower < whole.value < whole.upper < 1.08
    seven = found(side(*[100.0] * 7), side(*[101.0] * 7))
    assert (seven and seven.lower, seven and seven.upper) == (None, None)


def test_bounds_of_twenty_cases_are_near_students() -> None:
    """By hand: mean of logs ± t(0.95, 19) · sd / √20, with 1.729 for the quantile."""
    luck = random.Random(1)
    logs = [luck.gauss(0.1, 0.3) for _ in range(20)]
    value = found(side(*[100.0] * 20), side(*[100 * math.exp(one) for one in logs]))
    mean = sum(logs) / 20
    spread = 1.729 * math.sqrt(sum((one - mean) ** 2 for one in logs) / 19 / 20)
    assert value is not None
    assert (math.log(value.lower or 0), math.log(value.upper or 0)) == pytest.approx(
        (mean - spread, mean + spread), abs=2e-3
    )


def test_a_smaller_alpha_gives_wider_bounds() -> None:
    then, now = side(*[100.0] * 9), side(*[100.0 + step for step in range(9)])
    near, far = found(then, now, 0.05), found(then, now, 0.01)
    assert near is not None
    assert far is not None
    assert (far.lower or 0) < (near.lower or 0) < (near.upper or 0) < (far.upper or 0)


def test_an_unchanged_run_is_rarely_called_ten_percent_dearer() -> None:
    """`gate.md` 2.8: 50 cases, one repeat, no change: the lower bound is above 1.10 in about 0 of 100 runs."""
    luck = random.Random(7)
    alarms = 0
    for _ in range(300):
        sizes = [math.exp(luck.gauss(5, 0.8)) for _ in range(50)]
        then, now = (side(*[size * math.exp(luck.gauss(0, 0.3)) for size in sizes]) for _ in range(2))
        value = found(then, now)
        alarms += value is not None and (value.lower or 0) > 1.1
    assert alarms <= 3


VALUES = st.lists(st.tuples(st.floats(0.01, 1e9), st.floats(0.01, 1e9)), min_size=1, max_size=20)


@given(VALUES)
def test_there_and_back_are_reciprocal(pairs: list[tuple[float, float]]) -> None:
    then, now = side(*[a for a, _ in pairs]), side(*[b for _, b in pairs])
    there, back = found(then, now), found(now, then)
    assert there is not None
    assert back is not None
    assert there.value * back.value == pytest.approx(1)
    if there.lower is not None and back.upper is not None:
        assert there.lower <= there.value * (1 + 1e-12)
        assert there.lower * back.upper == pytest.approx(1)


@given(VALUES, st.randoms())
def test_the_order_of_cases_plays_no_part(pairs: list[tuple[float, float]], mixed: random.Random) -> None:
    then, now = side(*[a for a, _ in pairs]), side(*[b for _, b in pairs])
    cases = mixed.sample(list(then), len(then))
    assert ratio(then, now, cases, "tokens", 0.05) == found(then, now)
