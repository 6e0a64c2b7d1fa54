"""The plan protocol, tried with a cascade of the tests' own: what runs a plan decides when, never what comes of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import Pause, Plan, Work, run_now
from pytest_llmroute.engine.dispatch import Dispatcher, Job
from pytest_llmroute.engine.width import Fixed
from pytest_llmroute.errors import Cause, ModelCallError
from tests.engine.made import calling

SMALL, LARGE = "small", "large"
VOTERS = ("a", "b", "c")
CARDS = {name: ModelCard(name, "x") for name in (SMALL, LARGE, *VOTERS)}


@dataclass
class World:
    """Answers calls and checks as it was told; keeps the order of what each plan did, and of all calls together."""

    told: dict[str, Sequence[str]]
    """By plan: what its attempts come to, in their order: good, bad or fail; the last holds for all further ones."""
    did: dict[str, list[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    busy: Counter[str] = field(default_factory=Counter)
    """Steps of a plan at this moment: never more than one."""

    @contextmanager
    def doing(self, plan: str, what: str) -> Iterator[int]:
        with self.lock:
            self.busy[plan] += 1
            assert self.busy[plan] == 1, "two steps of one plan at a time"
            done = self.did.setdefault(plan, [])
            done.append(what)
        try:
            yield sum(not step.startswith(("check", "count")) for step in done) - 1
        finally:
            with self.lock:
                self.busy[plan] -= 1

    def call(self, plan: str, model: str, queued: float) -> str:
        self.gate.wait(5)
        with self.doing(plan, model) as number:
            with self.lock:
                self.calls.append(model)
            told = self.told[plan]
            outcome = told[min(number, len(told) - 1)]
            if outcome == "fail":
                raise ModelCallError(Cause.SERVER, f"{model} failed")
            return f"{outcome} {model}"

    def check(self, plan: str, text: str | None) -> bool:
        with self.doing(plan, f"check {text}"):
            if text == "bad large":
                raise AssertionError("a check that raises")
            return text is not None and text.startswith("good")

    def count(self, plan: str, texts: Sequence[str | None]) -> str:
        with self.doing(plan, f"count {len(texts)}"):
            good = sum(text is not None and text.startswith("good") for text in texts)
            return f"{good} of {len(texts)}"


def cascade(world: World, plan: str) -> Plan[str]:
    """A small model, then a large one where its check fails, then a vote of three where that fails, too."""
    for model in (SMALL, LARGE):
        text = yield from asked(world, plan, model)
        try:
            held = yield Work(partial(world.check, plan, text), long=True)
        except AssertionError:
            held = False
        if held:
            return str(text)
    texts = []
    for voter in VOTERS:
        texts.append((yield from asked(world, plan, voter)))  # noqa: PERF401 - a plan yields where it stands
    verdict: str = yield Work(partial(world.count, plan, texts))
    if verdict.startswith("0"):
        raise ModelCallError(Cause.SERVER, f"{plan}: nobody was good")
    return verdict


def asked(world: World, plan: str, model: str) -> Plan[str | None]:
    """Once more after a while where it fails."""
    for _ in range(2):
        try:
            text: str = yield calling(CARDS[model], partial(world.call, plan, model))
        except ModelCallError:
            yield Pause(0.001)
        else:
            return text
    return None


def ended(get: Callable[[], object]) -> object:
    try:
        return get()
    except ModelCallError as error:
        return f"raised {error}"


def one_after_another(told: dict[str, Sequence[str]]) -> tuple[World, list[object]]:
    world = World(told)
    world.gate.set()
    return world, [ended(partial(run_now, cascade(world, plan))) for plan in told]


def in_slots(
    told: dict[str, Sequence[str]],
    slots: int,
    lane_of: Callable[[ModelCard], str],
    ahead: int | None = None,
    waits: frozenset[str] = frozenset(),
) -> tuple[World, list[object]]:
    world = World(told)
    run = Dispatcher(lane_of, lambda card: Fixed(slots), ahead=ahead, waits=lambda card: card.name in waits)
    try:
        jobs = [Job(partial(cascade, world, plan), index=index) for index, plan in enumerate(told)]
        for job in jobs:
            run.submit(job, CARDS[SMALL])
        world.gate.set()
        results = []
        for job in jobs:
            run.reached(job.index + 1)
            results.append(ended(job.wait))
        return world, results
    finally:
        run.stop()


def told_of(*outcomes: Sequence[str]) -> dict[str, Sequence[str]]:
    return {f"plan {number}": told for number, told in enumerate(outcomes)}


CASES = told_of(
    ["good"], ["bad", "good"], ["bad", "bad", "good"], ["bad", "bad", "bad"], ["fail"], ["fail", "good"],
    ["fail", "fail", "good"], ["bad", "fail", "bad", "good", "fail", "good"],
)  # fmt: skip
ENDS = [
    "good small", "good large", "3 of 3", "raised plan 3: nobody was good [server]",
    "raised plan 4: nobody was good [server]", "good small", "good large", "3 of 3",
]  # fmt: skip


def test_a_cascade_goes_as_far_as_it_must() -> None:
    world, results = one_after_another(CASES)
    assert results == ENDS
    assert world.did["plan 0"] == [SMALL, "check good small"]
    assert world.did["plan 2"] == [
        SMALL, "check bad small", LARGE, "check bad large", *VOTERS, "count 3",
    ]  # fmt: skip
    assert world.did["plan 5"] == [SMALL, SMALL, "check good small"]


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_in_slots_it_ends_as_it_does_alone(slots: int) -> None:
    alone, results = one_after_another(CASES)
    world, found = in_slots(CASES, slots, lambda card: "one")
    assert (found, world.did) == (results, alone.did)


@given(
    st.lists(st.lists(st.sampled_from(["good", "bad", "fail"]), min_size=1, max_size=9), min_size=1, max_size=8),
    st.integers(1, 6),
    st.sampled_from([None, 1, 4]),
    st.booleans(),
    st.frozensets(st.sampled_from([SMALL, LARGE, *VOTERS])) | st.just(frozenset([SMALL, LARGE, *VOTERS])),
)
@settings(max_examples=60, deadline=None)
def test_slots_lanes_and_bounds_change_neither_results_nor_the_steps_of_a_plan(
    outcomes: list[list[str]], slots: int, ahead: int | None, one_lane: bool, waits: frozenset[str]
) -> None:
    told = told_of(*outcomes)
    alone, results = one_after_another(told)
    world, found = in_slots(told, slots, lambda card: "one" if one_lane else card.name, ahead, waits)
    assert found == results
    assert world.did == alone.did
    assert Counter(world.calls) == Counter(alone.calls)


def test_escalations_form_later_waves() -> None:
    """What all plans ask first is asked before what some of them ask then, and the votes come last, more or less."""
    told = told_of(*[["bad", "bad", "good"]] * 12)
    world, _ = in_slots(told, 3, lambda card: "one")
    wave = {SMALL: 0, LARGE: 1, "a": 2, "b": 3, "c": 4}
    waves = [wave[model] for model in world.calls]
    assert len(waves) == 12 * 5
    assert waves[:9] == [0] * 9  # three slots may tell of theirs in any order
    places = [mean(place for place, found in enumerate(waves) if found == number) for number in range(5)]
    assert places == sorted(places)


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_plan_that_tries_again_is_not_blocked_by_those_that_may_not_begin_yet(ahead: int) -> None:
    """Under `-x` or a budget: whoever waits for it would wait for ever."""
    told = told_of(*[["fail", "good"]] * 6)
    _, results = in_slots(told, 2, lambda card: "one", ahead)
    assert results == ["good small"] * 6
