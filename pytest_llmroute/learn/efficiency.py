"""What small attempts and a large rescue gave, and what they cost, against always asking the large model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_llmroute.learn.stopping import Tally


@dataclass(frozen=True, slots=True)
class Attempted:
    """One run of one task. Always asking the large model is one attempt, and nothing rescues."""

    task: str
    outcomes: tuple[bool, ...]
    """Of the attempts, in the order in which they were made."""
    costs: tuple[float, ...]
    """One for each attempt, in any one unit; one more for the large model where it was asked, cancelled or not."""
    rescued: bool | None = None
    """Whether the large model solved the task; None where it gave no outcome."""

    def __post_init__(self) -> None:
        asked = len(self.costs) - len(self.outcomes)
        if asked not in (0, 1) or (self.rescued is not None and not asked):
            raise ValueError(
                f"{self.task}: {len(self.costs)} costs for {len(self.outcomes)} attempts"
                f"{'' if self.rescued is None else ' and the large model'}"
            )

    @property
    def at(self) -> int | None:
        """The attempt that solved the task, counted from 1."""
        return self.outcomes.index(True) + 1 if True in self.outcomes else None

    @property
    def solved(self) -> bool:
        return self.at is not None or self.rescued is True

    @property
    def tally(self) -> Tally:
        """What the attempts say of the small model."""
        return Tally(sum(self.outcomes), len(self.outcomes))


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Several tasks together."""

    tasks: int
    solved: int
    rescued: int
    """Of the solved ones, those that no attempt solved."""
    at: Mapping[int, int]
    """How many were solved by the first attempt, the second, …; attempts that solved none are left out."""
    cost: float

    @property
    def first(self) -> int:
        """Tasks solved by the first attempt."""
        return self.at.get(1, 0)

    @property
    def cost_per_solved(self) -> float | None:
        """What was spent on unsolved tasks included; None where none is solved."""
        return self.cost / self.solved if self.solved else None


def efficiency(runs: Sequence[Attempted]) -> Efficiency:
    """The figures of these runs."""
    at = Counter(run.at for run in runs if run.at is not None)
    rescued = sum(run.at is None and run.rescued is True for run in runs)
    return Efficiency(
        tasks=len(runs),
        solved=at.total() + rescued,
        rescued=rescued,
        at=dict(sorted(at.items())),
        cost=math.fsum(cost for run in runs for cost in run.costs),
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """Two ways over the same tasks."""

    plan: Efficiency
    large: Efficiency
    only_plan: int
    """Pairs of runs in which the plan alone solved the task; `anytime` judges such pairs."""
    only_large: int
    left_out: int
    """Runs that the other side has not got."""

    @property
    def score(self) -> float | None:
        """Solved tasks for one unit of cost, against those of the large model; None where either has none."""
        plan, large = self.plan.cost_per_solved, self.large.cost_per_solved
        return large / plan if plan and large else None


def against(plan: Sequence[Attempted], large: Sequence[Attempted]) -> Compared:
    """Run by run of the same task: what one side has more of is left out, or the tasks would weigh differently."""
    of_plan, of_large = _by_task(plan), _by_task(large)
    pairs = [
        pair
        for task, runs in of_plan.items()
        for pair in zip(runs, of_large.get(task, ()), strict=False)  # the shorter one decides
    ]
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Compared(
        efficiency(ours),
        efficiency(theirs),
        only_plan=sum(one.solved and not other.solved for one, other in pairs),
        only_large=sum(other.solved and not one.solved for one, other in pairs),
        left_out=len(plan) + len(large) - 2 * len(pairs),
    )


def _by_task(runs: Sequence[Attempted]) -> dict[str, list[Attempted]]:
    found: dict[str, list[Attempted]] = {}
    for run in runs:
        found.setdefault(run.task, []).append(run)
    return found
