"""Tells those who work on something that nobody wants it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from pytest_llmroute.errors import Cancelled


class Stop:
    """Given once, by any thread; what has been told when `give` returns is told for good."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._given = False
        self._told: list[Callable[[], object]] = []

    @property
    def given(self) -> bool:
        return self._given

    def give(self) -> None:
        with self._lock:
            if not self._given:
                self._given = True
                for tell in reversed(self._told):
                    tell()

    def check(self) -> None:
        """Raises Cancelled where it has been given."""
        if self._given:
            raise Cancelled("nobody waits for this call any more")

    @contextmanager
    def tells(self, tell: Callable[[], object]) -> Iterator[None]:
        """Inside of it `tell` is called when the stop is given; outside never. One that has been given is raised."""
        with self._lock:
            self.check()
            self._told.append(tell)
        try:
            yield
        finally:
            with self._lock:
                self._told.remove(tell)

    @contextmanager
    def kept_off(self) -> Iterator[None]:
        """Inside of it the stop is not given; one that has been given is raised."""
        with self._lock:
            self.check()
            yield


def telling(stop: Stop | None, tell: Callable[[], object]) -> AbstractContextManager[None]:
    """The same where there may be nobody who stops anything."""
    return nullcontext() if stop is None else stop.tells(tell)


def kept_off(stop: Stop | None) -> AbstractContextManager[None]:
    return nullcontext() if stop is None else stop.kept_off()
