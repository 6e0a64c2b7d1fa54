"""Models that are simulated with known chances: what the rule costs, and whether planted priors come back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from statistics import fmean, pstdev

import pytest
from stopping import FAR, KINDS, RATIOS, TRUE, chance, drawn, policies, rule, tally, tried

from pytest_llmroute.learn.efficiency import against
from pytest_llmroute.learn.stopping import Prior, Tally, fit
from tests.learn.published import PUBLISHED

pytestmark = pytest.mark.slow


@cache
def simulated(ratio: int) -> Mapping[str, tuple[float, float]]:
    """Seconds a task and share solved, by policy, on the same 12,000 tasks: 1 % of standard error at most."""
    rng = random.Random(1)
    found = policies(rng, drawn(rng, 4000), ratio, lessons=200)
    return {name: (one.cost / one.tasks, one.solved / one.tasks) for name, one in found}


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_published_table_comes_out(ratio: int) -> None:
    """Within 3 %: one learned rule of one simulation is behind the published figures, 200 are behind ours."""
    row, found = PUBLISHED[ratio], simulated(ratio)
    published = {
        "always large": (row.always, 0.80),
        "one, then large": (row.one, None),
        "ladder of 4": (row.ladder, 0.86),
        f"rule, cap {FAR}": (row.rule, row.rule_solves),
        "learned, all attempts": (row.learned, row.learned_solves),
        "learned, to success": (row.learned, row.learned_solves),
    }
    for name, (seconds, solved) in published.items():
        assert found[name][0] == pytest.approx(seconds, rel=0.03), name
        assert solved is None or found[name][1] == pytest.approx(solved, abs=0.015), name


def test_the_ladder_loses_where_the_large_model_is_cheap_and_the_rule_never_does() -> None:
    assert simulated(2)["ladder of 4"][0] > 1.5 * simulated(2)["always large"][0]
    for ratio, saved in {2: 0.42, 5: 0.22, 15: 0.06, 50: 0.07}.items():
        found = {name: seconds for name, (seconds, _) in simulated(ratio).items()}
        for name in ("learned, all attempts", "learned, to success"):
            assert 1 - found[name] / found["ladder of 4"] == pytest.approx(saved, abs=0.03), (ratio, name)
            assert 0.11 < 1 - found[name] / found["one, then large"] < 0.36
            assert 0.08 < 1 - found[name] / found["always large"] < 0.63
            assert found[name] < 1.05 * found["rule, true priors"]


def test_the_cap_costs_little_when_priors_are_right() -> None:
    for ratio in RATIOS:
        assert simulated(ratio)["rule, true priors"][0] < 1.04 * simulated(ratio)[f"rule, cap {FAR}"][0]


def test_the_score_against_always_large_is_that_of_the_same_tasks() -> None:
    """At 15 times the cost about twice as many tasks are solved in a second."""
    tasks = drawn(random.Random(2), 2000)
    plan = [tried(task, rule(TRUE, 15), 15) for task in tasks]
    large = [tried(task, lambda kind, failures: False, 15) for task in tasks]
    found = against(plan, large)
    assert found.score == pytest.approx((0.855 / 58.9) / (0.80 / 120), rel=0.03)
    assert found.only_large == 0  # whatever the small model fails at, the large one is asked
    assert found.plan.first / found.plan.tasks == pytest.approx((0.75 + 0.5 + 0.15 / 2.15) / 3, abs=0.02)


PLANTED = {"easy": Prior(3, 1), "mixed": Prior(0.6, 0.6), "hard": Prior(0.15, 2), "even": Prior(2, 6)}


@pytest.mark.parametrize("to_the_end", [True, False], ids=["all attempts", "to success"])
@pytest.mark.parametrize(("tasks", "error", "later"), [(20, 0.13, 0.22), (100, 0.06, 0.13), (1000, 0.02, 0.04)])
@pytest.mark.parametrize("name", PLANTED)
def test_planted_priors_come_back(name: str, tasks: int, error: float, later: float, to_the_end: bool) -> None:
    """The standard error of the first attempt's chance, and of the one after three failures; 4 attempts at most.

    20 tasks are a rough guess: .13 of the first chance, .22 of what is left after three failures (easy tasks hardly
    ever fail that often). 100: .06 and .13; 1,000: .02 and .04.
    """
    rng, planted = random.Random(9), PLANTED[name]
    first, fourth = [], []
    for _ in range(40):
        seen = [tally(rng, rng.betavariate(planted.a, planted.b), to_the_end, 4) for _ in range(tasks)]
        found = fit({"group": seen})["group"]
        first.append(found.chance() - planted.chance())
        fourth.append(found.chance(3) - planted.chance(3))
    assert pstdev(first) < error
    assert pstdev(fourth) < later
    assert abs(fmean(first)) < 3 * error / 40**0.5
    assert abs(fmean(fourth)) < 3 * later / 40**0.5


def test_what_the_rule_itself_stopped_is_no_worse_to_learn_from() -> None:
    """Ten rounds, each stopped by a rule fitted to those before it: attempts end where the fit said, at 1, 4 or 10."""
    rng, seen = random.Random(4), dict[str, list[Tally]]()
    for kind in KINDS:
        seen[kind] = [tally(rng, chance(rng, kind), False, 3) for _ in range(20)]
    for number in range(10):
        goes_on = rule(dict(fit(seen)), (5, 15, 50)[number % 3])
        for task in drawn(rng, 100):
            made = tried(task, goes_on, 15).tally
            seen[task.kind].append(made)
    for kind, prior in fit(seen).items():
        assert prior.chance() == pytest.approx(TRUE[kind].chance(), abs=0.05), kind
        assert prior.chance(3) == pytest.approx(TRUE[kind].chance(3), abs=0.08), kind
