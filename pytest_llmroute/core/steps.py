"""Steps: what a plan yields, and what runs it. A plan does no I/O itself: who runs it decides when and where."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol, TypeVar

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.stops import Stop
from pytest_llmroute.errors import Cause, ModelCallError

R = TypeVar("R")
S = TypeVar("S")


class Socket(Protocol):
    def fileno(self) -> int: ...


class Attempt(NamedTuple):
    """One call to one model; it needs a slot, and the model resident where its memory is limited."""

    card: ModelCard
    do: Callable[[float], Doing[Any]]
    """Given the seconds that it waited for its slot."""
    free: bool = False
    """Needs neither slot nor model: the reply is known."""


class Pause(NamedTuple):
    """Wait before the next step; no slot is held meanwhile."""

    seconds: float


class Work(NamedTuple):
    """What is no call: a check, code in the sandbox."""

    do: Callable[[], Any]
    long: bool = False
    """Worth a thread of its own beside the calls."""


class Ready(NamedTuple):
    """Wait until a socket can be read, or written; at the longest until a moment of the monotonic clock."""

    socket: Socket
    until: float
    writes: bool = False


class Entrant(NamedTuple):
    """A plan in a race, and what tells it that the race is over."""

    plan: Plan[Any]
    stop: Stop


class Ended(NamedTuple):
    """How an entrant came in."""

    result: Any = None
    error: Exception | None = None


class Race(NamedTuple):
    """Plans that go on at the same time until one of them wins; then the others are stopped.

    Gives how each came in, in their order: None of those that were stopped, or never begun. One that fails wins
    nothing.
    """

    entrants: tuple[Entrant, ...]
    wins: Callable[[Any], bool]

    def won(self, ended: Ended) -> bool:
        return ended.error is None and self.wins(ended.result)

    def in_turn(self) -> Plan[tuple[Ended | None, ...]]:
        """The same where only one thing goes on at a time: one after the other, as long as none has won."""
        came: list[Ended | None] = [None] * len(self.entrants)
        for place, one in enumerate(self.entrants):
            came[place] = ended = yield from coming_in(one)
            if self.won(ended):
                break
        return tuple(came)


Step = Attempt | Pause | Work | Race
Plan = Generator[Step, Any, R]
"""Yields steps; is sent what a step gives, and thrown what it raises."""
Wait = Ready | Pause | Work
Doing = Generator[Wait, Any, R]
"""I/O that holds nobody up: yields what it waits for, so that one thread can wait for many, and is sent and thrown the
same as a plan."""


def coming_in(entrant: Entrant) -> Plan[Ended]:
    """An entrant's plan to its end, or until it is stopped: then no step of it is begun any more."""
    plan = entrant.plan
    try:
        step = next(plan)
        while True:
            try:
                entrant.stop.check()
                given = yield step
            except Exception as error:
                entrant.stop.check()
                step = plan.throw(error)
            else:
                entrant.stop.check()
                step = plan.send(given)
    except StopIteration as end:
        return Ended(end.value)
    except Exception as error:
        return Ended(error=error)
    finally:
        plan.close()


def run_now(plan: Plan[R]) -> R:
    """Every step at once, in this thread."""
    __tracebackhide__ = True  # of a failed call people want to see their own line
    return _ended(_turns(plan, done))


def waited(doing: Doing[R]) -> R:
    """The same of what waits by itself: this thread waits as long as it must."""
    __tracebackhide__ = True
    return _ended(_turns(doing, _waited))


def turns(doing: Doing[R]) -> Generator[None, None, R]:
    """The same, and after each wait whoever asks for the next one may look what has come."""
    return _turns(doing, _waited)


def _turns(steps: Generator[S, Any, R], do: Callable[[S], Any]) -> Generator[None, None, R]:
    __tracebackhide__ = True
    given: Any = None
    raised: BaseException | None = None
    try:
        while True:
            step = steps.send(given) if raised is None else steps.throw(raised)
            given, raised = None, None
            try:
                given = do(step)
            except BaseException as error:
                raised = tamed(error)
            yield
    except StopIteration as end:
        result: R = end.value
        return result
    finally:
        steps.close()


def _ended(turns: Generator[None, None, R]) -> R:
    __tracebackhide__ = True
    try:
        while True:
            next(turns)
    except StopIteration as end:
        result: R = end.value
        return result


def done(step: Step) -> Any:
    """What a step gives; it raises what goes wrong."""
    if isinstance(step, Attempt):
        return waited(step.do(0.0))
    if isinstance(step, Race):
        return run_now(step.in_turn())
    return _waited(step)


def _waited(wait: Wait) -> Any:
    if isinstance(wait, Work):
        return wait.do()
    if isinstance(wait, Pause):
        time.sleep(wait.seconds)
        return None
    left = max(0.0, wait.until - time.monotonic())
    if not hasattr(select, "poll"):  # Windows, where a connection that fails is told apart from one that can be written
        writes = [wait.socket] if wait.writes else []
        return select.select([] if wait.writes else [wait.socket], writes, writes, left)
    poll = select.poll()
    poll.register(wait.socket, select.POLLOUT if wait.writes else select.POLLIN)
    return poll.poll(1000 * left)


def tamed(error: BaseException) -> BaseException:
    """What may be thrown into a plan: nothing that ends a thread or the run, unless it is the user's own Ctrl-C."""
    ends = isinstance(error, SystemExit | GeneratorExit)
    if not ends and (not isinstance(error, KeyboardInterrupt) or threading.current_thread() is threading.main_thread()):
        return error
    text = f": {error}" if str(error) else ""
    failure = ModelCallError(Cause.BACKEND, f"{type(error).__name__} instead of an answer{text}")
    failure.__cause__ = error
    return failure
