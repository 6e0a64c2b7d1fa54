"""When the small model stops, and what is learned of it from attempts that end at the first success."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopping import FAR, KINDS, RATIOS, SMALL, TRUE, costs

from pytest_llmroute.learn.stopping import (
    CAP,
    STRONGEST,
    WEAK,
    WEAKEST,
    Costs,
    Prior,
    Tally,
    attempts,
    enough,
    fit,
    go_on,
    pooled,
)
from tests.learn.published import PUBLISHED  # fmt: skip

shapes = st.floats(0.02, 20)
priors = st.builds(Prior, shapes, shapes)
costings = st.builds(Costs, st.floats(0.1, 10), st.floats(0, 500), st.floats(0, 1), st.floats(0, 100))
tallies = st.integers(0, 12).flatmap(lambda tried: st.builds(Tally, st.integers(0, tried), st.just(tried)))


class TestRule:
    @given(priors, costings, st.integers(0, 12), st.integers(0, 12))
    def test_it_goes_on_while_the_chance_times_the_gain_is_more_than_the_attempt(
        self, prior: Prior, costing: Costs, failures: int, cap: int
    ) -> None:
        gain = Fraction(costing.big) + Fraction(costing.value) * (1 - Fraction(costing.big_chance))
        chance = Fraction(prior.a) / (Fraction(prior.a) + Fraction(prior.b) + failures)
        worth, cost = chance * gain, Fraction(costing.small)
        if abs(worth - cost) > cost * Fraction(1, 10**9):  # else it makes no difference
            assert go_on(prior, failures, costing, cap) == (failures < cap and worth > cost)

    @given(priors, costings)
    def test_no_other_number_of_attempts_is_cheaper(self, prior: Prior, costing: Costs) -> None:
        """Looking one attempt ahead is enough: the sum of costs and lost values is least where the rule stops."""

        def spent(number: int) -> float:
            made = sum(prior.unsolved(failures) for failures in range(number))
            return costing.small * made + prior.unsolved(number) * costing.gain

        assert spent(attempts(prior, costing, cap=15)) <= min(map(spent, range(16))) * (1 + 1e-9)

    def test_what_costs_nothing_is_tried_up_to_the_cap_if_it_brings_anything(self) -> None:
        assert attempts(Prior(1, 1), Costs(0, 1)) == CAP
        assert attempts(Prior(1, 1), Costs(0, 0)) == 0
        assert attempts(Prior(1, 1), Costs(1e-300, 1e300)) == CAP
        assert attempts(Prior(1, 1), Costs(1, 100), cap=0) == 0

    def test_a_solved_task_can_be_worth_more_than_it_costs(self) -> None:
        """Worth 40 s where the large model fails every other time: as if that one took 20 s more."""
        assert attempts(Prior(1, 3), Costs(8, 16)) == 0
        assert attempts(Prior(1, 3), Costs(8, 16, big_chance=0.5, value=40)) == attempts(Prior(1, 3), Costs(8, 36)) == 1
        assert attempts(Prior(1, 3), Costs(8, 16, big_chance=1.0, value=40)) == 0

    def test_the_chance_falls_with_every_failure(self) -> None:
        assert [Prior(1, 2).chance(failures) for failures in range(3)] == pytest.approx([1 / 3, 1 / 4, 1 / 5])
        assert [Prior(1, 2).unsolved(number) for number in range(4)] == pytest.approx([1, 2 / 3, 1 / 2, 2 / 5])

    @pytest.mark.parametrize("wrong", [(0, 1), (1, -1), (math.nan, 1), (1, math.inf)])
    def test_no_prior(self, wrong: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="two finite numbers above 0 are needed"):
            Prior(*wrong)

    @pytest.mark.parametrize(
        ("wrong", "what"),
        [
            ({"small": -1, "big": 1}, "small is -1"),
            ({"small": 1, "big": math.inf}, "big is inf"),
            ({"small": 1, "big": 1, "value": math.nan}, "value is nan"),
            ({"small": 1, "big": 1, "big_chance": 1.5}, "big_chance is 1.5"),
        ],
    )
    def test_no_costs(self, wrong: Mapping[str, float], what: str) -> None:
        with pytest.raises(ValueError, match=what):
            Costs(**wrong)


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_published_table_by_arithmetic(ratio: int) -> None:
    """No draw is needed for what priors that are known will cost."""
    row = PUBLISHED[ratio]

    def expected(stops: tuple[int, ...]) -> tuple[float, float]:
        seconds, solved = 0.0, 0.0
        for kind, number in zip(KINDS.values(), stops, strict=True):
            left = kind.prior.unsolved(number)
            seconds += SMALL * sum(map(kind.prior.unsolved, range(number))) + SMALL * ratio * left
            solved += 1 - left * (1 - kind.large)
        return seconds / len(KINDS), solved / len(KINDS)

    stops = tuple(attempts(prior, costs(ratio), FAR) for prior in TRUE.values())
    assert stops == row.stops
    assert expected((0, 0, 0)) == pytest.approx((row.always, 0.80))
    assert expected((1, 1, 1))[0] == pytest.approx(row.one, rel=0.01)
    for made, seconds, solved in (((4, 4, 4), row.ladder, 0.86), (stops, row.rule, row.rule_solves)):
        assert expected(made)[0] == pytest.approx(seconds, rel=0.01)
        assert expected(made)[1] == pytest.approx(solved, abs=0.01)


def to_success(prior: Prior, tasks: int, tries: int) -> Iterator[Tally]:
    """As many of each kind as are expected, when attempts end at the first success."""
    for failures in range(tries):
        yield from [Tally(1, failures + 1)] * round(tasks * prior.unsolved(failures) * prior.chance(failures))
    yield from [Tally(0, tries)] * round(tasks * prior.unsolved(tries))


def all_made(prior: Prior, tasks: int, tries: int) -> Iterator[Tally]:
    """The same when every attempt is made."""
    for solved in range(tries + 1):
        ways = math.comb(tries, solved) * beta(prior.a + solved, prior.b + tries - solved) / beta(prior.a, prior.b)
        yield from [Tally(solved, tries)] * round(tasks * ways)


def beta(a: float, b: float) -> float:
    return math.gamma(a) * math.gamma(b) / math.gamma(a + b)


class TestFit:
    @pytest.mark.parametrize("planted", [Prior(3, 1), Prior(0.6, 0.6), Prior(0.15, 2), Prior(2, 6)], ids=str)
    def test_attempts_that_end_at_success_say_the_same_as_all_attempts(self, planted: Prior) -> None:
        """Without the luck of a draw the planted prior comes back from both, and from a mix of different ends.

        The share of successes among attempts would be off: the hard tasks have more of them.
        """
        many = 20_000
        ends = list(to_success(planted, many, 4))
        mixed = [*to_success(planted, many, 1), *to_success(planted, many, 6), *all_made(planted, many, 3)]
        for found in (ends, list(all_made(planted, many, 4)), mixed):
            prior = fit({"group": found})["group"]
            assert prior.a == pytest.approx(planted.a, rel=0.03)
            assert prior.b == pytest.approx(planted.b, rel=0.03)
        share = sum(one.successes for one in ends) / sum(one.attempts for one in ends)
        assert share < planted.chance() - 0.02

    def test_few_tasks_have_the_prior_of_all_and_no_tasks_a_weak_one(self) -> None:
        assert pooled([]) == pooled([Tally(0, 0)]) == WEAK
        assert fit({"new": []}) == {"new": WEAK}
        known = list(to_success(Prior(3, 1), 100, 3))
        few = [Tally(0, 3)] * 19
        found = fit({"known": known, "few": few, "new": []})
        assert found["few"] == found["new"] == pooled([*known, *few])
        assert found["known"].chance() > found["new"].chance()
        one_more = fit({"known": known, "few": [*few, Tally(0, 3)]})
        assert one_more["few"].chance() < 0.1 < one_more["known"].chance()

    def test_a_task_counts_that_was_tried_to_an_end(self) -> None:
        assert enough([Tally(1, 1)] * 10 + [Tally(0, 3)] * 10)
        assert not enough([Tally(1, 1)] * 10 + [Tally(0, 2)] * 50)

    @pytest.mark.parametrize("tasks", [20, 1000])
    @pytest.mark.parametrize("tries", [1, 3, 10])
    def test_a_group_that_always_or_never_succeeds_has_a_fit(self, tasks: int, tries: int) -> None:
        found = fit({"always": [Tally(tries, tries)] * tasks, "never": [Tally(0, 3)] * tasks})
        assert found["always"].chance() > 0.9
        assert found["never"].chance() < 0.1
        assert attempts(found["always"], Costs(1, 2)) >= 1
        assert attempts(found["never"], Costs(1, 5)) == 0
        assert attempts(found["always"], Costs(1, 10**6)) == CAP

    def test_equal_chances_do_not_make_it_run_for_ever(self) -> None:
        """Every task succeeds at every other attempt: as if failures taught nothing. That much is not believed."""
        prior = fit({"coin": [Tally(5, 10)] * 500})["coin"]
        assert prior.a + prior.b == pytest.approx(STRONGEST)
        assert attempts(prior, Costs(1, 3), cap=10**6) <= STRONGEST

    @settings(max_examples=50)
    @given(st.dictionaries(st.sampled_from("abc"), st.lists(tallies, max_size=60)), st.randoms(use_true_random=False))
    def test_whatever_was_seen_priors_stay_in_bounds_and_the_order_does_not_matter(
        self, groups: dict[str, list[Tally]], rng: Random
    ) -> None:
        found = fit(groups)
        assert found.keys() == groups.keys()
        for prior in found.values():
            assert WEAKEST * 0.999 <= prior.a + prior.b <= STRONGEST * 1.001
        shuffled = {name: rng.sample(seen, len(seen)) for name, seen in groups.items()}
        assert fit(shuffled) == found

    def test_no_tally(self) -> None:
        for wrong in ((2, 1), (-1, 1)):
            with pytest.raises(ValueError, match=f"{wrong[0]} successes in 1 attempts"):
                Tally(*wrong)
