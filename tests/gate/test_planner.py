"""What would decide, and what can never fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from pytest_llmroute.core.passk import Tries
from pytest_llmroute.gate.exact import PValue, Scope, placed
from pytest_llmroute.gate.pairs import Pair
from pytest_llmroute.gate.planner import Needs, both_sides, least_p, needs, noise_within, tasks_to_fail
from tests.gate.made import pair, pairs


def test_a_hundred_tasks_of_usual_noise_need_four_repeats_for_five_points() -> None:
    assert both_sides(0.085, 100, 0.05, 0.05) == pytest.approx(4.2, abs=0.01)
    assert both_sides(0.0, 100, 0.05, 0.05) == both_sides(0.005, 100, 0.05, 0.05)


def test_at_one_repeat_the_noise_is_half_the_share_of_flips() -> None:
    both = [pair((1, 1), (0, 1))] * 6 + [pair((0, 1), (1, 1))] * 4 + [pair((1, 1), (1, 1))] * 90
    assert noise_within(both) == pytest.approx(0.05)


def noisy(repeats_then: int, repeats_now: int, items: int = 100) -> list[Pair]:
    """17 items in 100 pass about every second time."""
    steady = pair((repeats_then, repeats_then), (repeats_now, repeats_now))
    torn = pair((repeats_then // 2 + 1, repeats_then), (repeats_now // 2, repeats_now))
    return [torn if number % 6 == 0 else steady for number in range(items)]


def test_a_baseline_of_one_repeat_is_to_be_recorded_again() -> None:
    found = needs(noisy(1, 1), 0.05, 0.05)
    assert found.repeats is None
    assert found.baseline_repeats == 5
    assert found.tasks is not None
    assert found.tasks > 400
    again = needs(noisy(5, 5, found.tasks), 0.05, 0.05)
    assert again.repeats is not None


def test_a_good_baseline_names_the_repeats_of_the_candidate() -> None:
    found = needs(noisy(10, 1), 0.05, 0.05)
    assert found.baseline_repeats is None
    assert found.repeats is not None
    assert 1 < found.repeats < 6


def test_never_as_much_as_there_is_already() -> None:
    found = needs(noisy(50, 20), 0.05, 0.05)
    assert found.repeats == 21
    assert found.tasks == 101


def test_without_items_or_margin_nothing_decides() -> None:
    assert needs([], 0.05, 0.05) == Needs()
    assert needs(noisy(5, 5), 0.05, 0.0) == Needs()


@given(pairs(min_size=1))
def test_either_the_candidate_or_both_sides_repeat_more(both: list[Pair]) -> None:
    found = needs(both, 0.05, 0.05)
    assert (found.repeats is None) != (found.baseline_repeats is None)
    assert found.tasks is not None
    assert found.tasks > len(both)
    if found.repeats is not None:
        assert found.repeats > max(one.now.total for one in both)
    if found.baseline_repeats is not None:
        assert found.baseline_repeats > min(one.then.total for one in both)


@pytest.mark.parametrize("scope", ["suite", "population"])
@pytest.mark.parametrize("p", ["mid", "exact"])
@settings(max_examples=40)
@given(both=pairs())
def test_the_least_p_is_that_of_a_candidate_that_fails_everything(scope: Scope, p: PValue, both: list[Pair]) -> None:
    ruined = [Pair(one.item, one.then, Tries(0, one.now.total)) for one in both]
    assert least_p(both, scope, p) == pytest.approx(placed(ruined, scope).drop(p))


@pytest.mark.parametrize(("p", "enough"), [("mid", 4), ("exact", 5)])
def test_at_one_repeat_fewer_passing_tasks_can_never_fail_than(p: PValue, enough: int) -> None:
    steady = pair((1, 1), (1, 1))
    assert least_p([steady] * enough, "suite", p) <= 0.05 < least_p([steady] * (enough - 1), "suite", p)
    assert tasks_to_fail([steady], 0.05, "suite", p) == enough
    assert tasks_to_fail([steady, pair((0, 1), (0, 1))], 0.05, "suite", p) in (2 * enough, 2 * enough - 1)


def test_a_baseline_that_passes_nothing_can_never_fail() -> None:
    assert tasks_to_fail([pair((0, 3), (0, 3))] * 40, 0.05, "suite", "mid") is None
    assert tasks_to_fail([], 0.05, "suite", "mid") is None
