"""The order in which a few models are loaded and serve: the best one where it can be found, else a good one."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations, count
from math import inf

from pytest_llmroute.engine.residency.bound import forced
from pytest_llmroute.engine.residency.chains import Models, taken, waiting
from pytest_llmroute.engine.residency.room import Room

WORK = 200_000
"""States times chains, about two seconds; where more would have to be looked at, a good order has to do."""
MODELS = 10
"""More of them can be in memory together in too many ways."""


@dataclass(frozen=True, slots=True)
class Step:
    """One model serves all that wait for it."""

    model: str
    fresh: bool
    """Whether the order has it loaded for this step, so that it need not be kept until then."""


State = tuple[frozenset[Models], frozenset[str]]
"""What is left of the chains, and what is resident of what may still be used."""
Cost = tuple[float, int]
"""Seconds of loading, loads."""
Steps = tuple[Step, ...]


def best(
    chains: Iterable[Models], room: Room, resident: frozenset[str], pin: frozenset[str], work: int = WORK
) -> Steps | None:
    """The fewest seconds of loading, by A* from state to state; None where that is too much."""
    whole = frozenset(chains)
    first, steps = _served(whole, resident, pin)
    seconds = {
        model: room.needs[model].load_seconds for model in sorted({model for rest in first[0] for model in rest})
    }
    if len(pin.union(seconds)) > MODELS:
        return None

    keepings = cache(lambda there, model: tuple(_keepings(room, there, model, pin)))

    @cache
    def ahead(rest: Models, model: str, there: bool) -> int:
        return forced(rest, model, there, room)

    def least(state: State) -> Cost:
        left, there = state
        loads = {model: max((ahead(rest, model, model in there) for rest in left), default=0) for model in seconds}
        return sum(seconds[model] * number for model, number in loads.items()), sum(loads.values())

    came: dict[State, tuple[State | None, Steps]] = {first: (None, steps)}
    paid: dict[State, Cost] = {first: (0.0, 0)}
    number = count()
    heap = [(least(first), next(number), first)]
    done: set[State] = set()
    while len(paid) * len(whole) <= work:
        _, _, state = heapq.heappop(heap)
        left, there = state
        if not left:
            return _way(came, state)
        if state in done:
            continue
        done.add(state)
        for model in sorted(_heads(left)):
            cost = (paid[state][0] + seconds[model], paid[state][1] + 1)
            for kept in keepings(there, model):
                after, steps = _served(left, kept | {model}, pin, model)
                if after not in paid or cost < paid[after]:
                    paid[after], came[after] = cost, (state, steps)
                    more = least(after)
                    heapq.heappush(heap, ((cost[0] + more[0], cost[1] + more[1]), next(number), after))
    return None


def _served(
    left: frozenset[Models], resident: frozenset[str], pin: frozenset[str], loaded: str = ""
) -> tuple[State, Steps]:
    """As far as the resident models get; the one just loaded goes first, nothing else had anything to do."""
    steps: list[Step] = []
    while ready := resident & _heads(left):
        model = min(ready)
        steps.append(Step(model, fresh=model == loaded and not steps))
        left = frozenset(rest[1:] if rest[0] == model else rest for rest in left) - {()}
    return (left, resident & pin.union(*left)), tuple(steps)


def _heads(left: frozenset[Models]) -> frozenset[str]:
    return frozenset(rest[0] for rest in left)


def _keepings(room: Room, resident: frozenset[str], model: str, pin: frozenset[str]) -> Iterator[frozenset[str]]:
    """What can stay beside a model, each time as much as possible; pinned ones stay where that is possible."""
    pinned = resident & pin
    always = pinned if room.fits(pinned | {model}) else frozenset()
    free, found = sorted(resident - always), list[frozenset[str]]()
    for size in range(len(free), -1, -1):
        for some in combinations(free, size):
            kept = always.union(some)
            if not any(kept < more for more in found) and room.fits(kept | {model}):
                found.append(kept)
                yield kept
                if size == len(free):
                    return


def _way(came: Mapping[State, tuple[State | None, Steps]], state: State | None) -> Steps:
    steps: Steps = ()
    while state is not None:
        state, last = came[state]
        steps = last + steps
    return steps


def good(jobs: Mapping[Models, int], room: Room, resident: frozenset[str], pin: frozenset[str]) -> Steps:
    """The model with most waiting jobs for a second of loading goes first; what is needed latest makes way."""
    steps: list[Step] = []
    left = Counter(jobs)
    while left:
        ready = waiting(left)

        def gain(model: str, ready: Mapping[str, int] = ready) -> tuple[float, str]:
            return ready[model] / max(room.needs[model].load_seconds, 1e-9), model

        def worth(model: str, left: Mapping[Models, int] = left) -> tuple[bool, float, str]:
            return model in pin, -min((rest.index(model) for rest in left if model in rest), default=inf), model

        model = min(resident & ready.keys(), default="") or max(ready, key=gain)
        resident = resident.difference(room.evicted(resident, model, worth)) | {model}
        steps.append(Step(model, fresh=False))
        left = taken(left, model)
    return tuple(steps)
