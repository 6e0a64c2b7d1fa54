"""The models that jobs may need one after the other, and which models come after which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

Models = tuple[str, ...]
Wanted = Mapping[Models, int]
"""How many jobs may need which models, in this order."""


class Chain(NamedTuple):
    """What a job may need, in this order; it may stop anywhere."""

    models: Models
    jobs: int = 1


def counted(chains: Iterable[Chain]) -> Counter[Models]:
    """How many jobs have each chain; calls of one model in a row are one link."""
    jobs: Counter[Models] = Counter()
    for chain in chains:
        if models := tuple(model for model, _ in groupby(chain.models)):
            jobs[models] += chain.jobs
    return jobs


def longest(chains: Iterable[Models]) -> tuple[Models, ...]:
    """Those that hold all others: an order that serves a chain serves everything that can be read along it."""
    kept: list[Models] = []
    for chain in sorted(set(chains), key=lambda chain: (-len(chain), chain)):
        if not any(_along(chain, other) for other in kept):
            kept.append(chain)
    return tuple(kept)


def _along(short: Models, long: Models) -> bool:
    rest = iter(long)
    return all(model in rest for model in short)


def by_model(wanted: Wanted) -> Counter[str]:
    """How many jobs may need each model, in the order in which models come up."""
    jobs: Counter[str] = Counter()
    for models, number in wanted.items():
        for model in dict.fromkeys(models):
            jobs[model] += number
    return jobs


def waiting(left: Mapping[Models, int]) -> Counter[str]:
    """How many jobs need which model next."""
    jobs: Counter[str] = Counter()
    for rest, number in left.items():
        jobs[rest[0]] += number
    return jobs


def taken(left: Mapping[Models, int], model: str) -> Counter[Models]:
    """What is left when all that wait for a model are served."""
    jobs: Counter[Models] = Counter()
    for rest, number in left.items():
        if after := rest[1:] if rest[0] == model else rest:
            jobs[after] += number
    return jobs


def followers(chains: Iterable[Models]) -> dict[str, frozenset[str]]:
    """For each model those that a job may still need after it; the model itself where a job comes back to it."""
    found: dict[str, frozenset[str]] = {}
    for chain in chains:
        for at, model in enumerate(chain):
            found[model] = found.get(model, frozenset()) | set(chain[at + 1 :])
    return found


def parts(follow: Mapping[str, frozenset[str]]) -> dict[frozenset[str], set[frozenset[str]]]:
    """Models that jobs go back and forth between, each part with those before it; mostly each model is alone.

    No job comes back to a part it has left: solved one by one, in this order, they give the best whole.
    """
    reach = dict(follow)
    for mid in reach:
        for model in reach:
            if mid in reach[model]:
                reach[model] |= reach[mid]
    part = {one: frozenset({one} | {other for other in reach[one] if one in reach[other]}) for one in reach}
    before: dict[frozenset[str], set[frozenset[str]]] = {each: set() for each in part.values()}
    for model in reach:
        for later in reach[model] - part[model]:
            before[part[later]].add(part[model])
    return before
