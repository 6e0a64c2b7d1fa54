"""The journal of this process as the plugin uses it: opened by the first case; trouble is kept, not raised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.core.series import Series
from pytest_llmroute.store.journal import Journal, JournalError


class Keeper:
    """Writes what happens as it happens; every text goes through the redactor first."""

    def __init__(self, journal: Journal, redact: Redactor) -> None:
        self.redact = redact
        self._journal = journal
        self._begun = False
        self.trouble: JournalError | None = None
        """Why nothing more is kept; tests go on without, and the end of the run says so."""

    def open(self) -> None:
        """On xdist's controller: its journal holds no case, but keeps other runs from taking this one for dead."""
        if not self._begun:
            self._begun = True
            self._try(self._journal.open)

    def start(self, draft: Record) -> None:
        self._begun = True
        self._try(self._journal.start, draft)

    def call(self, nodeid: str, call: CallRecord, *, messages: list[dict[str, str]], reply: str | None) -> None:
        safe = [{**message, "content": self.redact(message["content"])} for message in messages]
        kept = None if reply is None else self.redact(reply)
        self._try(partial(self._journal.call, messages=safe, reply=kept), nodeid, call)

    def record(self, record: Record) -> str:
        """The record's JSON, as it was written."""
        text = record.to_json()
        self._try(self._journal.record_text, text)
        return text

    def amend(self, nodeid: str, outcome: str, message: str) -> None:
        self._try(self._journal.amend, nodeid, outcome, message)

    def series(self, series: Series) -> None:
        """A process that ran no case of ours has none worth keeping."""
        if self._begun:
            self._try(self._journal.series, series)

    def end(self, status: str) -> None:
        """A process that ran no case of ours leaves no file."""
        if self._begun:
            self._try(self._journal.end, status)
        self._journal.close()

    def _try(self, write: Callable[..., None], *values: object) -> None:
        if self.trouble is None:
            try:
                write(*values)
            except JournalError as error:
                self.trouble = error
