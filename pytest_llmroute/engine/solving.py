"""A task that is given to models: asked once, or on a ladder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_llmroute.core.attempts import BESIDE, LARGE, PARALLEL, SMALL, Ladder, Rung, Solved
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.requests import Request
from pytest_llmroute.core.steps import Plan
from pytest_llmroute.engine.case import CaseRun
from pytest_llmroute.engine.checking import takes_long, verdict
from pytest_llmroute.engine.engine import CallLog, Engine

if TYPE_CHECKING:
    from pytest_llmroute.learn.ladders import Learned, Limit
    from pytest_llmroute.tasks.values import TaskCase


@dataclass(frozen=True, slots=True)
class Solver:
    """Makes the plans of tasks."""

    engine: Engine
    learned: Callable[[], Learned]
    """What earlier runs say; asked when a ladder wants it."""
    load: Callable[[Any], TaskCase]
    """A task from what a test has: the entry of a task file."""
    apart: Callable[[str, str], str] = lambda small, large: ""
    """Why two models can't be asked at the same time; empty where they can."""

    def ladder_of(self, request: Request, column: Column, decision: Decision | None = None) -> Ladder | None:
        """The column's ladder; None where it has none, or something above the strategy names the model."""
        ladder = self.engine.router.ladder(column)
        if ladder is None:
            return None
        return ladder if (decision or self.engine.decide(request, column)).decided_by == "strategy" else None

    def limit(self, ladder: Ladder, request: Request, column: Column) -> Limit:
        """How often the small model tries such a task."""
        from pytest_llmroute.learn.ladders import limit

        small, large = (self._model(request, column, role) for role in (SMALL, LARGE))
        return limit(ladder, request.task, small, large, self.learned())

    def how(self, ladder: Ladder, request: Request, column: Column) -> str:
        """Whether both models are asked at the same time, in the words of a reason."""
        if ladder.mode != PARALLEL:
            return ""
        small, large = (self._model(request, column, role) for role in (SMALL, LARGE))
        return self.apart(small, large) or BESIDE

    def solving(
        self, task: TaskCase, request: Request, run: CaseRun, calls: CallLog | None, *, queued: bool = False,
        judges: bool = False, decision: Decision | None = None,
    ) -> Plan[Solved]:  # fmt: skip
        """A task's steps. `judges`: the check is made here also where it takes no time; `decision`: it was made."""
        column = run.case.column
        ladder = self.ladder_of(request, column, decision)
        if ladder is not None:
            from pytest_llmroute.engine.climbing import Climbing

            attempts, how = self.limit(ladder, request, column).attempts, self.how(ladder, request, column)
            return (yield from Climbing(self.engine, ladder, task, request, run, calls).plan(attempts, how, queued))
        reply = yield from self.engine.asking(request, column, run=run, calls=calls, queued=queued, decision=decision)
        if not (judges or takes_long(task)):
            return Solved(reply)
        return Solved(reply, (yield from verdict(task, reply)))

    def _model(self, request: Request, column: Column, role: str) -> str:
        return self.engine.decide(replace(request, rung=Rung(1, role)), column).model
