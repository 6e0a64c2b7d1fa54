"""How many attempts earlier runs say are worth it."""

from __future__ import annotations

import pytest

from pytest_llmroute.core.attempts import Ladder
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.learn.ladders import Learned, learned_of, limit

LADDER = Ladder("small", "large")


def tried(task: str, *accepted: bool, repeat: int = 1, temperature: float = 0.1, **fields: object) -> Record:
    """A task that the small model tried, a second each, before the large one took twenty."""
    small = [
        CallRecord("pup", role="small", rung=n, accepted=yes, total_s=1.0, temperature=temperature, **fields)  # type: ignore[arg-type]
        for n, yes in enumerate(accepted, 1)
    ]
    large = [CallRecord("dog", role="large", rung=9, accepted=True, total_s=20.0, **fields)]  # type: ignore[arg-type]
    return Record("r", f"{task}-{accepted}", "c", "branching", task=task, repeat=repeat,
                  calls=(*small, *([] if any(accepted) else large)))  # fmt: skip


def attempts(records: list[Record], task: str | None = "fix", ladder: Ladder = LADDER) -> int:
    return limit(ladder, task, "pup", "dog", learned_of(records, {})).attempts


def test_without_a_measurement_of_both_models_the_ladder_is_climbed_whole() -> None:
    for learned in (Learned(), learned_of([], {"pup": 1.0}), learned_of([tried("fix", True)] * 30, {})):
        found = limit(LADDER, "fix", "pup", "dog", learned)
        assert found.attempts == 4
        assert "nobody has measured" in found.why
        assert "dog" in found.why
    assert limit(Ladder("s", "l", (0.1, 0.5), stop="fixed"), "fix", "pup", "dog", Learned()).why == "2 attempts, fixed"


def test_a_group_that_is_never_solved_is_given_up_and_one_that_may_be_is_tried_again() -> None:
    hopeless = [tried("fix", False, False, False)] * 40
    middling = [tried("analyze", False, True), tried("analyze", True), tried("analyze", False, False, True)] * 15
    assert attempts([*hopeless, *middling], "fix") == 0
    assert attempts([*hopeless, *middling], "analyze") == 10
    found = limit(LADDER, "fix", "pup", "dog", learned_of([*hopeless, *middling], {}))
    assert found.why.startswith("0 attempts: large costs 20.0 × small, first chance ")
    assert found.why.endswith(" by 40 tasks of fix")


def test_a_group_without_enough_tasks_is_tried_once_at_least() -> None:
    assert attempts([tried("fix", False, False, False)] * 40, "fix") == 0
    assert attempts([tried("fix", False, False, False)] * 19, "fix") == 1
    assert attempts([tried("fix", False, False, False)] * 40, "document") == 1
    assert attempts([tried("fix", False, False, False)] * 40, None) == 1


@pytest.mark.parametrize("mark", ["scripted", "replayed", "reused"])
def test_what_no_model_said_now_teaches_nothing(mark: str) -> None:
    assert learned_of([tried("fix", False, False, **{mark: True})], {}) == Learned()


def test_repeats_at_temperature_0_are_one_attempt() -> None:
    records = [tried("fix", False, repeat=n, temperature=0.0) for n in range(1, 6)]
    assert learned_of(records, {}).groups["pup"]["fix"].tasks == 1
    warm = [tried("fix", False, repeat=n) for n in range(1, 6)]
    assert learned_of(warm, {}).groups["pup"]["fix"].tasks == 5


def test_it_is_the_same_after_it_went_through_json() -> None:
    learned = learned_of([tried("fix", False, True), tried("analyze", False, False, False)], {"cat": 2.0})
    assert Learned.from_dict(learned.to_dict()) == learned
    assert learned.seconds == {"pup": 1.0, "dog": 20.0, "cat": 2.0}
