"""Tells the hook `llmroute_event` what happens, one event at a time, from whichever thread it comes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from pluggy import HookImpl

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.engine.case import Case
from pytest_llmroute.errors import broken
from pytest_llmroute.extensions import Extensions

if TYPE_CHECKING:
    from pytest_llmroute.core.events import Event, EventKind


class Events:
    """Costs nothing where nobody listens; a listener that raises is told of at the end, and hears nothing more."""

    def __init__(self, extensions: Extensions) -> None:
        self._listeners = extensions.hook.llmroute_event.get_hookimpls
        """Asked each time: a conftest.py deeper down may come later."""
        self._lock = threading.RLock()
        self._deaf: dict[HookImpl, str] = {}

    @property
    def troubles(self) -> tuple[str, ...]:
        return tuple(self._deaf.values())

    def loading(self, card: ModelCard) -> None:
        """A model is opened, or loaded by its server before it is asked."""
        self.tell("loading", None, model=card.name)

    def tell(self, kind: EventKind, case: Case | None, **figures: Any) -> None:
        if listeners := self._listeners():
            from pytest_llmroute.core.events import Event  # loaded where somebody listens

            where: dict[str, Any] = {} if case is None else {"nodeid": case.nodeid, "column": case.column.name}
            self._tell(listeners, Event(kind, time.time(), **where, **figures))

    def _tell(self, listeners: list[HookImpl], event: Event) -> None:
        with self._lock:
            for listener in listeners:
                if listener in self._deaf:
                    continue
                try:
                    listener.function(**({"event": event} if "event" in listener.argnames else {}))
                except Exception as error:
                    text = broken(f"{listener.plugin_name}: llmroute_event", error).what
                    self._deaf[listener] = f"{text}; it heard nothing more of this run"
