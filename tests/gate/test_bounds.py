"""The bounds of the drop."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from pytest_llmroute.gate.bounds import Bounds, bounds
from pytest_llmroute.gate.pairs import Pair
from tests.gate.made import pair, pairs, swapped


def test_by_hand() -> None:
    both = [pair((1, 1), (0, 1)), pair((1, 1), (1, 1)), pair((2, 2), (2, 4)), pair((0, 2), (1, 2))]
    drops = [1.0, 0.0, 0.5, -0.5]
    squares = sum((one - 0.25) ** 2 for one in drops) + 2 * 0.75**2
    reach = 1.6448536269514722 * math.sqrt(squares / 12)
    found = bounds(both, 0.05)
    assert found.drop == 0.25
    assert (found.lower, found.upper) == pytest.approx((0.25 - reach, 0.25 + reach))


@pytest.mark.parametrize(("repeats", "enough"), [(1, 48), (3, 17)])
def test_where_nothing_changed_five_points_are_ruled_out_from(repeats: int, enough: int) -> None:
    for steady in (pair((repeats, repeats), (repeats, repeats)), pair((0, repeats), (0, repeats))):
        assert bounds([steady] * enough, 0.05).upper < 0.05
        assert bounds([steady] * (enough - 1), 0.05).upper >= 0.05


def test_one_item_or_none_bounds_nothing() -> None:
    assert bounds([], 0.05) == Bounds(0.0, -1.0, 1.0)
    assert bounds([pair((3, 3), (0, 3))], 0.05) == Bounds(1.0, -1.0, 1.0)


def test_they_end_at_one() -> None:
    found = bounds([pair((1, 1), (0, 1))] * 2, 0.05)
    assert (found.drop, found.upper) == (1.0, 1.0)


def test_a_drop_of_two_points_is_two_points() -> None:
    """Thirds that are added up one by one give a little less."""
    both = [pair((3, 3), (2, 3))] * 6 + [pair((3, 3), (3, 3))] * 94
    assert bounds(both, 0.05).drop == 0.02


@given(pairs())
def test_the_drop_lies_between_them(both: list[Pair]) -> None:
    found = bounds(both, 0.05)
    assert -1 <= found.lower <= found.drop <= found.upper <= 1


@given(pairs())
def test_swapping_the_sides_mirrors_them(both: list[Pair]) -> None:
    ours, theirs = bounds(both, 0.05), bounds(swapped(both), 0.05)
    assert (ours.drop, ours.lower, ours.upper) == pytest.approx((-theirs.drop, -theirs.upper, -theirs.lower))
