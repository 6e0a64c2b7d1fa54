"""How many calls an endpoint is sent at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from pytest_llmroute.errors import Cause, ModelCallError

FIRST, MOST = 4, 64


class Width(Protocol):
    """A number that may change, asked under the dispatcher's lock. It hears how each call went from who made it."""

    @property
    def shared(self) -> bool:
        """Whether other processes want the same slots: then they are taken and left as calls come and go."""
        ...

    def __call__(self) -> int: ...

    def heard(self, error: BaseException | None) -> None: ...

    def balance(self, wanted: int, running: int) -> None:
        """Told now and then how many calls there are, and how many are on their way."""
        ...

    def close(self) -> None:
        """No more calls will be made."""
        ...


class _Own:
    """Slots of this process alone."""

    shared = False

    def balance(self, wanted: int, running: int) -> None:
        """Nothing changes."""

    def close(self) -> None:
        """Nothing is held."""


class Fixed(_Own):
    """Always the same."""

    def __init__(self, slots: int) -> None:
        self._slots = slots

    def __call__(self) -> int:
        return self._slots

    def heard(self, error: BaseException | None) -> None:
        """Nothing changes."""


class Growing(_Own):
    """Begins with few; one more when as many calls went well as there are slots; half when told to slow down."""

    def __init__(self, first: int = FIRST, most: int = MOST) -> None:
        self._slots, self._most = first, most
        self._well = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        return self._slots

    def heard(self, error: BaseException | None) -> None:
        with self._lock:
            if isinstance(error, ModelCallError) and error.cause is Cause.RATE:
                self._slots, self._well = max(1, self._slots // 2), 0
                return
            self._well += error is None
            if self._well >= self._slots:
                self._slots, self._well = min(self._most, self._slots + 1), 0


def width_for(
    wanted: int | None, own: int | None, parallel: int | None = None, *, shared: Callable[[int], Width] = Fixed,
    workers: int = 1,
) -> Width | None:  # fmt: skip
    """`wanted`: what the user says, None for auto; `own`: the most that a backend without a server can do.

    `parallel`: what a server answers at once, where that is known; `shared`: so many slots, among all `workers`. None:
    such calls need no slot.
    """
    if own:
        return Fixed(own if wanted is None else min(wanted, own))
    slots = wanted if wanted is not None else own if own is not None else parallel
    if slots is None:
        return Growing(max(1, FIRST // workers), max(1, MOST // workers))
    return shared(slots) if slots else None
