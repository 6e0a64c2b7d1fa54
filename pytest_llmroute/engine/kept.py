"""Replies that a run had got before it was cut short; each is given once to whoever asks the same again."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from pytest_llmroute.core.records import Record
from pytest_llmroute.store.journal import KeptCall


class KeptReplies:
    """By item and by what was asked, in the order in which they came; asked from several threads."""

    def __init__(self, calls: Iterable[KeptCall]) -> None:
        self._calls: dict[str, list[KeptCall]] = {}
        self._lock = threading.Lock()
        for kept in calls:
            self._calls.setdefault(kept.nodeid, []).append(kept)
        self._last = {nodeid: max(kept.call.attempt for kept in calls) for nodeid, calls in self._calls.items()}

    def last_attempt(self, nodeid: str) -> int:
        """The highest number of an item's calls."""
        return self._last.get(nodeid, 0)

    def finished(self, record: Record) -> None:
        """Its calls are done with: another try of the test is a new one."""
        own = {call.attempt for call in record.calls}
        self._calls[record.nodeid] = [one for one in self._calls.get(record.nodeid, ()) if one.call.attempt not in own]

    def take(self, nodeid: str, asked: str) -> KeptCall | None:
        """The first reply to this that nobody has had yet; None where the model must be asked."""
        with self._lock:
            calls = self._calls.get(nodeid, [])
            found = next((place for place, one in enumerate(calls) if one.call.asked == asked and _answers(one)), None)
            return None if found is None else calls.pop(found)


def _answers(kept: KeptCall) -> bool:
    """Whether a model answered: what failed is tried again, and who is scripted costs nothing."""
    call = kept.call
    return kept.reply is not None and call.error_class is None and call.link != "canned" and not call.scripted
