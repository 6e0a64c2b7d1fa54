"""The order in which models are loaded and serve: planned before the first call, to be printed beside the bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from math import inf

from pytest_llmroute.engine.residency.bound import lower_bound
from pytest_llmroute.engine.residency.chains import Chain, Models, counted, followers, longest, parts, taken, waiting
from pytest_llmroute.engine.residency.room import ModelNeeds, Room, troubles
from pytest_llmroute.engine.residency.search import Step, Steps, best, good
from pytest_llmroute.errors import one


@dataclass(frozen=True, slots=True)
class Wave:
    """One model serves all jobs that wait for it."""

    model: str
    resident: frozenset[str]
    """In memory meanwhile, the model included."""
    load: tuple[str, ...]
    evict: tuple[str, ...]
    """To be unloaded before anything is loaded."""
    jobs: int
    """At most: those that did not stop earlier."""


@dataclass(frozen=True, slots=True)
class WavePlan:
    """Waves that serve every job as far as it goes."""

    waves: tuple[Wave, ...]
    loads: int
    load_seconds: float
    bound: int
    bound_seconds: float
    exact: bool
    """Whether it is certain that no order needs fewer seconds of loading."""
    why: str


def plan_waves(
    chains: Iterable[Chain], needs: Mapping[str, ModelNeeds], budget: int | None,
    resident: frozenset[str] = frozenset(), pin: frozenset[str] = frozenset(),
) -> WavePlan:  # fmt: skip
    """`needs` knows resident models too; pinned ones stay where that is possible. Raises what `troubles` finds."""
    chains, room = tuple(chains), Room(needs, budget)
    if found := troubles(chains, room):
        raise one(found)
    jobs = counted(chains)
    solved = tuple(_solved(jobs, room, resident, pin))
    waves = tuple(_waves([step for each in solved for step in each.steps], jobs, room, resident, pin))
    loads = [model for wave in waves for model in wave.load]
    seconds, bound = room.seconds(loads), lower_bound(chains, needs, budget, resident)
    exact = seconds <= bound.seconds or (all(each.exact for each in solved) and not (resident or pin))
    return WavePlan(waves, len(loads), seconds, bound.loads, bound.seconds, exact, _why(solved, exact))


@dataclass(frozen=True, slots=True)
class _Solved:
    """Models that jobs go back and forth between, mostly a single one, and the order among them."""

    models: frozenset[str]
    steps: Steps
    exact: bool


def _solved(jobs: Mapping[Models, int], room: Room, resident: frozenset[str], pin: frozenset[str]) -> Iterator[_Solved]:
    """Part by part, each after those before it; of those that are ready what is resident, then what displaces least."""
    before = parts(followers(jobs))
    later = frozenset[str]().union(*before)
    place = {model: (min(chain.index(model) for chain in jobs if model in chain), model) for model in later}
    sorter = TopologicalSorter(before)
    sorter.prepare()
    ready: list[frozenset[str]] = []

    def worth(model: str) -> tuple[bool, bool, float, str]:
        return model in pin, model in later, room.needs[model].load_seconds, model

    def displacing(models: frozenset[str]) -> tuple[bool, float, tuple[int, str]]:
        gone = room.evicted(resident, max(sorted(models), key=room.size), worth)
        return models.isdisjoint(resident), room.seconds(gone), min(place[model] for model in models)

    while sorter.is_active():
        ready += sorter.get_ready()
        models = min(ready, key=displacing)
        ready.remove(models)
        sorter.done(models)
        solved = _among(models, jobs, room, resident, pin)
        for step in solved.steps:
            resident = resident.difference(room.evicted(resident, step.model, worth)) | {step.model}
        later -= models
        resident &= later | pin  # what is finished makes room whenever it is wanted
        yield solved


def _among(
    models: frozenset[str], jobs: Mapping[Models, int], room: Room, resident: frozenset[str], pin: frozenset[str]
) -> _Solved:
    inside: Counter[Models] = Counter()
    for chain, number in jobs.items():
        if some := tuple(model for model in chain if model in models):
            inside[some] += number
    there = resident & (models | pin)
    steps = best(longest(inside), room, there, pin)
    return _Solved(models, steps or good(inside, room, there, pin), steps is not None)


def _waves(
    steps: Sequence[Step], jobs: Mapping[Models, int], room: Room, resident: frozenset[str], pin: frozenset[str]
) -> Iterator[Wave]:
    """What is used again latest makes room; then what is loaded again soonest."""
    left = Counter(jobs)
    for number, step in enumerate(steps):

        def worth(model: str, after: int = number + 1) -> tuple[bool, float, float, str]:
            again = next((i for i in range(after, len(steps)) if steps[i].model == model), None)
            use = inf if again is None or steps[again].fresh else again
            return model in pin, -use, room.needs[model].load_seconds, model

        load = () if step.model in resident else (step.model,)
        evict = room.evicted(resident, step.model, worth)
        resident = resident.difference(evict) | {step.model}
        yield Wave(step.model, resident, load, evict, waiting(left)[step.model])
        left = taken(left, step.model)


def _why(solved: Sequence[_Solved], exact: bool) -> str:
    between = [", ".join(sorted(each.models)) for each in solved if len(each.models) > 1]
    if not between:
        return "no job comes back to a model: each is loaded once at most"
    back = f"jobs go back and forth between {' and between '.join(between)}"
    if all(each.exact for each in solved):
        return f"{back}: the fewest seconds of loading, found by search"
    how = "it reaches the bound" if exact else "most waiting jobs for a second of loading go first"
    return f"a heuristic, {back} in too many ways to search: {how}"
