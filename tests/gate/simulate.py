"""Suites whose true drop is known, run again and again: how often the gate cries wolf, and how often it sees a drop.

The suites are those of the tables in the design of the gate: each item has a chance of its own to pass, drawn from a
beta distribution that adds up to two, and a drop moves all of them by the same step on the logistic scale.
`python -m tests.gate.simulate [RUNS]` prints the table.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_llmroute.core.passk import Tries
from pytest_llmroute.gate.bounds import bounds
from pytest_llmroute.gate.exact import Scope, placed
from pytest_llmroute.gate.pairs import Pair, mean_drop

ALPHA, MIN_DROP = 0.05, 0.02


@dataclass(frozen=True, slots=True)
class Setting:
    """A suite, and how it is run."""

    items: int
    repeats: int
    base: float
    drop: float = 0.0
    baseline_repeats: int = 0
    """Of the baseline where they are others."""


def chances(setting: Setting, rng: random.Random) -> list[float]:
    drawn = (rng.betavariate(2 * setting.base, 2 - 2 * setting.base) for _ in range(setting.items))
    return [min(max(one, 1e-9), 1 - 1e-9) for one in drawn]


def lowered(before: Sequence[float], drop: float) -> list[float]:
    """The same items, on average worse by `drop`."""
    if not drop:
        return list(before)
    logits = [math.log(one / (1 - one)) for one in before]
    wanted, low, high = sum(before) - drop * len(before), -20.0, 0.0
    for _ in range(30):
        step = (low + high) / 2
        total = sum(1 / (1 + math.exp(-one - step)) for one in logits)
        low, high = (step, high) if total < wanted else (low, step)
    return [1 / (1 + math.exp(-one - high)) for one in logits]


def tried(chance: float, repeats: int, rng: random.Random) -> Tries:
    return Tries(sum(rng.random() < chance for _ in range(repeats)), repeats)


def pairs_of(setting: Setting, rng: random.Random) -> tuple[Pair, ...]:
    """One baseline and one candidate."""
    before = chances(setting, rng)
    after = lowered(before, setting.drop)
    then = setting.baseline_repeats or setting.repeats
    return tuple(
        Pair(f"t{number}", tried(old, then, rng), tried(new, setting.repeats, rng))
        for number, (old, new) in enumerate(zip(before, after, strict=True))
    )


def fails(pairs: Sequence[Pair], scope: Scope = "suite") -> bool:
    return mean_drop(pairs) >= MIN_DROP and placed(pairs, scope).drop() <= ALPHA


def passes(pairs: Sequence[Pair]) -> bool:
    return not fails(pairs) and bounds(pairs, ALPHA).upper < 0.05


def share(setting: Setting, runs: int, seed: int, found: Callable[[tuple[Pair, ...]], bool] = fails) -> float:
    """Of `runs` builds, how many are `found`."""
    rng = random.Random(seed)
    return sum(found(pairs_of(setting, rng)) for _ in range(runs)) / runs


def error(rate: float, *runs: int) -> float:
    """The standard error of the difference between rates that were measured in so many runs."""
    return math.sqrt(max(rate * (1 - rate), 0.01) * sum(1 / each for each in runs))


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for items in (20, 50, 100):
        for repeats in (1, 3, 5):
            for base in (0.60, 0.85, 0.95):
                rates = [share(Setting(items, repeats, base, drop), runs, 1) for drop in (0, 0.02, 0.05, 0.1, 0.2)]
                print(f"{items} x{repeats} base {base}:", *(f"{rate:.3f}" for rate in rates), flush=True)
