"""One thread that goes on with many things that wait: each as soon as its socket is ready, or its time has come.

Where each call has a thread of its own, every answer takes Python's lock from another one and finds nothing of its own
near: that costs as much again as the call.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import logging
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

from pytest_llmroute.core.steps import Doing, Ready, Socket, Wait, Work, tamed

log = logging.getLogger("pytest_llmroute.engine")
NEVER = float("inf")
SPARE = 1000
"""Alarms of what has ended that may lie about."""
LATER = 50_000
"""New objects after which Python looks for garbage while there is much to do; usually 700. It can wait for a pause."""


class _Course:
    """Something on its way, and what it waits for."""

    __slots__ = ("doing", "due", "events", "number", "socket", "until")

    def __init__(self, doing: Doing[None]) -> None:
        self.doing = doing
        self.socket: Socket | None = None
        """That is watched for it, as long as it waits for nothing else: most wait for the same one again."""
        self.number, self.events = -1, 0
        self.until = self.due = NEVER
        """When it goes on at the latest, and when that is looked at: not later."""


class _Back(NamedTuple):
    """What something gave or raised for which a thread of its own was needed."""

    course: _Course
    given: Any
    raised: BaseException | None


class Poller:
    """Its thread begins with the first thing to do, and ends when it is stopped and nothing is on its way."""

    def __init__(self) -> None:
        self.calm = threading.Event()
        """Whether there is nothing to do until something comes."""
        self.calm.set()
        self._new: deque[_Course | _Back] = deque()
        """From any thread."""
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asleep = self._stopped = False
        self._collects = gc.get_threshold()
        self._running = 0
        self._watched: dict[int, _Course] = {}
        """By the number of the socket."""
        self._alarms: list[tuple[float, int, _Course]] = []
        self._numbers = itertools.count()

    def begin(self, doing: Doing[None]) -> None:
        """From any thread; RuntimeError where the system gives no thread for the first."""
        with self._starting:
            if self._thread is None:
                self._selector = selectors.DefaultSelector()
                self._bell, self._ear = socket.socketpair()
                self._bell.setblocking(False)
                self._ear.setblocking(False)
                self._selector.register(self._ear, selectors.EVENT_READ)
                self._thread = threading.Thread(target=self._run, name="llmroute-calls", daemon=True)
                self._thread.start()
        self._put(_Course(doing))

    def stop(self) -> None:
        """What is on its way may end; nothing new comes."""
        self._stopped = True
        self._wake()

    def _put(self, one: _Course | _Back) -> None:
        self._new.append(one)
        self._wake()

    def _wake(self) -> None:
        if self._asleep:
            self.calm.clear()
            with suppress(OSError):  # it has been rung often enough, or nobody is there any more
                self._bell.send(b"\0")

    # Its thread

    def _run(self) -> None:
        with self._selector, self._bell, self._ear:
            self._works()
            while not self._stopped or self._running or self._new:
                self._take_new()
                for key, _ in self._selector.select(0) or self._sleep():
                    if key.data is None:
                        with suppress(BlockingIOError):
                            self._ear.recv(1000)
                    else:
                        self._go_on(key.data)
                    self._take_new()
                self._ring()
            self._rests()

    def _sleep(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Until something comes."""
        self._asleep = True
        try:
            if self._new or (self._stopped and not self._running):
                return []
            self.calm.set()
            self._rests()
            return self._selector.select(max(0.0, self._alarms[0][0] - time.monotonic()) if self._alarms else None)
        finally:
            self._asleep = False
            self.calm.clear()
            self._works()

    def _works(self) -> None:
        """Until it rests garbage may lie about."""
        now = gc.get_threshold()
        if 0 < now[0] < LATER:
            self._collects = now
            gc.set_threshold(LATER, *now[1:])

    def _rests(self) -> None:
        if gc.get_threshold()[0] == LATER:  # else somebody has said otherwise meanwhile
            gc.set_threshold(*self._collects)

    def _take_new(self) -> None:
        while self._new:
            one = self._new.popleft()
            if isinstance(one, _Back):
                self._go_on(*one)
            else:
                self._running += 1
                self._go_on(one)

    def _ring(self) -> None:
        """Whose time has come."""
        now = time.monotonic()
        while self._alarms and self._alarms[0][0] <= now:
            _, _, course = heapq.heappop(self._alarms)
            course.due = NEVER
            if course.until <= now:
                self._go_on(course)
            else:
                self._look_at(course)

    def _go_on(self, course: _Course, given: Any = None, raised: BaseException | None = None) -> None:
        course.until = NEVER
        try:
            while True:
                wait = course.doing.send(given) if raised is None else course.doing.throw(raised)
                given, raised = None, None
                try:
                    self._wait(course, wait)
                    return
                except (OSError, ValueError, RuntimeError) as error:  # a closed socket; no more threads
                    raised = error
        except StopIteration:
            pass
        except BaseException:
            log.warning("[Engine] something that waited could not go on", exc_info=True)
        self._end(course)

    def _end(self, course: _Course) -> None:
        self._unwatch(course)
        self._running -= 1
        if len(self._alarms) > SPARE + 2 * self._running:
            self._alarms = [alarm for alarm in self._alarms if alarm[2].until < NEVER]
            heapq.heapify(self._alarms)

    def _wait(self, course: _Course, wait: Wait) -> None:
        if isinstance(wait, Ready):
            events = selectors.EVENT_WRITE if wait.writes else selectors.EVENT_READ
            if course.socket is not wait.socket or course.events != events:
                self._watch(course, wait.socket, events)
            course.until = wait.until
        else:
            self._unwatch(course)
            if isinstance(wait, Work):
                threading.Thread(target=self._beside, args=(course, wait), name="llmroute-beside", daemon=True).start()
                return
            course.until = time.monotonic() + wait.seconds
        self._look_at(course)

    def _look_at(self, course: _Course) -> None:
        """At the time when it goes on at the latest, if nobody looks earlier."""
        if course.until < course.due:
            course.due = course.until
            heapq.heappush(self._alarms, (course.until, next(self._numbers), course))

    def _watch(self, course: _Course, wanted: Socket, events: int) -> None:
        self._unwatch(course)
        number = wanted.fileno()
        if (other := self._watched.get(number)) is not None:  # of its socket, which is closed
            self._unwatch(other)
        self._selector.register(number, events, course)
        self._watched[number] = course
        course.socket, course.number, course.events = wanted, number, events

    def _unwatch(self, course: _Course) -> None:
        if course.socket is not None:
            course.socket = None
            del self._watched[course.number]
            self._selector.unregister(course.number)

    def _beside(self, course: _Course, work: Work) -> None:
        given, raised = None, None
        try:
            given = work.do()
        except BaseException as error:
            raised = tamed(error)
        self._put(_Back(course, given, raised))
