"""Steps: what a plan yields, and what runs it. A plan does no I/O itself: who runs it decides when and where."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import Cause, ModelCallError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one model; it needs a slot, and the model resident where its memory is limited."""

    card: ModelCard
    do: Callable[[float], Any]
    """Given the seconds that it waited for its slot."""
    free: bool = False
    """Needs neither slot nor model: the reply is known."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next step; no slot is held meanwhile."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """What is no call: a check, code in the sandbox."""

    do: Callable[[], Any]
    long: bool = False
    """Worth a thread of its own beside the calls."""


Step = Attempt | Pause | Work
Plan = Generator[Step, Any, R]
"""Yields steps; is sent what a step gives, and thrown what it raises."""


def run_now(plan: Plan[R]) -> R:
    """Every step at once, in this thread."""
    __tracebackhide__ = True  # of a failed call people want to see their own line
    given: Any = None
    raised: BaseException | None = None
    while True:
        try:
            step = plan.send(given) if raised is None else plan.throw(raised)
        except StopIteration as end:
            result: R = end.value
            return result
        given, raised = None, None
        try:
            given = done(step)
        except BaseException as error:
            raised = tamed(error)


def done(step: Step, queued: float = 0.0) -> Any:
    """What a step gives; it raises what goes wrong."""
    if isinstance(step, Attempt):
        return step.do(queued)
    if isinstance(step, Work):
        return step.do()
    time.sleep(step.seconds)
    return None


def tamed(error: BaseException) -> BaseException:
    """What may be thrown into a plan: nothing that ends a thread or the run, unless it is the user's own Ctrl-C."""
    ends = isinstance(error, SystemExit | GeneratorExit)
    if not ends and (not isinstance(error, KeyboardInterrupt) or threading.current_thread() is threading.main_thread()):
        return error
    text = f": {error}" if str(error) else ""
    failure = ModelCallError(Cause.BACKEND, f"{type(error).__name__} instead of an answer{text}")
    failure.__cause__ = error
    return failure
