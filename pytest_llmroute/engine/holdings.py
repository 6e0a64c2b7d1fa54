"""Which models share which memory, how much of it there is, and what each of them takes."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.engine.leases import OWN, POSSIBLE, Holds, host_folder
from pytest_llmroute.engine.residency.chains import Chain, Wanted
from pytest_llmroute.engine.residency.room import ModelNeeds, Room, troubles
from pytest_llmroute.engine.survey import RESERVE
from pytest_llmroute.errors import UserError
from pytest_llmroute.store.experience import Measured, measured

if TYPE_CHECKING:
    from pytest_llmroute.engine.memory import Hands, Memory
    from pytest_llmroute.engine.residency.waves import WavePlan

log = logging.getLogger("pytest_llmroute.engine")
HERE = "this machine"
WAIT = 0.05
"""Seconds between looks whether there is room now."""
STARTING, READING = 1.5, 1e9
"""Seconds that any load takes, and bytes that are read in a second: assumed where nobody has measured."""
CONTEXT = 1.2
"""How much more than its file a model takes, where only the file is known."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the memory plan of a run is made from: the same in all its processes, so that all make the same plan."""

    free: int
    """Bytes that could be used when the run began."""
    resident: Mapping[str, int] = field(default_factory=dict)
    """Models that their server had in memory, with the bytes by its word."""
    files: Mapping[str, int] = field(default_factory=dict)
    """Bytes of models on their server's disk."""
    known: Mapping[str, Measured] = field(default_factory=dict)
    """What earlier runs measured."""
    parallel: Mapping[str, int] = field(default_factory=dict)
    """Calls that servers answer at once, by their address."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(told: Mapping[str, Any]) -> Facts:
        known = {name: measured(values) for name, values in told["known"].items()}
        return Facts(told["free"], told["resident"], told["files"], known, told["parallel"])


class _Needs(dict[str, ModelNeeds]):
    """Asked for a model that nobody has named so far, it finds out."""

    def __init__(self, holdings: Holdings) -> None:
        super().__init__()
        self._holdings = holdings

    def __missing__(self, model: str) -> ModelNeeds:
        self[model] = self._holdings.needs_of(model)
        return self[model]


class Holdings:
    """The memories of a session, and its models' places in them."""

    def __init__(
        self, pool: BackendPool, catalog: Catalog, facts: Facts, *, folder: Path, budget: int | None = None,
        pin: frozenset[str] = frozenset(), workers: int = 1,
    ) -> None:  # fmt: skip
        self._pool, self._catalog, self._facts, self._folder = pool, catalog, facts, folder
        self._budget, self._pin = budget, pin
        self._parts = 1 if POSSIBLE else workers
        """Where processes can't come to terms, each has its part."""
        self.needs: Mapping[str, ModelNeeds] = _Needs(self)

    def place(self, card: ModelCard) -> str | None:
        """The memory that a model is loaded into; None where that is no concern of ours."""
        if not self._pool.takes_memory(card):
            return None
        endpoint = self._pool.endpoint(card)
        return HERE if not endpoint or is_loopback(endpoint) else endpoint

    def budget(self, place: str, models: Iterable[str]) -> int | None:
        """Bytes that models may take together; None where nobody knows: another machine's memory."""
        if self._budget is None and place != HERE:
            return None
        free = max(0, self._facts.free - RESERVE) + sum(self._facts.resident.get(model, 0) for model in set(models))
        return (free if self._budget is None else self._budget) // self._parts

    def needs_of(self, model: str) -> ModelNeeds:
        """By measurement, then by the server's, the file's or the card's word."""
        card, known = self._catalog.model(model), self._facts.known.get(model, Measured())
        file = self._facts.files.get(card.served_as)
        size = (
            self._facts.resident.get(model)
            or known.ram
            or self._pool.expected(card)
            or (int(file * CONTEXT) if file else None)
        )
        seconds = known.load_seconds if known.load_seconds is not None else STARTING + (size or 0) / READING
        return ModelNeeds(model, size, seconds)

    def call_seconds(self, model: str) -> float | None:
        """Of a call without loading, as an earlier run measured it."""
        return self._facts.known.get(model, Measured()).call_seconds

    def parallel(self, card: ModelCard) -> int | None:
        """How many calls the card's server answers at once, by its own word."""
        told = self._facts.parallel.get(self._pool.endpoint(card))
        return told if told is not None else self._pool.parallel(card)

    def chains(self, wanted: Wanted) -> dict[str, list[Chain]]:
        """Jobs by the memory that their models share: of each the models that are there."""
        found: dict[str, list[Chain]] = {}
        for models, jobs in wanted.items():
            here: dict[str, list[str]] = {}
            for model in models:
                if (place := self.place(self._catalog.model(model))) is not None:
                    here.setdefault(place, []).append(model)
            for place, own in here.items():
                found.setdefault(place, []).append(Chain(tuple(own), jobs))
        return found

    def rooms(self, wanted: Wanted) -> dict[str, Room]:
        """By memory, with what the models that are wanted may take there."""
        return {
            place: Room(self.needs, self.budget(place, (model for chain in chains for model in chain.models)))
            for place, chains in self.chains(wanted).items()
        }

    def troubles(self, wanted: Wanted) -> list[UserError]:
        """Models that can't be held, and those whose size nobody knows where the user has set a bound."""
        rooms, chains = self.rooms(wanted), self.chains(wanted)
        large = [error for place, room in rooms.items() for error in troubles(chains[place], room)]
        return [*large, *(self._unknown() if self._budget is not None else ())]

    def _unknown(self) -> list[UserError]:
        return [_unknown_size(name) for name, needs in sorted(self.needs.items()) if needs.ram is None]

    def plans(self, wanted: Wanted) -> dict[str, WavePlan]:
        """The waves of each memory; raises UserError where a model does not fit."""
        from pytest_llmroute.engine.residency.waves import plan_waves

        chains = self.chains(wanted)
        return {
            place: plan_waves(chains[place], self.needs, room.budget, self._there(place), self._pin)
            for place, room in self.rooms(wanted).items()
        }

    def _there(self, place: str) -> frozenset[str]:
        """Models that were in memory when the run began."""
        return frozenset(name for name in self._facts.resident if self.place(self._catalog.model(name)) == place)

    def crowded(self, models: Iterable[str]) -> bool:
        """Whether these can't all be in memory at the same time, as far as anybody knows."""
        each: Wanted = {(model,): 1 for model in models}
        rooms, chains = self.rooms(each), self.chains(each)
        return any(
            len(chains[place]) > 1
            and (room.budget is None or not room.fits(model for chain in chains[place] for model in chain.models))
            for place, room in rooms.items()
        )

    def memories(self, wanted: Wanted) -> Memories:
        """What guards the memories while the run goes on."""
        return Memories(self, wanted, self._pin)

    def hands(self, place: str, budget: int | None) -> Hands:
        """What loads and unloads: where the system can lock files, in agreement with all other processes."""
        from pytest_llmroute.engine.memory import Hands
        from pytest_llmroute.engine.residency.online import PATIENCE

        card = self._catalog.model
        alone = Hands(
            load=lambda model: self._pool.load(card(model)),
            unload=lambda model: self._pool.unload(card(model)),
            still=lambda model: self._pool.resident(card(model)),
            learned=self.learned,
        )
        if not POSSIBLE:
            return alone
        holds = Holds(host_folder(self._folder), place)

        def load(model: str) -> int:
            began = time.monotonic()
            while (gone := holds.take(self.held_as(model), self.needs[model].ram or 0, budget)) is None:
                if holds.left:
                    return 0
                time.sleep(WAIT)
                if time.monotonic() - began > PATIENCE:
                    began = math.inf
                    log.warning("[Engine] %s waits: other processes hold the room for models", model)
            for name in gone:
                if (other := self._by_name(name)) is not None:
                    alone.unload(other)
            size = alone.load(model)
            holds.measured(self.held_as(model), size)
            return size

        def unload(model: str) -> None:
            if holds.drop(self.held_as(model)):
                alone.unload(model)

        return replace(alone, load=load, unload=unload, others_wait=holds.wanted, leave=holds.leave)

    def held_as(self, model: str) -> str:
        """The name that all processes of this machine know a loaded model by."""
        card = self._catalog.model(model)
        endpoint = self._pool.endpoint(card)
        return f"{card.served_as} at {endpoint}" if endpoint else f"{model}{OWN}{os.getpid()}"

    def _by_name(self, held_as: str) -> str | None:
        """A model of the server's that we have a card for."""
        return next((name for name in self._catalog.models if self.held_as(name) == held_as), None)

    def learned(self, model: str, size: int) -> None:
        assert isinstance(self.needs, dict)
        self.needs[model] = self.needs[model]._replace(ram=size)


