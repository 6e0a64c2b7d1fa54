"""How many loads no order can do without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_llmroute.engine.residency.chains import Chain, Models, counted
from pytest_llmroute.engine.residency.room import ModelNeeds, Room


@dataclass(frozen=True, slots=True)
class Bound:
    """At least so many loads, and at least so many seconds of loading; not always both at once."""

    loads: int
    seconds: float


def lower_bound(
    chains: Iterable[Chain], needs: Mapping[str, ModelNeeds], budget: int | None, resident: frozenset[str] = frozenset()
) -> Bound:
    """Each model as often as the one chain that needs most loads of it, were it alone."""
    room = Room(needs, budget)
    most: Counter[str] = Counter()
    for chain in counted(chains):
        most |= Counter({model: forced(chain, model, model in resident, room) for model in chain})
    return Bound(most.total(), room.seconds(most.elements()))


def forced(chain: Models, model: str, there: bool, room: Room) -> int:
    """Loads of a model along a chain: one more whenever something that does not fit beside it was needed in between."""
    loads = 0
    for each in chain:
        if each == model:
            loads += not there
            there = True
        elif there:
            there = room.fits((model, each))
    return loads
