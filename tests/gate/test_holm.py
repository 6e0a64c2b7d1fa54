"""Holm's correction, held against the rule that it shortens."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.gate.holm import holm


def test_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert list(holm({"z": 0.5, "a": 0.01})) == ["z", "a"]
    assert holm({"only": 0.02}) == {"only": 0.02}
    assert holm({}) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_it_is_the_closed_test_by_bonferroni(p_values: list[float]) -> None:
    """A member's value is the worst of all groups that it is in, each judged by its smallest p times its size."""
    named = {str(number): p for number, p in enumerate(p_values)}
    groups = [group for size in range(1, len(named) + 1) for group in combinations(named, size)]
    for name, adjusted in holm(named).items():
        worst = max(min(1.0, len(group) * min(named[one] for one in group)) for group in groups if name in group)
        assert adjusted == pytest.approx(worst)
