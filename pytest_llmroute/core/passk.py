"""The chance that k tries of an item bring one pass, or nothing but passes: without bias, from n tries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True)
class Tries:
    """How often one item was tried with an outcome, and how often it passed."""

    passes: int
    total: int

    @property
    def rate(self) -> float:
        return self.passes / self.total


@dataclass(frozen=True, slots=True)
class MeanOfK:
    """The mean over items; None where no item has enough tries."""

    value: float | None
    counted: int
    left_out: int
    """Items with fewer than k tries."""


def pass_at_k(tries: Tries, k: int) -> float:
    """At least one of k tries passes: 1 - C(n - c, k) / C(n, k)."""
    return 1 - math.comb(tries.total - tries.passes, k) / math.comb(tries.total, k)


def pass_hat_k(tries: Tries, k: int) -> float:
    """All of k tries pass: C(c, k) / C(n, k)."""
    return math.comb(tries.passes, k) / math.comb(tries.total, k)


def mean_pass_at_k(items: Iterable[Tries], k: int) -> MeanOfK:
    items = tuple(items)
    return _mean([pass_at_k(one, k) for one in items if one.total >= k], len(items))


def mean_pass_hat_k(items: Iterable[Tries], k: int) -> MeanOfK:
    items = tuple(items)
    return _mean([pass_hat_k(one, k) for one in items if one.total >= k], len(items))


def _mean(values: list[float], items: int) -> MeanOfK:
    return MeanOfK(fmean(values) if values else None, len(values), items - len(values))
