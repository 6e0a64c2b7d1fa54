"""How many attempts earlier runs say are worth it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pytest_llmroute.config.catalog import builtin_catalog
from pytest_llmroute.core.attempts import Ladder
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.learn.ladders import Learned, Tried, learned_of, limit
from pytest_llmroute.learn.stopping import Tally
from pytest_llmroute.pytest_side.learning import brought

LADDER = Ladder("small", "large")


NUMBERS = itertools.count()


def tried(
    task: str, *accepted: bool, case: str = "", repeat: int = 1, temperature: float = 0.1, **fields: Any
) -> Record:
    """A task that the small model tried, a second each, before the large one took twenty; each is another one."""
    small = [
        CallRecord(
            "pup", role="small", rung=n, accepted=yes, total_s=1.0, temperature=temperature, seed=1000 * n + repeat,
            prompt_hash="p", **fields,
        )
        for n, yes in enumerate(accepted, 1)
    ]  # fmt: skip
    large = [CallRecord("dog", role="large", rung=9, accepted=True, total_s=20.0, **fields)]
    case = case or f"case {next(NUMBERS)}"
    return Record("r", case, case, "branching", task=task, repeat=repeat,
                  calls=(*small, *([] if any(accepted) else large)))  # fmt: skip


def attempts(records: list[Record], task: str | None = "fix", ladder: Ladder = LADDER) -> int:
    return limit(ladder, task, "pup", "dog", learned_of(records, {})).attempts


def test_without_a_measurement_of_both_models_the_ladder_is_climbed_whole() -> None:
    for learned in (Learned(), learned_of([], {"pup": 1.0}), learned_of([tried("fix", True) for _ in range(30)], {})):
        found = limit(LADDER, "fix", "pup", "dog", learned)
        assert found.attempts == 4
        assert "nobody has measured" in found.why
        assert "dog" in found.why
    assert limit(Ladder("s", "l", (0.1, 0.5), stop="fixed"), "fix", "pup", "dog", Learned()).why == "2 attempts, fixed"


def test_what_the_package_has_measured_counts_until_a_group_has_enough_tasks_of_its_own() -> None:
    before = Tried(tallies={"pup": {"fix": [Tally(0, 4)] * 24, "analyze": [Tally(1, 1)] * 24}})
    seconds = {"pup": 1.0, "dog": 20.0}
    found = limit(LADDER, "fix", "pup", "dog", learned_of([], seconds, before))
    assert found.attempts == 0
    assert found.why.endswith(" by 24 tasks of fix, 24 of them measured by the package")
    solved = [tried("fix", False, True) for _ in range(19)]
    found = limit(LADDER, "fix", "pup", "dog", learned_of(solved, seconds, before))
    assert found.why.endswith(" by 43 tasks of fix, 24 of them measured by the package")
    enough = [*solved, tried("fix", False, True)]
    found = limit(LADDER, "fix", "pup", "dog", learned_of(enough, seconds, before))
    assert found.why.endswith(" by 20 tasks of fix")
    assert found.attempts > 1


def test_the_package_knows_its_own_models() -> None:
    models = builtin_catalog().profile("embedded").roles.values()
    assert {"pico", "nano"} == brought().tallies.keys() <= brought().seconds.keys() <= set(models)
    found = limit(LADDER, "fix", "pico", "micro", learned_of([], {}, brought()))
    assert found.attempts == 0
    assert "24 tasks of fix, 24 of them measured by the package" in found.why


def test_a_group_that_is_never_solved_is_given_up_and_one_that_may_be_is_tried_again() -> None:
    hopeless = [tried("fix", False, False, False) for _ in range(40)]
    ways = [(False, True), (True,), (False, False, True)] * 15
    middling = [tried("analyze", *accepted) for accepted in ways]
    assert attempts([*hopeless, *middling], "fix") == 0
    assert attempts([*hopeless, *middling], "analyze") == 10
    found = limit(LADDER, "fix", "pup", "dog", learned_of([*hopeless, *middling], {}))
    assert found.why.startswith("0 attempts: large costs 20.0 × small, first chance ")
    assert found.why.endswith(" by 40 tasks of fix")


def test_a_group_without_enough_tasks_is_tried_once_at_least() -> None:
    assert attempts([tried("fix", False, False, False) for _ in range(40)], "fix") == 0
    assert attempts([tried("fix", False, False, False) for _ in range(19)], "fix") == 1
    assert attempts([tried("fix", False, False, False) for _ in range(40)], "document") == 1
    assert attempts([tried("fix", False, False, False) for _ in range(40)], None) == 1


@pytest.mark.parametrize("mark", ["scripted", "replayed", "reused"])
def test_what_no_model_said_now_teaches_nothing(mark: str) -> None:
    marked: dict[str, Any] = {mark: True}
    assert learned_of([tried("fix", False, False, **marked)], {}) == Learned()


def test_the_same_request_is_one_attempt_however_often_it_was_made() -> None:
    once = [tried("fix", False, False, case="a"), tried("fix", True, case="b")]
    again = [*once, *once, tried("fix", False, case="a")]
    assert learned_of(again, {}).groups == learned_of(once, {}).groups
    assert learned_of(once, {}).groups["pup"]["fix"].tasks == 2
    cold = [tried("fix", False, case="a", repeat=n, temperature=0.0) for n in range(1, 6)]
    assert learned_of(cold, {}) == learned_of(cold[:1], {})
    warm = [tried("fix", False, case="a", repeat=n) for n in range(1, 6)]
    assert learned_of(warm, {}).groups != learned_of(warm[:1], {}).groups


def test_it_is_the_same_after_it_went_through_json() -> None:
    learned = learned_of([tried("fix", False, True), tried("analyze", False, False, False)], {"cat": 2.0})
    assert Learned.from_dict(learned.to_dict()) == learned
    assert learned.seconds == {"pup": 1.0, "dog": 20.0, "cat": 2.0}
