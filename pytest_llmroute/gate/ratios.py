"""How much more or less a run takes than another, case by case: the paired geometric mean ratio with its bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Literal

from pytest_llmroute.gate.figures import CaseFigures

Figure = Literal["tokens", "seconds", "usd"]
LEAST = 8
"""With fewer cases there are no bounds worth showing."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """1.1 is ten percent more than before."""

    value: float
    cases: int
    lower: float | None = None
    upper: float | None = None


def ratio(
    then: Mapping[str, CaseFigures], now: Mapping[str, CaseFigures], cases: Sequence[str], figure: Figure, alpha: float
) -> Ratio | None:
    """Over the cases that have the figure on both sides; None where none has."""
    pairs = [(getattr(then[case], figure), getattr(now[case], figure)) for case in cases]
    logs = [math.log(new / old) for old, new in pairs if old and new]
    if not logs:
        return None
    centre, count = fmean(logs), len(logs)
    if count < LEAST:
        return Ratio(math.exp(centre), count)
    # The root widens the normal quantile to about Student's for few cases.
    spread = NormalDist().inv_cdf(1 - alpha) * math.sqrt((count - 1) / (count - 3)) * stdev(logs) / math.sqrt(count)
    return Ratio(math.exp(centre), count, math.exp(centre - spread), math.exp(centre + spread))
