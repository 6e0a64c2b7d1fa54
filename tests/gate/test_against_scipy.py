"""The same figures from scipy, where it knows the test."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.gate.exact import item_tail, sign_flips, within_items
from pytest_llmroute.gate.pairs import Pair
from tests.gate.made import pair, pairs

stats = pytest.importorskip("scipy.stats")


@given(lost=st.integers(0, 60), gained=st.integers(0, 60), same=st.integers(0, 5))
def test_at_one_repeat_it_is_mcnemar(lost: int, gained: int, same: int) -> None:
    """Both tests are then the sign test on the items that flipped."""
    both = [pair((1, 1), (0, 1))] * lost + [pair((0, 1), (1, 1))] * gained + [pair((1, 1), (1, 1))] * same
    if lost + gained == 0:
        return
    exact = stats.binomtest(lost, lost + gained, alternative="greater").pvalue
    mid = exact - stats.binom.pmf(lost, lost + gained, 0.5) / 2
    for place in (within_items(both), sign_flips(both)):
        assert place.drop("exact") == pytest.approx(exact, rel=1e-11)
        assert place.drop("mid") == pytest.approx(mid, rel=1e-11)


@given(both=pairs(most=30, min_size=1, max_size=1))
def test_one_item_is_hypergeometric(both: list[Pair]) -> None:
    one = both[0]
    law = stats.hypergeom(one.total, one.passes, one.now.total)
    less, same = law.cdf(one.now.passes - 1), law.pmf(one.now.passes)
    assert within_items(both).drop() == pytest.approx(less + same / 2, rel=1e-9)
    tail = 1 - less if one.cross > 0 else less + same
    assert item_tail(one) == pytest.approx(tail, rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(both=pairs(most=6, min_size=1, max_size=40))
def test_a_sum_is_the_convolution_of_its_items(both: list[Pair]) -> None:
    numpy = pytest.importorskip("numpy")
    chances = numpy.ones(1)
    for one in both:
        law = stats.hypergeom(one.total, one.passes, one.now.total)
        chances = numpy.convolve(chances, law.pmf(numpy.arange(one.now.total + 1)))
    seen = sum(one.now.passes for one in both)
    assert within_items(both).drop() == pytest.approx(chances[:seen].sum() + chances[seen] / 2, rel=1e-8)


@settings(deadline=None, max_examples=25)
@given(both=pairs(most=4, min_size=2, max_size=8))
def test_sign_flips_are_the_permutation_test_of_paired_samples(both: list[Pair]) -> None:
    gains = [Fraction(one.now.passes, one.now.total) - Fraction(one.then.passes, one.then.total) for one in both]
    found = stats.permutation_test(
        ([float(12 * gain) for gain in gains],),
        lambda sample: round(sum(sample), 6),
        permutation_type="samples",
        alternative="less",
        n_resamples=10**6,
        vectorized=False,
    )
    assert sign_flips(both).drop("exact") == pytest.approx(found.pvalue, rel=1e-9)
