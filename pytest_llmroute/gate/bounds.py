"""How large the drop may be: one bound on each side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

from pytest_llmroute.gate.pairs import Pair, mean_drop


@dataclass(frozen=True, slots=True)
class Bounds:
    """The mean drop over the items; each bound alone is missed with the chance alpha."""

    drop: float
    lower: float
    upper: float


def bounds(pairs: Sequence[Pair], alpha: float) -> Bounds:
    """Normal bounds from the spread between the items, with two pseudo-items that keep it above zero."""
    drop, number = mean_drop(pairs), len(pairs)
    if number < 2:
        return Bounds(drop, -1.0, 1.0)
    step = fmean(1 / min(pair.then.total, pair.now.total) for pair in pairs)
    squares = math.fsum((pair.drop - drop) ** 2 for pair in pairs) + 2 * step * step
    reach = NormalDist().inv_cdf(1 - alpha) * math.sqrt(squares / (number * (number - 1)))
    return Bounds(drop, max(drop - reach, -1.0), min(drop + reach, 1.0))
