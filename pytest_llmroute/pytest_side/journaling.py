"""The journal of this process as the plugin uses it: opened by the first case, silent when it can't be."""

from __future__ import annotations

from pathlib import Path

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.store.journal import Journal, journal_path, run_header


class Keeper:
    """Writes what happens as it happens; every text goes through the redactor first."""

    def __init__(self, root: Path, run_id: str, worker: str, redact: Redactor) -> None:
        self.redact = redact
        self._journal = Journal(journal_path(root, run_id, worker), run_header(run_id, worker))
        self._begun = False

    def start(self, draft: Record) -> None:
        self._begun = True
        self._journal.start(draft)

    def call(self, nodeid: str, call: CallRecord, *, messages: list[dict[str, str]], reply: str | None) -> None:
        safe = [{**message, "content": self.redact(message["content"])} for message in messages]
        self._journal.call(nodeid, call, messages=safe, reply=None if reply is None else self.redact(reply))

    def record(self, record: Record) -> None:
        self._journal.record(record)

    def amend(self, nodeid: str, outcome: str, message: str) -> None:
        self._journal.amend(nodeid, outcome, message)

    def end(self, status: str) -> None:
        """A process that ran no case of ours leaves no file."""
        if self._begun:
            self._journal.end(status)
        self._journal.close()
