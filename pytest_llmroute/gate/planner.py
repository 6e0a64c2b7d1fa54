"""What it would take: repeats or tasks that decide, and tasks without which nothing can ever fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

from pytest_llmroute.gate.exact import PValue, Scope
from pytest_llmroute.gate.pairs import Pair

POWER = 0.80
"""How surely the numbers named here decide, where nothing has changed."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What would decide; None where no number does, or none is asked for."""

    repeats: int | None = None
    """Of the candidate, with the baseline as it is."""
    baseline_repeats: int | None = None
    """Of both sides, where no number of the candidate's alone decides."""
    tasks: int | None = None
    """With the repeats as they are."""


def needs(pairs: Sequence[Pair], alpha: float, margin: float) -> Needs:
    """For a verdict between "no drop of `margin`" and a drop; always more than there is now."""
    if not pairs or margin == 0:
        return Needs()
    noise, number = noise_within(pairs), len(pairs)
    then, now = fmean(1 / pair.then.total for pair in pairs), fmean(1 / pair.now.total for pair in pairs)
    wanted = max(noise, 1 / (2 * number)) * _factor(alpha)
    left = number * margin**2 - wanted * then
    more = max(pair.now.total for pair in pairs) + 1
    return Needs(
        repeats=max(math.ceil(wanted / left), more) if left > 0 else None,
        baseline_repeats=None if left > 0 else math.ceil(both_sides(noise, number, alpha, margin)),
        tasks=max(_tasks(noise, then + now, alpha, margin), number + 1),
    )


def noise_within(pairs: Sequence[Pair]) -> float:
    """How much an item's outcomes vary from try to try, on both sides together."""
    return fmean(pair.passes * (pair.total - pair.passes) / (pair.total * (pair.total - 1)) for pair in pairs)


def both_sides(noise: float, number: int, alpha: float, margin: float) -> float:
    """Repeats of baseline and candidate that decide for `number` items."""
    return 2 * max(noise, 1 / (2 * number)) * _factor(alpha) / (number * margin**2)


def least_p(pairs: Sequence[Pair], scope: Scope, p: PValue) -> float:
    """The p-value of a candidate that fails everything."""
    return math.prod(_all_failing(pair, scope) for pair in pairs) * (0.5 if p == "mid" else 1.0)


def tasks_to_fail(pairs: Sequence[Pair], alpha: float, scope: Scope, p: PValue) -> int | None:
    """How many items like these can fail at all; None where the baseline passes nothing."""
    each = math.fsum(math.log(_all_failing(pair, scope)) for pair in pairs) / max(len(pairs), 1)
    return math.ceil(math.log(alpha / (0.5 if p == "mid" else 1.0)) / each) if each else None


def _all_failing(pair: Pair, scope: Scope) -> float:
    """The chance, if nothing had changed, that all passes of the item are the baseline's."""
    if scope == "population":
        return 0.5 if pair.then.passes else 1.0
    return math.comb(pair.total - pair.then.passes, pair.now.total) / math.comb(pair.total, pair.now.total)


def _tasks(noise: float, share: float, alpha: float, margin: float) -> int:
    """`share` is 1 / repeats of both sides added up; the floor under the noise falls with the number of tasks."""
    return math.ceil(max(noise * share * _factor(alpha) / margin**2, math.sqrt(share * _factor(alpha) / 2) / margin))


def _factor(alpha: float) -> float:
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(POWER)) ** 2
