"""Chains, sizes and a driver without models for tests of residency."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import Attempt, Doing, Work
from pytest_llmroute.engine.residency.chains import Chain, Models
from pytest_llmroute.engine.residency.online import Load, Residency, Serve, Situation
from pytest_llmroute.engine.residency.room import ModelNeeds, Room
from pytest_llmroute.engine.residency.waves import WavePlan

NAMES = "abcde"
SOME = settings(max_examples=60, deadline=None)
Needs = dict[str, ModelNeeds]


def calling(card: ModelCard, do: Callable[[float], Any]) -> Attempt:
    """A call that takes its time: who moves many on makes it beside, a slot that is a thread right there."""

    def doing(queued: float) -> Doing[Any]:
        return (yield Work(partial(do, queued)))

    return Attempt(card, doing)


def needs(**sizes: int | None) -> Needs:
    """Loading takes a second for each byte, and one more."""
    return {name: ModelNeeds(name, size, (size or 0) + 1.0) for name, size in sizes.items()}


def chains(*texts: str) -> list[Chain]:
    """One job each; every letter is a model."""
    return [Chain(tuple(text)) for text in texts]


def crooked() -> Suite:
    """For `d` the one model has to go that is used again sooner, `a`, as it loads sooner, too."""
    sizes = {"a": (3, 3.0), "b": (2, 2.0), "c": (6, 4.0), "d": (3, 2.0)}
    return Suite(chains("acdac"), {name: ModelNeeds(name, *size) for name, size in sizes.items()}, 11)


@dataclass(frozen=True, slots=True)
class Suite:
    """What a plan is made of."""

    chains: list[Chain]
    needs: Needs
    budget: int | None

    @property
    def room(self) -> Room:
        return Room(self.needs, self.budget)


@st.composite
def suites(draw: st.DrawFn, *, acyclic: bool = False, models: int = 5, longest: int = 5, most: int = 6) -> Suite:
    """Every model fits alone; seconds of loading have nothing to do with size."""
    names = NAMES[: draw(st.integers(1, models))]
    link = st.sampled_from(names)
    links = st.lists(link, unique=acyclic, max_size=longest).map(lambda some: sorted(some) if acyclic else some)
    jobs = draw(st.lists(st.builds(Chain, links.map(tuple), st.integers(1, 4)), min_size=1, max_size=most))
    sizes = draw(st.fixed_dictionaries(dict.fromkeys(names, st.none() | st.integers(0, 8))))
    seconds = draw(st.fixed_dictionaries(dict.fromkeys(names, st.integers(0, 6))))
    least = max((size or 0) for size in sizes.values())
    budget = draw(st.none() | st.integers(least, least + 12))
    return Suite(jobs, {name: ModelNeeds(name, sizes[name], seconds[name]) for name in names}, budget)


def served(plan: WavePlan, chain: Models) -> bool:
    """Whether the chain can be read along the waves; then so can each of its beginnings."""
    order = iter([wave.model for wave in plan.waves])
    last = None
    for model in chain:
        if model != last and model not in order:
            return False
        last = model
    return True


@dataclass(slots=True)
class Driver:
    """Does what the machine says, with calls that end in any order, and looks whether that is allowed."""

    residency: Residency
    rng: random.Random
    slots: int = 2
    fair: bool = False
    """Calls end in the order they were sent."""
    resident: frozenset[str] = frozenset()
    waiting: list[Models] = field(default_factory=list)
    """What is left of each job that has a call waiting."""
    busy: list[Models] = field(default_factory=list)
    loading: str | None = None
    loads: list[str] = field(default_factory=list)
    clock: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    """Since when somebody waits in the foreground."""
    waits: list[int] = field(default_factory=list)
    """How long each foreground call waited."""

    def run(self, jobs: Iterable[Models], later: Sequence[Models] = (), foreground: Sequence[str] = ()) -> None:
        """Until nothing is left; `later` jobs and `foreground` calls appear meanwhile."""
        self.waiting += [job for job in jobs if job]
        coming = [job for job in later if job]
        urgent = list(foreground)
        total = sum(map(len, self.waiting)) + sum(map(len, coming)) + len(urgent)
        while self.waiting or self.busy or coming or urgent or self.loading is not None:
            assert self.clock <= 8 * total + 8, "no end"
            calm = not (self.waiting or self.busy or self.loading)
            if coming and (calm or self.rng.random() < 0.3):
                self.waiting.append(coming.pop())
            if urgent and (calm or self.rng.random() < 0.3) and urgent[-1] not in self.asked:
                self.asked[urgent[-1]] = self.clock
                self.waiting.append((urgent.pop(),))
            self.act()
            self.end_something()
            self.clock += 1

    def situation(self) -> Situation:
        return Situation(
            Counter(job[0] for job in self.waiting),
            Counter(job[0] for job in self.busy),
            self.resident,
            self.loading,
            {model: self.clock - since for model, since in self.asked.items()},
        )

    def act(self) -> None:
        """Until there is nothing more to do."""
        while True:
            action, self.residency = self.residency.next(self.situation())
            if isinstance(action, Load):
                self.load(action)
            elif not isinstance(action, Serve) or not self.send(action):
                return

    def load(self, action: Load) -> None:
        assert self.loading is None
        assert action.model not in self.resident
        assert self.resident.issuperset(action.evict)
        assert not {job[0] for job in self.busy}.intersection(action.evict)
        self.resident -= set(action.evict)
        assert self.residency.room.fits(self.resident | {action.model})
        self.loading = action.model
        self.loads.append(action.model)

    def send(self, action: Serve) -> bool:
        """Foreground first; whether anything could be sent."""
        assert action.models
        assert action.models <= self.resident
        some = [job for job in self.waiting if job[0] in action.models]
        if not some or len(self.busy) == self.slots:
            return False
        job = min(some, key=lambda job: self.asked.get(job[0], self.clock + 1))
        self.waiting.remove(job)
        self.busy.append(job)
        if job[0] in self.asked:
            self.waits.append(self.clock - self.asked.pop(job[0]))
        return True

    def end_something(self) -> None:
        if self.loading is not None and (self.fair or not self.busy or self.rng.random() < 0.5):
            self.resident, self.loading = self.resident | {self.loading}, None
        elif self.busy:
            job = self.busy.pop(0 if self.fair else self.rng.randrange(len(self.busy)))
            if job[1:]:
                self.waiting.append(job[1:])
