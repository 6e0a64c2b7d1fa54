"""Runs plans ahead of whoever waits for them: calls in slots, long checks beside them, results for those who ask.

Slots of backends that hold nobody up while their server thinks are moved on by one thread (`poller.py`); each of the
others is a thread of its own. A plan is moved on by the thread that has done its last step.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import (
    Attempt,
    Doing,
    Ended,
    Entrant,
    Pause,
    Plan,
    Race,
    Step,
    Work,
    coming_in,
    tamed,
    waited,
)
from pytest_llmroute.engine.poller import Poller
from pytest_llmroute.engine.width import Fixed, Width

if TYPE_CHECKING:
    from pytest_llmroute.engine.memory import Memory
    from pytest_llmroute.engine.residency.online import Load

log = logging.getLogger("pytest_llmroute.engine")
GIVE_WAY, EACH = 0.0002, 0.00001
"""Seconds after which Python lets another thread compute, at least, and for each slot that is a thread."""
GIVE_UP_WAITING = 0.05
"""Seconds for which answers go before pytest's own work, when there are more of them all the time."""
SHARE, LOOK = 0.02, 0.25
"""Seconds between looks at slots, and at memory, that other processes may want."""
MANY = 5000
"""Plans that are gathered before the first of them begins: a quarter of a second."""
BESIDE = ""
"""The lane of plans that need no slot."""


_ENDING = threading.Lock()
"""Of all jobs: two threads may end one at the same moment."""


class Dropped(Exception):
    """A plan that was thrown away before it ended, since the run stops."""


class Job:
    """A plan on its way, and its result when it has one. There is one for each test that is to come: it is small."""

    __slots__ = ("_begin", "_ended", "_error", "_plan", "_result", "_shut", "index", "own_seconds")

    def __init__(self, begin: Callable[[], Plan[Any]], *, index: int = -1) -> None:
        self.index = index
        """Its place in the order of those who wait; -1: somebody waits for it already."""
        self.own_seconds = 0.0
        """Of its steps; waiting for slots is not in it."""
        self._begin: Callable[[], Plan[Any]] | None = begin
        """None when it has begun."""
        self._plan: Plan[Any] | None = None
        self._ended = False
        self._shut = threading.Lock()
        """Held until the plan has ended; an event would take ten times the room."""
        self._shut.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def step(self, given: Any = None, raised: BaseException | None = None) -> Step | None:
        """The next step; None when the plan has ended."""
        try:
            if self._begin is not None:
                begin, self._begin = self._begin, None
                self._plan = begin()
                return next(self._plan)
            assert self._plan is not None
            return self._plan.send(given) if raised is None else self._plan.throw(raised)
        except StopIteration as end:
            self.end(end.value)
        except BaseException as error:
            self.end(None, tamed(error))
        self._plan = None  # what it holds is of no use any more
        return None

    def end(self, result: Any, error: BaseException | None = None) -> None:
        """Once; what comes later is not heard."""
        with _ENDING:
            if self._ended:
                return
            self._result, self._error, self._ended = result, error, True
        self._shut.release()

    @property
    def begun(self) -> bool:
        return self._begin is None

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def error(self) -> BaseException | None:
        """What ended it; None where nothing did yet."""
        return self._error

    def settle(self) -> None:
        """Waits until the plan has ended, well or not. Ctrl-C ends the wait."""
        while not self._ended:
            if self._shut.acquire(timeout=0.5):
                self._shut.release()

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


class _Queue:
    """The steps that wait for one model: those that somebody waits for, then those of plans that have begun.

    Slots also take from it without the dispatcher's lock, so any look may be at what is gone by then.
    """

    def __init__(self) -> None:
        self._rows: tuple[deque[_Ticket], deque[_Ticket], deque[_Ticket]] = (deque(), deque(), deque())

    def put(self, ticket: _Ticket) -> None:
        self._row_of(ticket).append(ticket)

    @property
    def head(self) -> _Ticket | None:
        for row in self._rows:
            try:
                return row[0]
            except IndexError:
                continue
        return None

    def take(self, may_begin: Callable[[_Ticket], bool]) -> _Ticket | None:
        """The first one, unless it must wait."""
        for row in self._rows:
            try:
                ticket = row.popleft()
            except IndexError:
                continue
            if may_begin(ticket):
                return ticket
            self.put_back(ticket)
            return None
        return None

    def put_back(self, ticket: _Ticket) -> None:
        self._row_of(ticket).appendleft(ticket)

    def _row_of(self, ticket: _Ticket) -> deque[_Ticket]:
        return self._rows[0 if ticket.job.index < 0 else 1 if ticket.step is not None else 2]

    @property
    def waited_since(self) -> float | None:
        """When the first of those came that somebody waits for."""
        try:
            return self._rows[0][0].since
        except IndexError:
            return None

    def __len__(self) -> int:
        return sum(map(len, self._rows))


