"""The order of different attempts."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.learn.arms import Arm, expected_cost, order

chances = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
arms = st.lists(st.builds(Arm, st.just("arm"), chances, st.just(0.0) | st.floats(0.01, 100)), max_size=5)


@given(arms)
def test_no_other_order_is_cheaper(given: list[Arm]) -> None:
    least = min(map(expected_cost, permutations(given)))
    assert expected_cost(order(given)) <= least * (1 + 1e-9)


def test_what_a_cold_attempt_costs_and_a_hot_one_solves() -> None:
    """At .4 for 10 s against .3 for 4 s the second goes first: 4 + .7 · 10 s, not 10 + .6 · 4 s."""
    cold, hot = Arm("0.1", 0.4, 10), Arm("0.7", 0.3, 4)
    assert order([cold, hot]) == (hot, cold)
    assert expected_cost([hot, cold]) == pytest.approx(11)
    assert expected_cost([cold, hot]) == pytest.approx(12.4)


def test_equal_ones_stay_as_they_were_and_hopeless_ones_come_last() -> None:
    one, two, free, never = Arm("one", 0.5, 2), Arm("two", 0.25, 1), Arm("free", 0.1, 0), Arm("never", 0, 0)
    assert order([never, one, two, free]) == (free, one, two, never)
    assert order([two, one]) == (two, one)


@pytest.mark.parametrize(("chance", "cost"), [(1.1, 1), (-0.1, 1), (0.5, -1), (0.5, float("inf"))])
def test_no_arm(chance: float, cost: float) -> None:
    with pytest.raises(ValueError, match="hot: a chance from 0 to 1"):
        Arm("hot", chance, cost)
