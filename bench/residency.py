"""Loads of a suite of cascades in waves, against test order: simulated, no model is asked."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import fmean

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import Attempt, Doing, Plan
from pytest_llmroute.engine.dispatch import Dispatcher, Job
from pytest_llmroute.engine.memory import Hands, Memory
from pytest_llmroute.engine.residency.chains import Chain, Models, counted, taken, waiting
from pytest_llmroute.engine.residency.online import Load, Residency, Serve, Situation
from pytest_llmroute.engine.residency.room import ModelNeeds, Room
from pytest_llmroute.engine.residency.waves import plan_waves
from pytest_llmroute.engine.width import Fixed

GB = 10**9
SIZES = {"1b": 1.5, "2b": 2.5, "7b": 5.5, "8b": 6.5, "14b": 10.5}
"""GB. Assumed, as is the speed of loading: 1 GB/s and 1.5 s."""
NEEDS = {name: ModelNeeds(name, round(size * GB), size + 1.5) for name, size in SIZES.items()}
TYPES = tuple(tuple(chain.split()) for chain in ("1b 2b 8b", "2b 7b", "8b", "14b", "1b 2b 14b", "7b 14b"))
CARDS = {name: ModelCard(name, "none") for name in SIZES}
TESTS = 60
STOPS = 0.5
"""How often an answer is good enough, so that the next model is not asked."""
Victim = Callable[[Sequence[str], int, str], object]
"""By the calls, how many of them were made, and a resident model: the least goes."""


def suite(rng: random.Random, judge: bool) -> tuple[list[Chain], list[Models]]:
    """What the tests may need, and what they will turn out to need, in the order of the tests."""
    planned, needed = [], []
    for _ in range(TESTS):
        models = rng.choice(TYPES)
        calls = 1
        while calls < len(models) and rng.random() > STOPS:
            calls += 1
        whole = tuple(each for model in models for each in ((model, "8b") if judge else (model,)))
        planned.append(Chain(whole))
        needed.append(whole[: calls * (1 + judge)])
    return planned, needed


def in_turn(calls: Sequence[str], room: Room, victim: Victim) -> list[str]:
    """Loads when the calls are made one after the other as the tests come; no more makes way than must."""
    resident: frozenset[str] = frozenset()
    loads = []
    for number, model in enumerate(calls):
        if model not in resident:
            loads.append(model)
            gone = room.evicted(resident, model, partial(victim, calls, number))
            resident = resident.difference(gone) | {model}
    return loads


def least_recent(calls: Sequence[str], now: int, model: str) -> int:
    return max(number for number in range(now) if calls[number] == model)


def needed_last(calls: Sequence[str], now: int, model: str) -> int:
    return -next((number for number in range(now, len(calls)) if calls[number] == model), len(calls))


def ollama(rng: random.Random) -> Victim:
    """With one keep_alive for all, the order of the blobs' hashes decides."""
    place = {model: rng.random() for model in SIZES}
    return lambda calls, now, model: place[model]


def driven(machine: Residency, jobs: Sequence[Models]) -> list[str]:
    """Loads when the machine decides, and every call is answered at once."""
    left, resident, loads = counted(Chain(job) for job in jobs), frozenset[str](), list[str]()
    while left:
        action, machine = machine.next(Situation(waiting(left), {}, resident))
        if isinstance(action, Load):
            resident = resident.difference(action.evict) | {action.model}
            loads.append(action.model)
        elif isinstance(action, Serve):
            left = taken(left, min(action.models))
    return loads


def dispatched(planned: Sequence[Chain], jobs: Sequence[Models], budget: int | None) -> list[str]:
    """Loads when the dispatcher runs the jobs in four slots, with hands that load at once."""
    loads: list[str] = []
    there: set[str] = set()

    def load(model: str) -> int:
        loads.append(model)
        there.add(model)
        return 0

    def answered(_: float) -> Doing[None]:
        yield from ()

    def asking(job: Models) -> Plan[None]:
        for model in job:
            yield Attempt(CARDS[model], answered)

    hands = Hands(load, there.discard, there.__contains__, lambda model, size: None)
    memory = Memory(Residency.planned(planned, NEEDS, budget), hands)
    dispatcher = Dispatcher(lambda card: "one", lambda card: Fixed(4), memory_of=lambda card: memory)
    made = [Job(partial(asking, job), index=number) for number, job in enumerate(jobs)]
    with dispatcher.gathering():
        for job, models in zip(made, jobs, strict=True):
            dispatcher.submit(job, CARDS[models[0]])
    for job in made:
        job.wait()
    dispatcher.stop()
    return loads


def policies(rng: random.Random, room: Room, judge: bool) -> Iterator[tuple[str, list[str]]]:
    planned, needed = suite(rng, judge)
    calls = [model for job in needed for model in job]
    yield "test order, keep_alive = 0", calls
    yield "test order, Ollama's victims", in_turn(calls, room, ollama(rng))
    yield "test order, least recently used", in_turn(calls, room, least_recent)
    yield "test order, knowing all calls", in_turn(calls, room, needed_last)
    yield "no plan, most waiting first", driven(Residency(room), needed)
    yield "waves", driven(Residency.planned(planned, NEEDS, room.budget), needed)
    yield "waves, by the dispatcher in 4 slots", dispatched(planned, needed, room.budget)


def main(repeats: int) -> None:
    print(f"{TESTS} tests of {len(TYPES)} cascades over {', '.join(SIZES)}; means of {repeats} suites")
    for budget, judge in ((11, False), (16, False), (24, False), (11, True)):
        room, rng = Room(NEEDS, budget * GB), random.Random(1)
        loads: dict[str, list[list[str]]] = {}
        for _ in range(repeats):
            for name, made in policies(rng, room, judge):
                loads.setdefault(name, []).append(made)
        began = time.perf_counter()
        plan = plan_waves(suite(rng, judge)[0], NEEDS, room.budget)
        took = 1000 * (time.perf_counter() - began)
        waves = fmean(map(len, loads["waves"]))
        print(f"{budget} GB{', the 8b judges each answer' if judge else ''}: planned in {took:.1f} ms; {plan.why}")
        print(
            f"  {plan.loads} loads ({plan.load_seconds:.1f} s) at most, bound {plan.bound} ({plan.bound_seconds:.1f} s)"
        )
        for name, each in loads.items():
            number, seconds = fmean(map(len, each)), fmean(map(room.seconds, each))
            print(f"  {name:<36} {number:6.1f} loads {seconds:7.1f} s   {number / waves:5.1f} x waves")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