@dataclass(slots=True)
class _Lane:
    """The calls to one endpoint."""

    width: Width
    """How many at once, now."""
    free: threading.Condition
    """On the dispatcher's lock: idle slots wait here."""
    waiting: dict[str, _Queue] = field(default_factory=dict)
    """By model, in order."""
    busy: dict[str, int] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    """Of the models that must be in memory before they are asked."""
    waits: bool = True
    """Whether its models' backends hold up no thread: then one thread moves all slots on."""
    slots: int = 0
    """Those that were begun and have not ended."""
    shares: bool = False
    """Whether slots are being taken and left, as other processes want them."""
    idle: int = 0
    """Slots that wait and have not been called."""

    @property
    def running(self) -> int:
        return sum(self.busy.values())

    @property
    def queued(self) -> int:
        return sum(map(len, self.waiting.values()))

    def balance(self) -> None:
        """Slots for what could be sent at once.

        Who held one until its model is loaded might keep it from whoever holds that model's room until it has a slot.
        """
        ready = sum(len(queue) for model, queue in self.waiting.items() if self.serves(model))
        self.width.balance(self.running + ready, self.running)

    def serves(self, model: str) -> bool:
        """Whether calls to it may be sent: it is in memory, or that does not matter."""
        return model not in self.memories or model in self.memories[model].served


class _Course:
    """How far a race has come; its entrants come in from several threads."""

    def __init__(self, race: Race) -> None:
        self._race = race
        self._came: list[Ended | None] = [None] * len(race.entrants)
        self._lock = threading.Lock()
        self.jobs: list[Job] = []
        self.over = False

    def came_in(self, place: int, ended: Ended) -> tuple[Ended | None, ...] | None:
        """How all came in, told to the one with whom the race is over; the others have been stopped by then."""
        with self._lock:
            if self.over:
                return None
            self._came[place] = ended
            self.over = self._race.won(ended) or all(self._came)
            if not self.over:
                return None
            came = tuple(self._came)
        for one, entrant in zip(came, self._race.entrants, strict=True):
            if one is None:
                entrant.stop.give()
        return came


def _working(work: Work) -> Doing[Any]:
    return (yield work)


