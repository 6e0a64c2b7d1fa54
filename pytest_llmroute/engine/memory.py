"""The models in one memory while a run goes on: what is there, what may be asked, what is loaded next.

A dispatcher guards it with its lock; what loads and unloads is somebody else's hands, in a thread of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_llmroute.engine.residency.online import Load, Residency, Serve, Situation

log = logging.getLogger("pytest_llmroute.engine")
NOTHING = ""
"""In place of the model that is loaded: none is, as long as others are unloaded."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What brings models into memory and takes them out; each call may take its time, and may fail."""

    load: Callable[[str], int]
    """The bytes that the model then takes; 0 where nobody can tell."""
    unload: Callable[[str], None]
    still: Callable[[str], bool]
    """Whether a model is in memory: a server may have dropped it."""
    learned: Callable[[str, int], None]
    """What a model takes in truth, in place of what was expected."""
    others_wait: Callable[[], bool] = lambda: False
    """Whether another process waits for room."""
    leave: Callable[[], None] = lambda: None
    """At the end."""


class Memory:
    """One memory, and the models that share it."""

    def __init__(self, plan: Residency, hands: Hands, resident: frozenset[str] = frozenset()) -> None:
        self._plan, self._hands = plan, hands
        self.resident = resident
        self.loading: str | None = None
        self.served: frozenset[str] = frozenset()
        """Models whose calls may be sent now."""
        self.unmet = False
        """Whether somebody waits for a model that is not served."""

    @property
    def crowded(self) -> bool:
        """Whether by the plan one model has to make way for another."""
        return any(wave.evict for wave in self._plan.waves)

    @property
    def patience(self) -> float:
        return self._plan.patience

    def settle(
        self, waiting: Mapping[str, int], busy: Mapping[str, int], foreground: Mapping[str, float]
    ) -> Load | None:
        """What may be served from now on; and a load, if it is time for one: then `swap`, without the lock."""
        began: Load | None = None
        while True:
            now = Situation(waiting, busy, self.resident, self.loading, foreground)
            action, self._plan = self._plan.next(now)
            if not isinstance(action, Load):
                break
            began, self.loading = action, action.model
            self.resident = self.resident.difference(action.evict)
        self.served = action.models if isinstance(action, Serve) else frozenset()
        self.unmet = any(number and model not in self.served for model, number in waiting.items())
        return began

    def swap(self, load: Load) -> Swapped:
        """Does what `settle` said, without the lock.

        A model that can't be loaded is asked all the same: its call tells why.
        """
        self.unload(frozenset(load.evict))
        size = 0
        try:
            size = self._hands.load(load.model)
        except Exception as error:
            log.warning("[Engine] %s could not be loaded: %s", load.model, error)
        gone = frozenset(model for model in self.resident if not self._hands.still(model))
        return Swapped(load.model, size, gone)

    def others_wait(self) -> bool:
        return bool(self.resident) and self._hands.others_wait()

    def give_way(self, used: frozenset[str]) -> frozenset[str]:
        """What nobody uses here makes way for others: to be unloaded by `unload`, without the lock; then `gave_way`."""
        idle = self.resident - used
        if idle and self.loading is None:
            self.loading = NOTHING
        self.resident -= idle
        return idle

    def gave_way(self) -> None:
        if self.loading == NOTHING:
            self.loading = None

    def unload(self, models: frozenset[str]) -> None:
        for model in sorted(models):
            try:
                self._hands.unload(model)
            except Exception as error:
                log.warning("[Engine] %s could not be unloaded: %s", model, error)

    def leave(self) -> None:
        self._hands.leave()

    def swapped(self, done: Swapped) -> None:
        """What is known after a load."""
        self.loading = None
        self.resident = self.resident.difference(done.gone) | {done.model}
        if done.size:
            self._hands.learned(done.model, done.size)


@dataclass(frozen=True, slots=True)
class Swapped:
    """How a load went."""

    model: str
    size: int
    gone: frozenset[str]
    """Models that were dropped without us."""
