"""Runs plans ahead of whoever waits for them: calls in slots, long checks beside them, results for those who ask.

A slot is a thread, so each keeps its own connection. A plan is moved on by the thread that has done its last step.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import Attempt, Pause, Plan, Step, Work
from pytest_llmroute.engine.width import Width

log = logging.getLogger("pytest_llmroute.engine")


class Dropped(Exception):
    """A plan that was thrown away before it ended, since the run stops."""


class Job:
    """A plan on its way, and its result when it has one."""

    def __init__(self, begin: Callable[[], Plan[Any]], *, index: int = -1) -> None:
        self.index = index
        """Its place in the order of those who wait; -1: somebody waits for it already."""
        self.own_seconds = 0.0
        """Of its steps; waiting for slots is not in it."""
        self._begin = begin
        self._plan: Plan[Any] | None = None
        self._ended = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def step(self, given: Any = None, raised: BaseException | None = None) -> Step | None:
        """The next step; None when the plan has ended."""
        try:
            if self._plan is None:
                self._plan = self._begin()
                return next(self._plan)
            return self._plan.send(given) if raised is None else self._plan.throw(raised)
        except StopIteration as end:
            self.end(end.value)
        except BaseException as error:
            self.end(None, error)
        return None

    def end(self, result: Any, error: BaseException | None = None) -> None:
        """Once; what comes later is not heard."""
        if not self._ended.is_set():
            self._result, self._error = result, error
            self._ended.set()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def settle(self) -> None:
        """Waits until the plan has ended, well or not. Ctrl-C ends the wait."""
        while not self._ended.wait(0.5):
            pass

    def wait(self) -> Any:
        """The plan's result; raises what it raised."""
        __tracebackhide__ = True  # of a failed call people want to see their own line
        self.settle()
        if self._error is not None:
            raise self._error
        return self._result


@dataclass(slots=True)
class _Ticket:
    """A step that waits for its turn; no step yet where the plan has not begun."""

    order: int
    job: Job
    step: Attempt | None
    since: float


@dataclass(slots=True)
class _Lane:
    """The calls to one endpoint."""

    width: Width
    """How many at once, now."""
    free: threading.Condition
    """On the dispatcher's lock: idle slots wait here."""
    waiting: dict[str, deque[_Ticket]] = field(default_factory=dict)
    """By model, in order."""
    busy: dict[str, int] = field(default_factory=dict)
    threads: int = 0
    idle: int = 0
    """Slots that wait and have not been called."""
    most: int = 0
    """Calls that were on their way at the same time."""

    @property
    def running(self) -> int:
        return sum(self.busy.values())