class Dispatcher:
    """All lanes of a session."""

    def __init__(
        self, lane_of: Callable[[ModelCard], str], width_of: Callable[[ModelCard], Width | None], *,
        memory_of: Callable[[ModelCard], Memory | None] = lambda card: None, ahead: int | None = None,
        workers: int | None = None, waits: Callable[[ModelCard], bool] = lambda card: False,
    ) -> None:  # fmt: skip
        self._lane_of, self._width_of, self._memory_of, self._waits = lane_of, width_of, memory_of, waits
        self._poller = Poller()
        self._slotless: dict[str, bool] = {}
        """By model: whether its calls need no slot."""
        self._ahead = ahead
        """How far beyond `reached` jobs may begin; None: without bound."""
        self._reached = 0
        self._lanes: dict[str, _Lane] = {}
        self._memories: list[Memory] = []
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)
        self._orders = itertools.count()
        self._work: SimpleQueue[tuple[Job, Work] | None] = SimpleQueue()
        self._workers, self._most_workers = 0, workers or max(1, (os.cpu_count() or 2) - 1)
        self._alarms: list[tuple[float, int, Callable[[], object]]] = []
        self._timer: threading.Thread | None = None
        self._jobs: set[Job] = set()
        self._usual_interval = sys.getswitchinterval()
        self._gathers, self._gathered = False, 0
        self._gates: list[threading.Lock] = []
        """Of slots that have been started and shall not begin yet."""
        self._stopped = threading.Event()

    def submit(self, job: Job, card: ModelCard | None = None) -> None:
        """A plan whose first call goes to this model, most likely; None: it needs no slot."""
        self._enqueue(job, None, card)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """While many plans are submitted: whoever does that would have to wait for all slots that have begun.

        Where models make way for each other, who comes first is known at the end.
        """
        self._gathers, self._gathered = True, 0
        try:
            yield
        finally:
            with self._lock:
                self._gathers = False
                for memory in self._memories:
                    self._settle(memory)
                self._call_all()

    def follow(self, plan: Plan[Any]) -> Job:
        """A plan that somebody waits for: its calls go before all that wait."""
        job = Job(lambda: plan)
        self._move_on(job, job.step())
        return job

    def reached(self, index: int) -> None:
        """Whoever waits in order has come so far."""
        with self._lock:
            before, self._reached = self._reached, max(self._reached, index)
            if self._ahead is None or self._reached == before:
                return
            for name, lane in self._lanes.items():
                for model, queue in lane.waiting.items():
                    if (head := queue.head) is None or not before <= head.job.index - self._ahead < self._reached:
                        continue
                    if not lane.serves(model):
                        self._settle(lane.memories[model])
                    self._call(name, lane)

    def stop(self) -> None:
        """Nothing new is begun; who waits is told."""
        with self._lock:
            self._stopped.set()
            jobs, self._jobs = self._jobs, set()
            self._pace()
            for condition in (self._due, *(lane.free for lane in self._lanes.values())):
                condition.notify_all()
        for job in jobs:
            job.end(None, Dropped())
        for _ in range(self._workers):
            self._work.put(None)
        self._poller.stop()

    def leave(self) -> None:
        """After `stop`: others may have the slots, though this process may live on for long."""
        with self._lock:
            for lane in self._lanes.values():
                lane.width.close()

    def _needs_no_slot(self, step: Attempt) -> bool:
        return step.free or self.slotless(step.card)

    def slotless(self, card: ModelCard) -> bool:
        """Whether calls of a model need no slot."""
        if card.name not in self._slotless:
            self._slotless[card.name] = self._width_of(card) is None
        return self._slotless[card.name]

    def give_way(self) -> None:
        """Lets answers that have come go first: else Python's lock would be taken from them again and again."""
        self._poller.calm.wait(GIVE_UP_WAITING)

    @property
    def under_way(self) -> bool:
        """Whether any plan has not ended yet."""
        return bool(self._jobs)

    # Slots

    def _enqueue(self, job: Job, step: Attempt | None, card: ModelCard | None) -> None:
        name, model = (self._lane_of(card), card.name) if card is not None else (BESIDE, "")
        ticket = _Ticket(next(self._orders), job, step, time.perf_counter())
        with self._lock:
            if self._stopped.is_set():
                job.end(None, Dropped())
                return
            self._jobs.add(job)
            if len(self._jobs) == 1:
                self._pace()
            lane = self._lanes.get(name)
            if lane is None:
                width = self._width_of(card) if card is not None else None
                lane = self._lanes[name] = _Lane(width or Fixed(self._most_workers), threading.Condition(self._lock))
            queue = lane.waiting.get(model)
            if queue is None:
                queue = lane.waiting[model] = _Queue()
                lane.waits = lane.waits and card is not None and self._waits(card)
                if card is not None and (memory := self._memory_of(card)) is not None:
                    if memory not in self._memories:
                        self._memories.append(memory)
                        threading.Thread(
                            target=self._watch, args=(memory,), name="llmroute-memory", daemon=True
                        ).start()
                    lane.memories[model] = memory
            queue.put(ticket)
            if not lane.serves(model):
                self._settle(needed := lane.memories[model])
                if job.index < 0 and not lane.serves(model):
                    self._alarm(needed.patience, partial(self._look, needed))
            if lane.width.shared and not lane.shares:
                lane.shares = True
                self._share(name, lane)
            if self._gathers and job.index >= 0:
                self._gathered += 1
                if self._gathered == MANY:
                    self._call_all()
                if self._gathered <= MANY:
                    return
            self._call(name, lane)

    def _call_all(self) -> None:
        """With the lock: as many slots as there is work for."""
        for name, lane in self._lanes.items():
            self._call_many(name, lane)

    def _call_many(self, name: str, lane: _Lane) -> None:
        for _ in range(min(lane.width(), lane.queued)):
            self._call(name, lane, together=True)
        self._open_gates()

    def _share(self, name: str, lane: _Lane) -> None:
        """With the lock: slots that are shared with other processes are taken and left, as long as there are calls."""
        if self._stopped.is_set():
            return
        before = lane.width()
        lane.balance()
        for _ in range(lane.width() - before):
            self._call(name, lane)
        lane.shares = bool(lane.running or lane.queued)
        if lane.shares:
            self._alarm(SHARE, partial(self._share_again, name, lane))

    def _share_again(self, name: str, lane: _Lane) -> None:
        with self._lock:
            self._share(name, lane)

    def _call(self, name: str, lane: _Lane, *, together: bool = False) -> None:
        """One more slot for a call that may begin: an idle one, else a new one while there is room.

        `together`: others are yet to be started, and it waits for them.
        """
        if (model := self._next(lane)) is None:
            return
        if lane.idle:
            lane.idle -= 1
            lane.free.notify()
        elif lane.slots < lane.width() and (ticket := lane.waiting[model].take(self._may_begin)) is not None:
            lane.slots += 1
            lane.busy[model] = lane.busy.get(model, 0) + 1
            try:
                self._begin_slot(name, lane, (model, ticket))
            except RuntimeError:  # the system gives no more threads
                lane.slots -= 1
                lane.busy[model] -= 1
                lane.waiting[model].put_back(ticket)
                if not lane.slots:
                    raise
        if not together:
            self._open_gates()

    def _begin_slot(self, name: str, lane: _Lane, first: tuple[str, _Ticket]) -> None:
        if lane.waits:
            self._poller.begin(self._slot(name, lane, first, ends=True))
            return
        gate = threading.Lock()
        gate.acquire()
        args = (self._slot(name, lane, first), gate)
        slot = threading.Thread(target=self._slot_alone, args=args, name=f"llmroute-slot-{name}", daemon=True)
        slot.start()
        self._gates.append(gate)
        self._pace()

    def _open_gates(self) -> None:
        """Slots that have been started begin: earlier, each would keep the next one from being started."""
        while self._gates:
            self._gates.pop().release()

    def _slot_alone(self, slot: Doing[None], gate: threading.Lock) -> None:
        gate.acquire()
        waited(slot)

    def _slot(self, name: str, lane: _Lane, first: tuple[str, _Ticket], *, ends: bool = False) -> Doing[None]:
        """`ends`: when there is nothing to do, since it costs little to begin another one."""
        taken: tuple[str, _Ticket] | None = first
        while taken is not None:
            model, ticket = taken
            try:
                yield from self._follow(lane, ticket, model)
            except BaseException as error:
                self._unless_dropped(error)
                self._failed(ticket.job, error)
            taken = self._take_at_once(lane, *taken) or self._take(name, lane, *taken, ends=ends)

    def _take_at_once(self, lane: _Lane, model: str, ended: _Ticket) -> tuple[str, _Ticket] | None:
        """The next call of a slot that has just made one, without the lock where there is nothing to decide.

        Of hundreds of slots most would wait for the lock: who gets it has to wait for Python's own before it is of use.
        """
        if len(lane.waiting) > 1 or lane.memories or not isinstance(lane.width, Fixed) or self._stopped.is_set():
            return None
        ticket = lane.waiting[model].take(self._may_begin)
        if ticket is not None and ended.job.ended:
            self._forget(ended.job)
        return (model, ticket) if ticket is not None else None

    def _take(self, name: str, lane: _Lane, done: str, ended: _Ticket, *, ends: bool) -> tuple[str, _Ticket] | None:
        """Waits for a call that may be made now, after the one that is done: the lock is taken once for both."""
        with self._lock:
            self._done(name, lane, done, ended)
            while not self._stopped.is_set() and (lane.waits or not ends):
                model = self._next(lane) if lane.running < lane.width() else None
                if model is not None:
                    if (ticket := lane.waiting[model].take(self._may_begin)) is None:
                        continue  # another slot was faster
                    lane.busy[model] = lane.busy.get(model, 0) + 1
                    return model, ticket
                if ends:
                    break
                lane.idle += 1
                lane.free.wait()
            lane.slots -= 1
            if ends and not lane.waits:
                self._call(name, lane)  # by a thread
            return None

    def _done(self, name: str, lane: _Lane, model: str, ticket: _Ticket) -> None:
        """With the lock: a slot has done what it could of a plan."""
        if ticket.job.ended:
            self._forget(ticket.job, locked=True)
        lane.busy[model] -= 1
        if (memory := lane.memories.get(model)) is not None and memory.unmet:
            self._settle(memory)
        if lane.slots < lane.width():
            self._call(name, lane)

    def _next(self, lane: _Lane) -> str | None:
        """The model whose first waiting call came first, among those that may begin."""
        heads = [
            (head.order if head.job.index >= 0 else -1, model)
            for model, queue in lane.waiting.items()
            if (head := queue.head) is not None and self._may_begin(head) and lane.serves(model)
        ]
        return min(heads)[1] if heads else None

    def _may_begin(self, ticket: _Ticket) -> bool:
        """What has begun goes on, however far somebody has come who waits."""
        begun = ticket.step is not None or self._ahead is None
        return begun or ticket.job.index < self._reached + (self._ahead or 0)

    def _follow(self, lane: _Lane, ticket: _Ticket, model: str) -> Doing[None]:
        """A plan's steps, as long as this slot can do them: its next call to the same model, and short work."""
        job, step = ticket.job, ticket.step
        if job.ended:  # dropped in this very moment
            return
        queued = time.perf_counter() - ticket.since if step is not None or job.index < 0 else 0.0
        current: Step | None = step if step is not None else job.step()
        while current is not None:
            if isinstance(current, Attempt) and (current.card.name == model or self._needs_no_slot(current)):
                doing = current.do(queued)
                if lane.waits and not self._waits(current.card):
                    doing = _working(Work(partial(waited, doing)))
                current = yield from self._do(job, doing, lane)
                queued = 0.0
            elif isinstance(current, Work) and not current.long:
                current = yield from self._do(job, _working(current))
            else:
                self._hand_over(job, current)
                return

    def _do(self, job: Job, doing: Doing[Any], lane: _Lane | None = None) -> Doing[Step | None]:
        started = time.perf_counter()
        given, raised = None, None
        try:
            given = yield from doing
        except BaseException as error:
            self._unless_dropped(error)
            raised = tamed(error)
        job.own_seconds += time.perf_counter() - started
        if lane is not None:
            lane.width.heard(raised)
        return job.step(given, raised)

    def _unless_dropped(self, error: BaseException) -> None:
        """Raises what ends a slot that nobody will ever move on again."""
        if isinstance(error, GeneratorExit) and self._stopped.is_set():
            raise error

    def _hand_over(self, job: Job, step: Step) -> None:
        if isinstance(step, Attempt):
            self._enqueue(job, step, step.card)
        elif isinstance(step, Work):
            self._begin_worker()
            self._work.put((job, step))
        elif isinstance(step, Race):
            self._race(job, step)
        else:
            self._pause(job, step)

    def _failed(self, job: Job, error: BaseException) -> None:
        """What moves a plan on must not die of it: others wait for the same thread."""
        log.warning("[Engine] a plan could not be moved on", exc_info=error)
        job.end(None, tamed(error))

    def _forget(self, job: Job, *, locked: bool = False) -> None:
        """Of a plan that has ended."""
        self._jobs.discard(job)
        if not self._jobs:
            with nullcontext() if locked else self._lock:
                self._pace()

    def _pace(self) -> None:
        """With the lock: how long a thread may compute before another one does.

        While calls are on their way no answer shall wait for pytest's own work. But all threads that wait for their
        turn wake up as often, and where they are many that costs more than it gives.
        """
        threads = sum(lane.slots for lane in self._lanes.values() if not lane.waits)
        sys.setswitchinterval(max(GIVE_WAY, EACH * threads) if self._jobs else self._usual_interval)

    # Work beside the calls

    def _begin_worker(self) -> None:
        with self._lock:
            if self._workers < self._most_workers:
                self._workers += 1
                threading.Thread(target=self._worker, name="llmroute-work", daemon=True).start()

    def _worker(self) -> None:
        while (taken := self._work.get()) is not None:
            job, work = taken
            self._move_on(job, waited(self._do(job, _working(work))))

    def _move_on(self, job: Job, step: Step | None) -> None:
        """After a step that no slot has done: what needs no slot is done here, everything else where it belongs."""
        try:
            while step is not None:
                if isinstance(step, Work) and not step.long:
                    step = waited(self._do(job, _working(step)))
                elif isinstance(step, Attempt) and self._needs_no_slot(step):
                    step = waited(self._do(job, step.do(0.0)))
                else:
                    self._hand_over(job, step)
                    return
        except BaseException as error:
            self._failed(job, error)
        self._forget(job)

    # Plans that race

    def _race(self, job: Job, race: Race) -> None:
        """Each entrant is a job of its own; the plan goes on when one has won, else when the last one has come in."""
        with self._lock:
            if self._stopped.is_set():
                job.end(None, Dropped())
                return
            self._jobs.add(job)  # nobody else knows of it meanwhile
        course = _Course(race)
        course.jobs = [
            Job(partial(self._entering, job, course, place, one), index=job.index)
            for place, one in enumerate(race.entrants)
        ]
        for entrant in course.jobs:
            if not course.over:
                self._move_on(entrant, entrant.step())

    def _entering(self, job: Job, course: _Course, place: int, entrant: Entrant) -> Plan[None]:
        ended = yield from coming_in(entrant)
        if (came := course.came_in(place, ended)) is not None:
            job.own_seconds += course.jobs[place].own_seconds
            self._move_on(job, job.step(came))

    # Models in memory

    def _settle(self, memory: Memory) -> None:
        """With the lock: what may be served now, and the next load."""
        if self._gathers and memory.crowded:
            return
        waiting: dict[str, int] = {}
        busy: dict[str, int] = {}
        foreground: dict[str, float] = {}
        now = time.perf_counter()
        for model, lane in self._models_of(memory):
            queue, busy[model] = lane.waiting[model], lane.busy.get(model, 0)
            if (head := queue.head) is not None and self._may_begin(head):
                waiting[model] = len(queue)
                if (since := queue.waited_since) is not None:
                    foreground[model] = now - since
        served = memory.served
        if (load := memory.settle(waiting, busy, foreground)) is not None:
            threading.Thread(target=self._swap, args=(memory, load), name="llmroute-load", daemon=True).start()
        if memory.served - served:
            for name, lane in self._lanes.items():
                if memory in lane.memories.values():
                    lane.balance()
                    self._call_many(name, lane)

    def _models_of(self, memory: Memory) -> Iterator[tuple[str, _Lane]]:
        """With the lock: what is to be loaded into it."""
        for lane in self._lanes.values():
            yield from ((model, lane) for model, its in lane.memories.items() if its is memory)

    def _swap(self, memory: Memory, load: Load) -> None:
        from pytest_llmroute.engine.memory import Swapped

        done = Swapped(load.model, 0, frozenset())
        try:
            done = memory.swap(load)
        except BaseException:
            log.warning("[Engine] %s could not be loaded", load.model, exc_info=True)
        with self._lock:
            memory.swapped(done)
            self._settle(memory)

    def _watch(self, memory: Memory) -> None:
        """Models that nobody uses here are not kept where others wait for room, even if we wait for some, too."""
        while not self._stopped.wait(LOOK):
            if memory.others_wait():
                with self._lock:
                    used = frozenset(
                        model for model, lane in self._models_of(memory) if lane.waiting[model] or lane.busy.get(model)
                    )
                    idle = memory.give_way(used)
                if idle:
                    memory.unload(idle)
                    with self._lock:
                        memory.gave_way()
                        self._settle(memory)

    def _look(self, memory: Memory) -> None:
        with self._lock:
            self._settle(memory)

    # Pauses

    def _pause(self, job: Job, pause: Pause) -> None:
        with self._lock:
            self._alarm(pause.seconds, lambda: self._move_on(job, job.step()))

    def _alarm(self, seconds: float, do: Callable[[], object]) -> None:
        """With the lock: something to do later, in a thread of its own."""
        heapq.heappush(self._alarms, (time.monotonic() + seconds, next(self._orders), do))
        if self._timer is None:
            self._timer = threading.Thread(target=self._keep_time, name="llmroute-timer", daemon=True)
            self._timer.start()
        self._due.notify()

    def _keep_time(self) -> None:
        while True:
            with self._lock:
                while not self._alarms or self._alarms[0][0] > time.monotonic():
                    if self._stopped.is_set():
                        return
                    self._due.wait(self._alarms[0][0] - time.monotonic() if self._alarms else None)
                _, _, do = heapq.heappop(self._alarms)
            try:
                do()
            except Exception:
                log.warning("[Engine] something that was to be done later failed", exc_info=True)
