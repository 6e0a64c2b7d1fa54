"""The few figures that a summary and a requirement need."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054


def wilson(passes: float, total: int, z: float = Z95) -> tuple[float, float] | None:
    """The 95 % Wilson interval of a rate; None without a try."""
    if total == 0:
        return None
    rate = passes / total
    centre = rate + z * z / (2 * total)
    spread = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    low = (centre - spread) / (1 + z * z / total)
    high = (centre + spread) / (1 + z * z / total)
    # At 0 and 1 the ends are exact; rounding must not push the rate out of its own interval.
    return min(max(0.0, low), rate), max(min(1.0, high), rate)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Linear between the neighbours in order (the common definition); None without a value."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
