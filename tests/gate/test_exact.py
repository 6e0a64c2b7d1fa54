"""The exact tests, held against counting everything out."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.core.passk import Tries
from pytest_llmroute.gate.exact import FINEST, Place, Scope, item_tail, placed, sign_flips, within_items
from pytest_llmroute.gate.pairs import Pair
from tests.gate.made import even_pairs, pair, pairs, swapped


def counted_out(both: list[Pair]) -> tuple[Fraction, Fraction]:
    """Less and same by fractions, item after item."""
    chances = {0: Fraction(1)}
    for one in both:
        passes, now, total = one.passes, one.now.total, one.total
        dealt: dict[int, Fraction] = {}
        for before, chance in chances.items():
            for k in range(min(passes, now) + 1):
                ways = math.comb(passes, k) * math.comb(total - passes, now - k)
                dealt[before + k] = dealt.get(before + k, Fraction(0)) + chance * Fraction(ways, math.comb(total, now))
        chances = dealt
    seen = sum(one.now.passes for one in both)
    return sum((chance for k, chance in chances.items() if k < seen), Fraction(0)), chances[seen]


def flipped_out(both: list[Pair]) -> tuple[Fraction, Fraction]:
    gains = [Fraction(one.now.passes, one.now.total) - Fraction(one.then.passes, one.then.total) for one in both]
    sums = [sum(s * g for s, g in zip(signs, gains, strict=True)) for signs in product((1, -1), repeat=len(gains))]
    seen = sum(gains)
    return Fraction(sum(one < seen for one in sums), len(sums)), Fraction(sum(one == seen for one in sums), len(sums))


def assert_close(place: Place, less: Fraction, same: Fraction) -> None:
    assert place.drop("mid") == pytest.approx(float(less + same / 2), rel=1e-14)
    assert place.drop("exact") == pytest.approx(float(less + same), rel=1e-14)
    assert place.rise("mid") == pytest.approx(float(1 - less - same / 2), rel=1e-14)


@given(pairs())
def test_passes_dealt_out_within_items(both: list[Pair]) -> None:
    assert_close(within_items(both), *counted_out(both))


@given(pairs(most=5, max_size=7))
def test_signs_flipped(both: list[Pair]) -> None:
    assert_close(sign_flips(both), *flipped_out(both))


def test_many_items_are_as_exact_as_few() -> None:
    """100 items of five and four tries: the tail of a large drop has all its digits."""
    both = [pair((5 - number % 3, 5), (number % 4, 4)) for number in range(100)]
    place = within_items(both)
    less, same = counted_out(both)
    assert place.drop() < 1e-12
    assert place.drop() == pytest.approx(float(less + same / 2), rel=1e-14)


def test_five_thousand_items_neither_overflow_nor_underflow() -> None:
    """Items of 4 passes in 10 tries: the variance of the candidate's share is 2 / 3."""
    both = [pair((2, 5), (2, 5))] * 4700 + [pair((3, 5), (1, 5))] * 200 + [pair((1, 5), (3, 5))] * 100
    normal = NormalDist(0, math.sqrt(5000 * 2 / 3))
    assert within_items(both).drop() == pytest.approx(normal.cdf(-100), rel=0.01)
    assert within_items(both).drop() + within_items(both).rise() == 1.0
    fewer = sum(math.comb(300, k) for k in range(100)) + math.comb(300, 100) / 2
    assert sign_flips(both).drop() == pytest.approx(fewer / 2**300, rel=1e-14)
    ruined = [pair((5, 5), (0, 5))] * 5000
    assert within_items(ruined).drop() == sign_flips(ruined).drop() == 0.0
    assert within_items(ruined).rise() == sign_flips(ruined).rise() == 1.0


@pytest.mark.parametrize("scope", ["suite", "population"])
def test_nothing_to_compare_and_nothing_changed_say_one_half(scope: Scope) -> None:
    for both in ([], [pair((3, 3), (3, 3))] * 20, [pair((0, 1), (0, 4))] * 7):
        assert placed(both, scope).drop("mid") == 0.5
        assert placed(both, scope).drop("exact") == 1.0