class Memories:
    """Each memory of a session, made when the first of its models is asked for."""

    def __init__(self, holdings: Holdings, wanted: Wanted, pin: frozenset[str]) -> None:
        self._holdings, self._wanted, self._pin = holdings, wanted, pin
        self._made: dict[str, Memory] = {}

    def of(self, card: ModelCard) -> Memory | None:
        place = self._holdings.place(card)
        if place is None:
            return None
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]

    def _make(self, place: str) -> Memory:
        from pytest_llmroute.engine.memory import Memory
        from pytest_llmroute.engine.residency.online import Residency

        chains = self._holdings.chains(self._wanted).get(place, [])
        budget = self._holdings.budget(place, (model for chain in chains for model in chain.models))
        hands = self._holdings.hands(place, budget)
        return Memory(Residency.planned(chains, self._holdings.needs, budget, pin=self._pin), hands)

    def leave(self) -> None:
        """Nothing is held any longer."""
        for memory in self._made.values():
            memory.leave()


def _unknown_size(model: str) -> UserError:
    return UserError(
        f'nobody knows how much memory the model "{model}" takes',
        code=Code.MEMORY,
        means="--llm-ram-budget can't be kept with it",
        fix=f'expected = {{ ram_gb = … }} on the card of "{model}", or one run of it alone, which measures it',
        instead="leave --llm-ram-budget out: then it is in memory alone",
    )
