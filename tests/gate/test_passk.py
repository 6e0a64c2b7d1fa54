"""pass@k and pass^k, held against drawing k tries in every way."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.core.passk import MeanOfK, Tries, mean_pass_at_k, mean_pass_hat_k, pass_at_k, pass_hat_k
from tests.gate.made import tries


@given(one=tries(6), data=st.data())
def test_they_are_the_shares_of_all_draws(one: Tries, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, one.total))
    outcomes = [1] * one.passes + [0] * (one.total - one.passes)
    draws = list(combinations(outcomes, k))
    assert pass_at_k(one, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))
    assert pass_hat_k(one, k) == pytest.approx(sum(all(draw) for draw in draws) / len(draws))


def test_at_one_both_are_the_rate() -> None:
    assert pass_at_k(Tries(3, 5), 1) == pytest.approx(0.6)
    assert pass_hat_k(Tries(3, 5), 1) == 0.6


def test_items_with_fewer_tries_are_left_out_and_counted() -> None:
    items = [Tries(5, 5), Tries(0, 5), Tries(1, 2)]
    assert mean_pass_at_k(items, 3) == MeanOfK(0.5, 2, 1)
    assert mean_pass_hat_k(iter(items), 3) == MeanOfK(0.5, 2, 1)
    assert mean_pass_at_k(items, 6) == MeanOfK(None, 0, 3)
    assert mean_pass_at_k([], 1) == MeanOfK(None, 0, 0)
