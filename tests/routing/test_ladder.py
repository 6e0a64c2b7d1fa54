"""The climb of a ladder: what is tried, in which order, and when it ends."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.config.catalog import builtin_catalog
from pytest_llmroute.core.attempts import HINTS, LARGE, SMALL, Came, Ladder, Rung, Try
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.requests import Message, Request, Sampling
from pytest_llmroute.routing.ladder import climb, rungs

from .test_router import ask, router

temperatures = st.lists(st.sampled_from([0.0, 0.1, 0.7]), min_size=1, max_size=5).map(tuple)
ladders = st.builds(
    Ladder, st.just("small"), st.just("large"), temperatures,
    formulations=st.lists(st.sampled_from(["plain", "brief"]), min_size=1, max_size=3).map(tuple),
    hints=st.sampled_from(HINTS), context=st.lists(st.sampled_from([1.0, 0.5]), min_size=1, max_size=3).map(tuple),
)  # fmt: skip


def prepared(rung: Rung) -> Try:
    """Its prompt hangs on the formulation, the share and the kind of hint; the large model has chance in it."""
    words = f"{rung.formulation} {rung.share} {rung.hint}"
    messages = (Message("user", words),)
    return Try(rung, Request(messages), messages, greedy=rung.temperature == 0)


def climbed(ladder: Ladder, attempts: int, accepted: list[bool]) -> tuple[list[Try], tuple[Came, ...]]:
    """The tries, each accepted or not as planned; what is planned for nobody is not accepted."""
    climbing, tries, verdicts = climb(rungs(ladder, attempts), prepared), [], iter(accepted)
    try:
        one = next(climbing)
        while True:
            tries.append(one)
            yes = next(verdicts, False)
            one = climbing.send(Came(one.rung.number, one.rung.role, one.rung.role, yes, yes))
    except StopIteration as end:
        return tries, end.value


@given(ladders, st.integers(0, 10), st.lists(st.booleans(), max_size=12))
def test_the_small_model_tries_then_the_large_one_once_until_one_is_accepted(
    ladder: Ladder, attempts: int, accepted: list[bool]
) -> None:
    tries, came = climbed(ladder, attempts, accepted)
    assert (tries, came) == climbed(ladder, attempts, accepted)
    assert 1 <= len(tries) <= attempts + 1
    assert [one.rung.number for one in tries] == [one.rung for one in came]
    assert [one.rung.number for one in tries] == sorted({one.rung.number for one in tries})
    roles = [one.rung.role for one in tries]
    assert roles in ([SMALL] * len(tries), [*[SMALL] * (len(tries) - 1), LARGE])
    assert [one.accepted for one in came[:-1]] == [False] * (len(came) - 1)
    assert came[-1].accepted or roles[-1] == LARGE


@given(ladders, st.integers(0, 10))
def test_what_is_known_is_not_asked_again(ladder: Ladder, attempts: int) -> None:
    tries, _ = climbed(ladder, attempts, [])
    greedy = [one.messages for one in tries if one.greedy]
    assert len(greedy) == len(set(greedy))
    skipped = {rung.number for rung in rungs(ladder, attempts)} - {one.rung.number for one in tries}
    for rung in rungs(ladder, attempts):
        if rung.number in skipped:
            assert prepared(rung).greedy
            assert prepared(rung).messages in greedy


def test_attempts_beyond_the_ladder_keep_its_last_temperature_and_take_formulations_in_turn() -> None:
    ladder = Ladder("s", "l", (0.1, 0.7), ("plain", "brief"), "shape", (1.0, 0.5))
    small = rungs(ladder, 4)[:-1]
    assert [one.temperature for one in small] == [0.1, 0.7, 0.7, 0.7]
    assert [one.formulation for one in small] == ["plain", "brief", "plain", "brief"]
    assert [one.hint for one in small] == ["none", "class", "shape", "shape"]
    assert [one.share for one in small] == [1.0, 0.5, 0.5, 0.5]
    assert rungs(ladder, 0) == (Rung(1, LARGE),)


def test_the_strategy_answers_for_each_step_with_its_model_settings_and_seed() -> None:
    column = Column("strategy", "branching")
    steps = [None, *rungs(builtin_catalog().tables["branching"].ladder or Ladder("", ""), 4)]
    found = [router("ollama").decide(replace(ask(task="fix"), rung=step), column, repeat=2) for step in steps]
    assert [one.model for one in found] == [*["tinyllama:1.1b"] * 5, "codellama:13b"]
    assert [one.settings.temperature for one in found] == [0.1, 0.1, 0.3, 0.5, 0.7, 0.1]
    assert [one.settings.seed for one in found] == [2, 2, 1002, 2002, 3002, 4002]
    assert {(one.settings.max_tokens, one.settings.top_p) for one in found[:-1]} == {(1024, 0.9)}
    assert (found[-1].settings.max_tokens, found[-1].settings.top_p) == (2048, 0.95)
    assert found[0].then == ("codellama:13b",)


def test_what_stands_above_the_strategy_stands_above_its_steps() -> None:
    column, step = Column("strategy", "branching"), Rung(3, SMALL, 0.5)
    forced = router("embedded", LLM_MODEL_OVERRIDE="nano").decide(replace(ask(), rung=step), column)
    assert (forced.model, forced.decided_by) == ("nano", "forced")
    own = replace(ask(sampling=Sampling(temperature=0.0)), rung=step)
    assert router("embedded").decide(own, column).settings.temperature == 0
