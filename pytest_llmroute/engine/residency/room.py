"""How much memory models need, which fit together, and which has to go for another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from math import fsum
from typing import Any, NamedTuple

from pytest_llmroute.codes import Code
from pytest_llmroute.engine.residency.chains import Chain
from pytest_llmroute.engine.survey import EMBEDDED
from pytest_llmroute.errors import UserError


class ModelNeeds(NamedTuple):
    """What it takes to have a model ready."""

    name: str
    ram: int | None
    """Bytes; a model of unknown size is resident alone."""
    load_seconds: float


class Room(NamedTuple):
    """The memory that models may take together."""

    needs: Mapping[str, ModelNeeds]
    budget: int | None
    """Bytes; None: there is room for all of them."""

    def size(self, model: str) -> int:
        ram = self.needs[model].ram
        return (self.budget or 0) if ram is None else ram

    def fits(self, models: Iterable[str]) -> bool:
        return self.budget is None or sum(map(self.size, models)) <= self.budget

    def seconds(self, models: Iterable[str]) -> float:
        """What it takes to load them all."""
        return fsum(self.needs[model].load_seconds for model in models)

    def evicted(self, resident: AbstractSet[str], model: str, worth: Callable[[str], Any]) -> tuple[str, ...]:
        """What has to go for a model: the least worth first, and nothing that could have stayed."""
        staying = sorted(resident - {model}, key=worth)
        gone: list[str] = []
        while staying and not self.fits([*staying, model]):
            gone.append(staying.pop(0))
        for other in gone[::-1]:
            if self.fits([*staying, other, model]):
                staying.append(other)
                gone.remove(other)
        return tuple(gone)


def troubles(chains: Iterable[Chain], room: Room) -> list[UserError]:
    """The models that do not fit even alone, by what is known of their size."""
    chains = tuple(chains)
    large = sorted({model for chain in chains for model in chain.models if not room.fits([model])})
    return [_too_large(model, chains, room) for model in large]


def _too_large(model: str, chains: Iterable[Chain], room: Room) -> UserError:
    size, budget = room.size(model) / 1e9, (room.budget or 0) / 1e9
    wanting = sum(chain.jobs for chain in chains if model in chain.models)
    return UserError(
        f'model "{model}" is expected to need {size:.1f} GB of RAM, models may take {budget:.1f} GB',
        code=Code.MEMORY,
        means=f"{wanting} of {sum(chain.jobs for chain in chains)} tests may need it",
        fix=f"free some memory, or a smaller model; run anyway: --llm-ram-budget={size + 1:.0f}GB",
        instead=EMBEDDED,
    )
