"""The journal of this process as the plugin uses it: opened by the first case; trouble is kept, not raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_llmroute.core.plain import plain
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.core.series import Series
from pytest_llmroute.store.journal import Journal, JournalError, KeptCall


class Keeper:
    """Writes what happens as it happens; every text goes through the redactor first."""

    def __init__(self, journal: Journal, redact: Redactor) -> None:
        self.redact = redact
        self._journal = journal
        self._begun = False
        self.trouble: JournalError | None = None
        """Why nothing more is kept; the end of the run says so."""
        self.stop: Callable[[JournalError], None] = lambda error: None
        """Called when a journal that was written can't be any more. Where it never could, tests go on without."""

    def open(self) -> None:
        """On xdist's controller: its journal holds no case, but keeps other runs from taking this one for dead."""
        if not self._begun:
            self._begun = True
            self._try(self._journal.open)

    def claim(self) -> bool:
        """The same where a run is resumed; False where another process does so."""
        self._begun = True
        return self._journal.claim()

    def start(self, draft: Record) -> None:
        self._begun = True
        self._try(self._journal.start, draft)

    def call(self, kept: KeptCall) -> None:
        """Raises where it is lost: whoever made the call must not make another one."""
        safe = replace(
            kept,
            messages=tuple({**message, "content": self.redact(message["content"])} for message in kept.messages),
            reply=None if kept.reply is None else self.redact(kept.reply),
            more=plain(kept.more, self.redact) if kept.more else {},
        )
        self._try(self._journal.call, safe)
        if self.trouble is not None and self.trouble.begun:
            raise self.trouble

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
                if error.begun:
                    self.stop(error)
