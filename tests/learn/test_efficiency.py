"""What attempts and rescues gave and cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.learn.efficiency import Attempted, Efficiency, against, efficiency
from pytest_llmroute.learn.stopping import Tally

PLAN = [
    Attempted("at once", (True,), (2,)),
    Attempted("at last", (False, False, True), (2, 2, 3)),
    Attempted("rescued", (False, False), (2, 2, 20), rescued=True),
    Attempted("straight", (), (20,), rescued=True),
    Attempted("never", (False,), (2, 20), rescued=False),
    Attempted("raced", (True,), (2, 5)),  # the large model ran beside it, and was cancelled
]
LARGE = [Attempted(one.task, (one.task != "at last",), (20,)) for one in PLAN]


@st.composite
def attempted(draw: st.DrawFn) -> Attempted:
    outcomes = draw(st.lists(st.booleans(), max_size=4))
    rescued = draw(st.sampled_from([None, True, False]))
    costs = [draw(st.floats(0.1, 100)) for _ in range(len(outcomes) + (rescued is not None))]
    return Attempted(draw(st.sampled_from("abcd")), tuple(outcomes), tuple(costs), rescued)


def test_the_figures_of_six_tasks() -> None:
    found = efficiency(PLAN)
    assert found == Efficiency(tasks=6, solved=5, rescued=2, at={1: 2, 3: 1}, cost=82)
    assert (found.first, found.cost_per_solved) == (2, 82 / 5)
    assert efficiency(PLAN[4:5]).cost_per_solved is None
    assert [one.tally for one in PLAN[:3]] == [Tally(1, 1), Tally(1, 3), Tally(0, 2)]


def test_against_always_large_on_the_same_tasks() -> None:
    found = against(PLAN, LARGE)
    assert found.large == Efficiency(tasks=6, solved=5, rescued=0, at={1: 5}, cost=120)
    assert found.score == pytest.approx(120 / 82)
    assert (found.only_plan, found.only_large, found.left_out) == (1, 1, 0)


def test_what_the_other_side_has_not_got_is_left_out() -> None:
    """Two runs of one task against one: the first of them counts."""
    twice = [*PLAN, Attempted("at once", (False,), (100, 100), rescued=False), Attempted("new", (True,), (1,))]
    assert against(twice, LARGE[:5]).plan == efficiency(PLAN[:5])
    assert against(twice, LARGE[:5]).left_out == 3
    assert against(PLAN, []).score is None


def test_no_score_without_a_solved_task_or_a_cost() -> None:
    free = [Attempted(one.task, (True,), (0,)) for one in PLAN]
    hopeless = [Attempted(one.task, (False,), (1,)) for one in PLAN]
    assert [against(PLAN, other).score for other in (free, hopeless)] == [None, None]
    assert [against(other, LARGE).score for other in (free, hopeless)] == [None, None]


@given(st.lists(attempted(), max_size=12), st.lists(attempted(), max_size=12))
def test_every_task_ends_in_one_way_and_both_sides_have_the_same(plan: list[Attempted], large: list[Attempted]) -> None:
    found = efficiency(plan)
    assert found.solved == sum(found.at.values()) + found.rescued == sum(one.solved for one in plan)
    both = against(plan, large)
    assert both.plan.tasks == both.large.tasks == (len(plan) + len(large) - both.left_out) / 2
    assert both.plan.solved - both.large.solved == both.only_plan - both.only_large
    same = against(plan, plan)
    assert (same.left_out, same.plan) == (0, same.large)
    assert same.score in (None, 1)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (((True,), (), None), "0 costs for 1 attempts"),
        (((True,), (1, 2, 3), None), "3 costs for 1 attempts"),
        (((False,), (1,), True), "1 costs for 1 attempts and the large model"),
    ],
)
def test_each_attempt_has_a_cost(wrong: tuple[tuple[bool, ...], tuple[float, ...], bool | None], what: str) -> None:
    with pytest.raises(ValueError, match=f"one: {what}"):
        Attempted("one", *wrong)