class Dispatcher:
    """All lanes of a session."""

    def __init__(
        self, lane_of: Callable[[ModelCard], str], width_of: Callable[[ModelCard], Width], *,
        ahead: int | None = None, workers: int | None = None,
    ) -> None:  # fmt: skip
        self._lane_of, self._width_of = lane_of, width_of
        self._ahead = ahead
        """How far beyond `reached` jobs may begin; None: without bound."""
        self._reached = 0
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)
        self._orders = itertools.count()
        self._work: SimpleQueue[tuple[Job, Work] | None] = SimpleQueue()
        self._workers, self._most_workers = 0, workers or max(1, (os.cpu_count() or 2) - 1)
        self._pauses: list[tuple[float, int, Job]] = []
        self._timer: threading.Thread | None = None
        self._jobs: set[Job] = set()
        self._stopped = False

    def submit(self, job: Job, card: ModelCard) -> None:
        """A plan whose first call goes to this model, most likely."""
        self._enqueue(job, None, card)

    def follow(self, plan: Plan[Any]) -> Job:
        """A plan that somebody waits for: its calls go before all that wait."""
        job = Job(lambda: plan)
        self._move_on(job, job.step())
        return job

    def reached(self, index: int) -> None:
        """Whoever waits in order has come so far."""
        with self._lock:
            self._reached = max(self._reached, index)
            if self._ahead is not None:
                for name, lane in self._lanes.items():
                    self._call(name, lane)

    def stop(self) -> None:
        """Nothing new is begun; who waits is told."""
        with self._lock:
            self._stopped = True
            jobs, self._jobs = self._jobs, set()
            for condition in (self._due, *(lane.free for lane in self._lanes.values())):
                condition.notify_all()
        for job in jobs:
            job.end(None, Dropped())
        for _ in range(self._workers):
            self._work.put(None)

    @property
    def under_way(self) -> bool:
        """Whether any plan has not ended yet."""
        return bool(self._jobs)

    @property
    def most_at_once(self) -> int:
        return max((lane.most for lane in self._lanes.values()), default=0)

    # Slots

    def _enqueue(self, job: Job, step: Attempt | None, card: ModelCard) -> None:
        name = self._lane_of(card)
        ticket = _Ticket(next(self._orders), job, step, time.perf_counter())
        with self._lock:
            if self._stopped:
                job.end(None, Dropped())
                return
            self._jobs.add(job)
            lane = self._lanes.get(name)
            if lane is None:
                lane = self._lanes[name] = _Lane(self._width_of(card), threading.Condition(self._lock))
            queue = lane.waiting.setdefault(card.name, deque())
            if job.index < 0:
                queue.appendleft(ticket)
            else:
                queue.append(ticket)
            self._call(name, lane)

    def _call(self, name: str, lane: _Lane) -> None:
        """One more slot for a call that may begin: an idle one, else a new one while there is room."""
        if self._next(lane) is None:
            return
        if lane.idle:
            lane.idle -= 1
            lane.free.notify()
        elif lane.threads < lane.width():
            lane.threads += 1
            threading.Thread(target=self._slot, args=(name, lane), name=f"llmroute-slot-{name}", daemon=True).start()

    def _slot(self, name: str, lane: _Lane) -> None:
        while (taken := self._take(lane)) is not None:
            model, ticket = taken
            try:
                self._follow(lane, ticket, model)
            except BaseException as error:
                log.warning("[Engine] a slot failed", exc_info=True)
                ticket.job.end(None, error)
            finally:
                with self._lock:
                    lane.busy[model] -= 1
                    if lane.threads < lane.width():
                        self._call(name, lane)

    def _take(self, lane: _Lane) -> tuple[str, _Ticket] | None:
        """Waits for a call that may be made now."""
        with self._lock:
            while not self._stopped:
                model = self._next(lane) if lane.running < lane.width() else None
                if model is not None:
                    ticket = lane.waiting[model].popleft()
                    lane.busy[model] = lane.busy.get(model, 0) + 1
                    lane.most = max(lane.most, lane.running)
                    return model, ticket
                lane.idle += 1
                lane.free.wait()
            return None

    def _next(self, lane: _Lane) -> str | None:
        """The model whose first waiting call came first, among those that may begin."""
        horizon = None if self._ahead is None else self._reached + self._ahead
        heads = [
            (queue[0].order if queue[0].job.index >= 0 else -1, model)
            for model, queue in lane.waiting.items()
            if queue and (horizon is None or queue[0].job.index < horizon)
        ]
        return min(heads)[1] if heads else None

    def _follow(self, lane: _Lane, ticket: _Ticket, model: str) -> None:
        """A plan's steps, as long as this slot can do them: its next call to the same model, and short work."""
        job, step = ticket.job, ticket.step
        queued = time.perf_counter() - ticket.since if step is not None or job.index < 0 else 0.0
        current: Step | None = step if step is not None else job.step()
        while current is not None:
            if isinstance(current, Attempt) and current.card.name == model:
                current = self._do(job, partial(current.do, queued), lane)
                queued = 0.0
            elif isinstance(current, Work) and not current.long:
                current = self._do(job, current.do)
            else:
                self._hand_over(job, current)
                return
        self._finished(job)

    def _do(self, job: Job, do: Callable[[], Any], lane: _Lane | None = None) -> Step | None:
        started = time.perf_counter()
        given, raised = None, None
        try:
            given = do()
        except BaseException as error:
            raised = error
        job.own_seconds += time.perf_counter() - started
        if lane is not None:
            with self._lock:
                lane.width.heard(raised)
        return job.step(given, raised)

    def _hand_over(self, job: Job, step: Step) -> None:
        if isinstance(step, Attempt):
            self._enqueue(job, step, step.card)
        elif isinstance(step, Work):
            self._begin_worker()
            self._work.put((job, step))
        else:
            self._pause(job, step)

    def _finished(self, job: Job) -> None:
        with self._lock:
            self._jobs.discard(job)

    # Work beside the calls

    def _begin_worker(self) -> None:
        with self._lock:
            if self._workers < self._most_workers:
                self._workers += 1
                threading.Thread(target=self._worker, name="llmroute-work", daemon=True).start()

    def _worker(self) -> None:
        while (taken := self._work.get()) is not None:
            job, work = taken
            self._move_on(job, self._do(job, work.do))

    def _move_on(self, job: Job, step: Step | None) -> None:
        """After a step that no slot has done: what needs no slot is done here, everything else where it belongs."""
        while step is not None:
            if isinstance(step, Work) and not step.long:
                step = self._do(job, step.do)
            elif isinstance(step, Attempt) and not self._width_of(step.card)():
                step = self._do(job, partial(step.do, 0.0))
            else:
                break
        if step is None:
            self._finished(job)
        else:
            self._hand_over(job, step)

    # Pauses

    def _pause(self, job: Job, pause: Pause) -> None:
        with self._lock:
            heapq.heappush(self._pauses, (time.monotonic() + pause.seconds, next(self._orders), job))
            if self._timer is None:
                self._timer = threading.Thread(target=self._keep_time, name="llmroute-timer", daemon=True)
                self._timer.start()
            self._due.notify()

    def _keep_time(self) -> None:
        while True:
            with self._lock:
                while not self._pauses or self._pauses[0][0] > time.monotonic():
                    if self._stopped:
                        return
                    self._due.wait(self._pauses[0][0] - time.monotonic() if self._pauses else None)
                _, _, job = heapq.heappop(self._pauses)
            self._move_on(job, job.step())