def test_the_smallest_evidence_is_four_lost_and_none_gained() -> None:
    lost, kept = pair((1, 1), (0, 1)), pair((1, 1), (1, 1))
    assert within_items([lost] * 4 + [kept] * 30).drop() == 0.03125
    assert within_items([lost] * 3 + [kept] * 30).drop() == 0.0625
    assert within_items([lost] * 4).drop("exact") == 0.0625
    assert within_items([lost] * 5).drop("exact") == 0.03125


def test_a_chance_of_one_in_twenty_is_the_float_for_it() -> None:
    """What lies at alpha exactly is not pushed over it by rounding."""
    assert within_items([pair((3, 3), (0, 3))]).drop("exact") == 0.05
    assert within_items([pair((3, 3), (0, 3)), pair((1, 1), (1, 1))]).drop("exact") == 0.05


def test_one_item_that_broke_is_evidence_that_only_the_test_within_items_uses() -> None:
    both = [pair((5, 5), (0, 5))] + [pair((5, 5), (5, 5))] * 49
    assert within_items(both).drop() < 0.01
    assert sign_flips(both).drop() == 0.25


def test_very_uneven_repeats_are_flipped_in_steps() -> None:
    """Their least common multiple would make the sum as long as a book."""
    both = [pair((3, 7), (4, 11)), pair((9, 13), (2, 17)), pair((1, 19), (5, 8))]
    assert math.lcm(7, 11, 13, 17, 19, 8) > FINEST
    less, same = flipped_out(both)
    assert sign_flips(both).drop() == float(less + same / 2)


def test_the_tail_of_one_item_goes_the_way_the_item_went() -> None:
    assert item_tail(pair((3, 3), (0, 3))) == 0.05
    assert item_tail(pair((0, 3), (3, 3))) == 0.05
    assert item_tail(pair((1, 1), (0, 1))) == 0.5
    assert item_tail(pair((2, 2), (2, 5))) == pytest.approx(1.0 * math.comb(3, 3) * math.comb(4, 2) / math.comb(7, 5))


@pytest.mark.parametrize("scope", ["suite", "population"])
@settings(max_examples=40)
@given(data=st.data())
def test_the_order_of_items_and_items_that_never_change_play_no_part(scope: Scope, data: st.DataObject) -> None:
    both = data.draw(pairs())
    again = data.draw(st.permutations(both))
    steady = data.draw(st.lists(st.sampled_from([pair((0, 2), (0, 3)), pair((4, 4), (4, 4))]), max_size=4))
    assert placed(both, scope).drop() == placed(again, scope).drop()
    assert placed(both, scope).drop() == placed([*again, *steady], scope).drop()


@pytest.mark.parametrize("scope", ["suite", "population"])
@settings(max_examples=40)
@given(both=pairs())
def test_swapping_the_sides_turns_the_p_value_round(scope: Scope, both: list[Pair]) -> None:
    ours, theirs = placed(both, scope), placed(swapped(both), scope)
    assert ours.drop() == pytest.approx(theirs.rise(), rel=1e-14)
    assert ours.drop() + ours.rise() == pytest.approx(1.0, abs=1e-15)
    assert ours.drop() <= ours.drop("exact")


@pytest.mark.parametrize("scope", ["suite", "population"])
@settings(max_examples=40)
@given(both=even_pairs(), data=st.data())
def test_one_more_failure_of_the_candidate_never_raises_p(scope: Scope, both: list[Pair], data: st.DataObject) -> None:
    passing = [number for number, one in enumerate(both) if one.now.passes]
    if not passing:
        return
    at = data.draw(st.sampled_from(passing))
    one = both[at]
    worse = [*both[:at], Pair(one.item, one.then, Tries(one.now.passes - 1, one.now.total)), *both[at + 1 :]]
    for p in ("mid", "exact"):
        assert placed(worse, scope).drop(p) <= placed(both, scope).drop(p) * (1 + 1e-15)
