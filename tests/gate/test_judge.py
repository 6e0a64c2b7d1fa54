"""From outcomes to one verdict."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given

from pytest_llmroute.core.passk import Tries
from pytest_llmroute.gate import judge
from pytest_llmroute.gate.pairs import Pair
from pytest_llmroute.gate.verdict import Change, Repeats
from tests.gate.made import flipped, mappings, outcomes, pairs


def test_four_lost_of_twenty_fail_and_three_do_not() -> None:
    four, three = judge(*flipped(20, lost=4)), judge(*flipped(20, lost=3))
    assert (four.verdict, four.p_value, four.drop) == ("fail", 0.03125, 0.2)
    assert (three.verdict, three.p_value) == ("inconclusive", 0.0625)
    assert judge(*flipped(20, lost=4), p="exact").verdict == "inconclusive"


def test_a_sure_drop_below_min_drop_does_not_fail() -> None:
    assert judge(*flipped(400, lost=7)).p_value < 0.01
    assert judge(*flipped(400, lost=7)).verdict == "pass"
    assert judge(*flipped(400, lost=8)).verdict == "fail"
    assert judge(*flipped(400, lost=8), min_drop=0.021).verdict == "pass"


def test_a_drop_that_is_min_drop_exactly_fails() -> None:
    """Sums of thirds and fifths do not come out a little too small."""
    for total in (3, 5, 7):
        lost = 2 * total
        then = outcomes(*[(total, total)] * 100)
        now = outcomes(*[(total - 1, total)] * lost, *[(total, total)] * (100 - lost))
        assert (judge(then, now).drop, judge(then, now).verdict) == (0.02, "fail")


def test_fail_wins_over_pass() -> None:
    assert judge(*flipped(400, lost=10)).upper < 0.05
    assert judge(*flipped(400, lost=10)).verdict == "fail"


@pytest.mark.parametrize("passes", [0, 1])
@pytest.mark.parametrize(("repeats", "enough"), [(1, 48), (3, 17)])
def test_nothing_changed_passes_from_so_many_tasks_on(passes: int, repeats: int, enough: int) -> None:
    for items, word in ((enough, "pass"), (enough - 1, "inconclusive")):
        same = outcomes(*[(passes * repeats, repeats)] * items)
        found = judge(same, same)
        assert (found.verdict, found.p_value, found.improvement_p, found.drop) == (word, 0.5, 0.5, 0.0)


def test_nothing_paired_is_inconclusive() -> None:
    for then, now in (({}, {}), ({"a": [1]}, {"b": [1]}), ({"a": []}, {"a": [1]}), ({"a": [1]}, {})):
        found = judge(then, now)
        assert (found.verdict, found.items) == ("inconclusive", 0)
        assert (found.p_value, found.drop, found.lower, found.upper) == (0.5, 0.0, -1.0, 1.0)
        assert found.repeats_needed is found.baseline_repeats_needed is found.tasks_needed is None


def test_what_is_not_shared_is_named_and_does_not_count() -> None:
    then, now = flipped(20, lost=4)
    found = judge({**then, "old": [1], "gone": [1, 1]}, {**now, "new": [0], "gone": []})
    assert found.p_value == 0.03125
    assert found.items == 20
    assert (found.only_baseline, found.only_candidate, found.lost) == (("old",), ("new",), ("gone",))


def test_figures_of_a_comparison() -> None:
    then = {"broke": [1, 1, 1], "fell": [1, 1, 0], "rose": [0, 0], "same": [1, 0], "zzz": [1]}
    now: dict[str, list[int]] = {
        "broke": [0, 0, 0],
        "fell": [0, 1, 0],
        "rose": [1, 0],
        "same": [0, 1, 0, 1],
        "zzz": [True],
    }
    found = judge(then, now)
    assert found.items == 5
    assert found.baseline_rate == pytest.approx((1 + 2 / 3 + 0 + 1 / 2 + 1) / 5)
    assert found.candidate_rate == pytest.approx((0 + 1 / 3 + 1 / 2 + 1 / 2 + 1) / 5)
    assert found.drop == pytest.approx(found.baseline_rate - found.candidate_rate)
    assert (found.worse, found.better, found.newly_failing, found.newly_passing) == (2, 1, 1, 1)
    assert (found.baseline_repeats, found.candidate_repeats) == (Repeats(1, 3, 11), Repeats(1, 4, 13))
    assert [one.item for one in found.changed] == ["broke", "fell", "rose"]
    assert found.changed[0] == Change("broke", Tries(3, 3), Tries(0, 3), 0.05)
    assert [one.worse for one in found.changed] == [True, True, False]


def test_changes_are_ordered_by_how_unusual_they_are_then_by_name() -> None:
    then = {"c": [1], "a": [1], "b": [1, 1, 1]}
    now = {"c": [0], "a": [0], "b": [0, 0, 0]}
    assert [one.item for one in judge(then, now).changed] == ["b", "a", "c"]


def test_an_undecided_verdict_says_what_would_decide() -> None:
    found = judge(*flipped(40, lost=2, gained=2))
    assert found.verdict == "inconclusive"
    assert found.repeats_needed is None
    assert found.baseline_repeats_needed is not None
    assert found.tasks_needed is not None
    assert found.tasks_needed > 40


def test_more_repeats_may_decide_where_the_baseline_is_good() -> None:
    then = outcomes(*[(9, 10)] * 20 + [(10, 10)] * 60)
    now = outcomes(*[(0, 1)] * 3 + [(1, 1)] * 77)
    found = judge(then, now)
    assert found.verdict == "inconclusive"
    assert found.repeats_needed is not None
    assert found.repeats_needed > 1
    assert found.baseline_repeats_needed is None


def test_a_suite_that_is_too_small_to_ever_fail_says_so() -> None:
    three, four = judge(*flipped(3)), judge(*flipped(4))
    assert (three.too_small, three.tasks_to_fail) == (True, 4)
    assert (four.too_small, four.tasks_to_fail) == (False, None)
    never = {"a": [0], "b": [0]}
    assert (judge(never, never).too_small, judge(never, never).tasks_to_fail) == (True, None)


def test_the_two_questions_have_two_answers() -> None:
    """Four tasks that broke altogether are four tasks: sure for this suite, less so for tasks like these."""
    then, now = outcomes(*[(5, 5)] * 10), outcomes(*[(0, 5)] * 2, *[(5, 5)] * 8)
    assert judge(then, now).p_value < 0.0001
    assert judge(then, now, scope="population").p_value == 0.125


def test_improvements_are_told_and_never_fail() -> None:
    found = judge(*flipped(60, gained=8))
    assert found.verdict == "pass"
    assert found.improvement_p < 0.01
    assert found.p_value > 0.99


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ({"x": [1, 2]}, "baseline: item 'x' has the outcome 2; each is 0 or 1"),
        ({"x": [0.5]}, "baseline: item 'x' has the outcome 0.5; each is 0 or 1"),
        ({"x": [None]}, "baseline: item 'x' has the outcome None; each is 0 or 1"),
        ({"x": [math.nan]}, "baseline: item 'x' has the outcome nan; each is 0 or 1"),
        ({"x": "10"}, "baseline: item 'x' has the outcome '1'; each is 0 or 1"),
        ({"x": 1}, "baseline: item 'x' has 1; a list is needed, one 0 or 1 for each repeat"),
    ],
)
def test_outcomes_are_zero_or_one(baseline: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        judge(baseline, {"x": [1]})
    with pytest.raises(ValueError, match=r"^candidate: item 'x'"):
        judge({"x": [1]}, baseline)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alpha": 0}, "alpha is 0; a share between 0 and 1 is needed"),
        ({"alpha": 1.0}, "alpha is 1.0; a share between 0 and 1 is needed"),
        ({"alpha": math.nan}, "alpha is nan; a share between 0 and 1 is needed"),
        ({"margin": -0.1}, "margin is -0.1; a share from 0 to 1 is needed"),
        ({"min_drop": 2}, "min_drop is 2; a share from 0 to 1 is needed"),
        ({"scope": "world"}, 'scope: no "world"; known: suite, population'),
        ({"p": "fast"}, 'p: no "fast"; known: mid, exact'),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        judge({}, {}, **settings)


def test_the_name_is_the_function_whatever_was_imported_before() -> None:
    """It is looked up when it is first used; no module may have its name."""
    script = (
        "import pytest_llmroute.gate.members, pytest_llmroute.gate.adaptive\n"
        "from pytest_llmroute.gate import judge, judge_cells\n"
        "assert pytest_llmroute.gate.judge is judge and judge({}, {}).verdict == 'inconclusive'\n"
        "import sys; print(sorted({n.partition('.')[0] for n in sys.modules} & {'pytest', 'numpy', 'scipy', 'rich'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@given(pairs(max_size=6))
def test_the_same_outcomes_give_the_same_verdict(both: list[Pair]) -> None:
    then, now = mappings(both)
    turned = {item: values[::-1] for item, values in reversed(now.items())}
    assert judge(then, now) == judge(then, turned)
