"""What stopping rules cost: simulated small and large models with known chances, no model is asked."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from pytest_llmroute.learn.efficiency import Attempted, Efficiency, efficiency
from pytest_llmroute.learn.stopping import CAP, Costs, Prior, Tally, attempts, fit, go_on

SMALL = 8.0
"""Seconds of one attempt of the small model."""
RATIOS = (2, 5, 15, 50)
"""How many times that the large model costs."""
TAUGHT = 20
"""Tasks of each class that a learned rule has seen, `TRIES` attempts each."""
TRIES = 3
FAR = 39
"""A cap that hardly caps."""
GoesOn = Callable[[str, int], bool]
"""Whether the small model tries a task of this class once more after so many failures."""


@dataclass(frozen=True)
class Kind:
    """A class of tasks. Given the class, the large model's success does not depend on the small one's."""

    prior: Prior
    large: float
    """The chance of the large model."""


KINDS = {
    "easy": Kind(Prior(3, 1), 0.95),
    "mixed": Kind(Prior(0.6, 0.6), 0.90),
    "hard": Kind(Prior(0.15, 2), 0.55),
}
"""Equally many tasks of each. Assumed: ratios of the seconds are what can be quoted."""
TRUE = {name: kind.prior for name, kind in KINDS.items()}


@dataclass(frozen=True)
class Drawn:
    """A task, and what any way of solving it would meet."""

    name: str
    kind: str
    failures: float
    """Attempts of the small model before its first success."""
    large: bool


def costs(ratio: float) -> Costs:
    return Costs(SMALL, SMALL * ratio)


def chance(rng: random.Random, kind: str) -> float:
    return rng.betavariate(TRUE[kind].a, TRUE[kind].b)


def drawn(rng: random.Random, each: int) -> list[Drawn]:
    """So many tasks of each class."""
    return [
        Drawn(f"{kind} {number}", kind, failures_before(rng, chance(rng, kind)), rng.random() < KINDS[kind].large)
        for number in range(each)
        for kind in KINDS
    ]


def failures_before(rng: random.Random, chance: float) -> float:
    """How many attempts fail before the first that succeeds."""
    if chance in (0, 1):
        return math.inf if chance == 0 else 0
    return math.floor(math.log(1 - rng.random()) / math.log1p(-chance))


def tried(task: Drawn, goes_on: GoesOn, ratio: float) -> Attempted:
    """The small model's attempts until success or stop, then the large model."""
    outcomes: list[bool] = []
    while True not in outcomes and goes_on(task.kind, len(outcomes)):
        outcomes.append(len(outcomes) == task.failures)
    asked = True not in outcomes
    spent = (SMALL,) * len(outcomes) + (SMALL * ratio,) * asked
    return Attempted(task.name, tuple(outcomes), spent, task.large if asked else None)


def ladder(rungs: int) -> GoesOn:
    return lambda kind, failures: failures < rungs


def rule(priors: dict[str, Prior], ratio: float, cap: int = CAP) -> GoesOn:
    asked = cache(lambda kind, failures: go_on(priors[kind], failures, costs(ratio), cap))  # the same for all tasks
    return lambda kind, failures: asked(kind, failures)


def lesson(rng: random.Random, to_the_end: bool) -> dict[str, Prior]:
    """Priors fitted to `TAUGHT` tasks of each class; `to_the_end`: a success does not end a task's attempts."""
    return dict(fit({kind: [tally(rng, chance(rng, kind), to_the_end) for _ in range(TAUGHT)] for kind in KINDS}))


def tally(rng: random.Random, chance: float, to_the_end: bool, tries: int = TRIES) -> Tally:
    if to_the_end:
        return Tally(sum(rng.random() < chance for _ in range(tries)), tries)
    failures = failures_before(rng, chance)
    return Tally(1, int(failures) + 1) if failures < tries else Tally(0, tries)


def learned(rng: random.Random, tasks: Sequence[Drawn], ratio: float, to_the_end: bool, lessons: int) -> Efficiency:
    """Every lesson is tried on a part of the tasks: one alone would be good or bad luck."""
    taught = [rule(lesson(rng, to_the_end), ratio) for _ in range(lessons)]
    shared = [taught[number // len(KINDS) % lessons] for number in range(len(tasks))]  # each lesson meets all classes
    return efficiency([tried(task, goes_on, ratio) for task, goes_on in zip(tasks, shared, strict=True)])


def policies(
    rng: random.Random, tasks: Sequence[Drawn], ratio: float, lessons: int
) -> Iterator[tuple[str, Efficiency]]:
    for name, goes_on in {
        "always large": ladder(0),
        "one, then large": ladder(1),
        "ladder of 4": ladder(4),
        "rule, true priors": rule(TRUE, ratio),
        f"rule, cap {FAR}": rule(TRUE, ratio, FAR),
    }.items():
        yield name, efficiency([tried(task, goes_on, ratio) for task in tasks])
    yield "learned, all attempts", learned(rng, tasks, ratio, True, lessons)
    yield "learned, to success", learned(rng, tasks, ratio, False, lessons)


def main(each: int) -> None:
    rng = random.Random(1)
    tasks = drawn(rng, each)
    print(
        f"simulated: seconds a task (share solved); {len(tasks)} tasks, a third each {', '.join(KINDS)}; "
        f"small {SMALL:g} s"
    )
    for ratio in RATIOS:
        stops = "/".join(str(attempts(prior, costs(ratio), FAR)) for prior in TRUE.values())
        print(f"large = {ratio} x small; attempts worth making: {stops}")
        for name, found in policies(rng, tasks, ratio, max(1, each // 20)):
            print(f"  {name:<22} {found.cost / found.tasks:7.1f} ({found.solved / found.tasks:.3f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
