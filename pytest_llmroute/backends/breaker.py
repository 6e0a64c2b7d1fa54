"""A circuit breaker for each endpoint: a server that keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pytest_llmroute.errors import Cause, ModelCallError

FAILURES = 5
"""In a row; then the endpoint rests."""
FIRST_REST, LONGEST_REST = 5.0, 60.0
TROUBLE = frozenset({Cause.REFUSED, Cause.SERVER, Cause.TIMEOUT})
"""What tells of the endpoint, and not of the call."""


SOON = 0.5
"""Seconds, while somebody tries the endpoint: then it is known how it is."""


class Resting(ModelCallError):
    """An endpoint that is left alone for `retry_after` seconds: nobody was asked, so it is no try."""


class Breaker:
    """One endpoint, asked from many threads."""

    def __init__(self, endpoint: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.endpoint, self._clock = endpoint, clock
        self._lock = threading.Lock()
        self._failed = 0
        self._rest = FIRST_REST
        self._until = 0.0
        self._tried = False
        """Whether somebody was let through after the rest, and has yet to tell."""
        self._last: ModelCallError | None = None

    def check(self, model: str) -> None:
        """Raises where the endpoint rests; after the rest one caller is let through, and the others wait for it."""
        with self._lock:
            if self._failed < FAILURES or self._last is None:
                return
            left = self._until - self._clock()
            if left <= 0:
                self._until = self._clock() + self._rest
                self._tried = True
                return
            text = (
                f"not asked: {self.endpoint} failed {self._failed} times in a row ({self._last.text});"
                f" it is tried again in {left:.0f} s"
            )
            raise Resting(self._last.cause, text, model=model, retry_after=min(left, SOON) if self._tried else left)

    def failed(self, error: ModelCallError) -> None:
        if error.cause not in TROUBLE:
            self.worked()
            return
        with self._lock:
            self._failed += 1
            self._last = error
            if self._failed == FAILURES:
                self._rest = FIRST_REST
                self._until = self._clock() + self._rest
            elif self._tried:  # others were on their way before it rested
                self._rest = min(LONGEST_REST, 2 * self._rest)
                self._until = self._clock() + self._rest
                self._tried = False

    def worked(self) -> None:
        with self._lock:
            self._failed, self._last, self._tried = 0, None, False
