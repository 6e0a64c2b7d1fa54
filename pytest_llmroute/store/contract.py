"""What a store is: runs, their records, and the texts of their calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_llmroute.core.records import Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.store.journal import KeptCall


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run of pytest."""

    run_id: str
    started_at: str
    finished_at: str | None = None
    status: str = "finished"
    """finished or interrupted."""
    version: str = ""
    profile: str = ""
    columns: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Kept(Protocol):
    """What is kept of a run: a record, or a call with its texts, as plain data and as JSON."""

    def to_dict(self) -> Mapping[str, Any]: ...

    def to_json(self) -> str: ...


class Store(Protocol):
    """Saving a run again replaces what was there: no double rows, however often a merge is tried."""

    def save(
        self, run: RunInfo, records: Iterable[Kept], calls: Iterable[Kept], series: Iterable[Series] = ()
    ) -> None: ...

    def runs(self, limit: int = 50) -> Sequence[RunInfo]: ...

    def outcomes(self, run_id: str) -> Mapping[str, int]: ...

    def records(self, run_id: str) -> Iterable[Record]: ...

    def calls(self, run_id: str, nodeid: str) -> Sequence[KeptCall]: ...

    def all_calls(self, run_id: str) -> Iterable[KeptCall]: ...

    def series(self, run_id: str) -> Sequence[Series]: ...

    def close(self) -> None: ...
