"""Models are asked only while they are in memory, and loaded as seldom as the plan says, whatever comes when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import Plan
from pytest_llmroute.engine.dispatch import Dispatcher, Job
from pytest_llmroute.engine.memory import Hands, Memory
from pytest_llmroute.engine.residency.chains import Chain
from pytest_llmroute.engine.residency.online import Residency
from pytest_llmroute.engine.residency.room import ModelNeeds
from pytest_llmroute.engine.residency.waves import plan_waves
from pytest_llmroute.engine.width import Fixed
from tests.engine.made import calling

SIZES = {"a": 4, "b": 5, "c": 3, "d": 2}
CARDS = {name: ModelCard(name, "x") for name in SIZES}


class Host:
    """Knows what is in its memory, and whether a model was ever asked that was not there."""

    def __init__(self, room: int, *, broken: str = "") -> None:
        self.room, self.broken = room, broken
        self.there: set[str] = set()
        self.loads: list[str] = []
        self.wrong: list[str] = []
        self.order: list[str] = []
        self.dropped: str = ""
        """Goes from memory with the next load, though nobody asked for that."""
        self.needs = {name: ModelNeeds(name, size, float(size)) for name, size in SIZES.items()}
        self._lock = threading.Lock()

    def load(self, model: str) -> int:
        time.sleep(0.001)
        with self._lock:
            self.loads.append(model)
            if model == self.broken:
                raise RuntimeError("no such model")
            self.there.discard(self.dropped)
            self.there.add(model)
            if sum(SIZES[name] for name in self.there) > self.room:
                self.wrong.append(f"too much: {sorted(self.there)}")
        return SIZES[model]

    def unload(self, model: str) -> None:
        with self._lock:
            self.there.discard(model)

    def ask(self, model: str) -> str:
        with self._lock:
            self.order.append(model)
            if model not in self.there and model != self.broken:
                self.wrong.append(f"{model} was asked and not there")
        time.sleep(0.0005)
        with self._lock:
            if model not in self.there and model != self.broken:
                self.wrong.append(f"{model} went while it answered")
        return model

    def memory(self, chains: list[Chain] | None = None, **more: float) -> Memory:
        def learned(model: str, size: int) -> None:
            self.needs[model] = ModelNeeds(model, size, float(size))

        hands = Hands(self.load, self.unload, lambda model: model in self.there, learned)
        return Memory(Residency.planned(chains or [], self.needs, self.room, **more), hands)  # type: ignore[arg-type]


def asking(host: Host, chain: tuple[str, ...]) -> Plan[list[str]]:
    said: list[str] = []
    for model in chain:
        answer: str = yield calling(CARDS[model], partial(lambda model, queued: host.ask(model), model))
        said += [answer]
    return said


@pytest.fixture(params=["", "abcd"], ids=["threads", "one thread"])
def dispatch(request: pytest.FixtureRequest) -> Callable[..., Dispatcher]:
    def make(memory: Memory, slots: int = 3) -> Dispatcher:
        return dispatcher_of(memory, slots, request.param)

    return make


def dispatcher_of(memory: Memory, slots: int, waiting: str) -> Dispatcher:
    """`waiting`: the models whose calls need no threads."""
    return Dispatcher(
        lambda card: "one",
        lambda card: Fixed(slots),
        memory_of=lambda card: memory,
        waits=lambda card: card.name in waiting,
    )


def run(host: Host, chains: list[tuple[str, ...]], slots: int, waiting: str = "") -> list[list[str]]:
    memory = host.memory([Chain(chain) for chain in chains])
    dispatcher = dispatcher_of(memory, slots, waiting)
    try:
        jobs = [Job(partial(asking, host, chain), index=number) for number, chain in enumerate(chains)]
        with dispatcher.gathering():
            for job, chain in zip(jobs, chains, strict=True):
                dispatcher.submit(job, CARDS[chain[0]])
        return [job.wait() for job in jobs]
    finally:
        dispatcher.stop()


Jobs = st.lists(st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=3).map(tuple), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    chains=Jobs,
    room=st.sampled_from([5, 7, 9, 14]),
    slots=st.integers(1, 4),
    waiting=st.sampled_from(["", "abcd", "ac"]),
)
def test_no_model_is_asked_that_is_not_in_memory_and_every_job_ends(
    chains: list[tuple[str, ...]], room: int, slots: int, waiting: str
) -> None:
    host = Host(room)
    assert run(host, chains, slots, waiting) == [list(chain) for chain in chains]
    assert host.wrong == []


@settings(max_examples=60, deadline=None)
@given(picks=st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=20), room=st.sampled_from([5, 7, 9, 14]))
def test_jobs_of_one_call_load_each_model_once(picks: list[str], room: int) -> None:
    host = Host(room)
    run(host, [(model,) for model in picks], 3)
    assert sorted(host.loads) == sorted(set(picks))


def test_chains_take_as_many_loads_as_planned() -> None:
    chains = [("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")] * 5
    host = Host(5)
    run(host, chains, 4, "abcd")
    planned = plan_waves([Chain(chain) for chain in chains], host.needs, 5)
    assert len(host.loads) == planned.loads == planned.bound == 3


def test_a_model_that_cannot_be_loaded_is_asked_all_the_same_and_keeps_nobody_waiting() -> None:
    host = Host(5, broken="b")
    assert run(host, [("b",), ("a",), ("b",)], 2) == [["b"], ["a"], ["b"]]
    assert host.wrong == []


def test_a_model_that_its_server_has_dropped_is_loaded_again(dispatch: Callable[..., Dispatcher]) -> None:
    host = Host(14)
    dispatcher = dispatch(host.memory())
    for model in ("a", "b", "a"):
        host.dropped = "a" if model == "b" else ""
        assert dispatcher.follow(asking(host, (model,))).wait() == [model]
    dispatcher.stop()
    assert host.loads == ["a", "b", "a"]
    assert host.wrong == []


def test_who_waits_for_a_model_gets_it_before_all_others_are_done(dispatch: Callable[..., Dispatcher]) -> None:
    host = Host(5)
    jobs = [Job(partial(asking, host, ("a",)), index=number) for number in range(400)]
    dispatcher = dispatch(host.memory([Chain(("a",), 400)], patience=0.05), 1)
    for job in jobs:
        dispatcher.submit(job, CARDS["a"])
    jobs[0].wait()
    assert dispatcher.follow(asking(host, ("b",))).wait() == ["b"]
    assert host.order.index("b") < 350
    assert [job.wait() for job in jobs] == [["a"]] * 400
    dispatcher.stop()
    assert host.loads == ["a", "b", "a"]
    assert host.wrong == []


def test_what_was_measured_counts_from_then_on(dispatch: Callable[..., Dispatcher]) -> None:
    host = Host(7)
    host.needs["a"] = ModelNeeds("a", 1, 1.0)  # expected: beside b there would be room for it
    dispatcher = dispatch(host.memory())
    for model in ("a", "b"):
        dispatcher.follow(asking(host, (model,))).wait()
    dispatcher.stop()
    assert (host.there, host.wrong) == ({"b"}, [])


def test_idle_models_make_way_for_other_processes(dispatch: Callable[..., Dispatcher]) -> None:
    host, waiting = Host(9), threading.Event()
    hands = Hands(host.load, host.unload, lambda model: model in host.there, lambda model, size: None, waiting.is_set)
    dispatcher = dispatch(Memory(Residency.planned([], host.needs, 9), hands))
    dispatcher.follow(asking(host, ("a",))).wait()
    time.sleep(0.4)
    assert host.there == {"a"}
    waiting.set()
    until = time.monotonic() + 5
    while host.there and time.monotonic() < until:
        time.sleep(0.01)
    assert host.there == set()
    waiting.clear()
    assert dispatcher.follow(asking(host, ("a",))).wait() == ["a"]
    dispatcher.stop()
    assert host.wrong == []
