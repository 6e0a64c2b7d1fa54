"""The append-only journal: one file a process, one line an event, written before anything else hears of it.

Kinds of lines: run (first), open, start, call, record, amend, series, end. A process that is killed loses nothing it
wrote.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from pytest_llmroute.codes import Code
from pytest_llmroute.core.plain import as_json
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.errors import UserError

SCHEMA = 1
FOLDER = ".llmroute/journal"


class JournalError(UserError):
    """The journal can't be written."""


def journal_folder(root: Path, run_id: str) -> Path:
    return root / FOLDER / run_id


def journal_path(root: Path, run_id: str, worker: str) -> Path:
    return journal_folder(root, run_id) / f"{worker}.jsonl"


def run_header(run_id: str, worker: str, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The first line: what the run is, and enough to know later whether the process that wrote it still lives."""
    return {
        "kind": "run",
        "schema": SCHEMA,
        "run_id": run_id,
        "worker": worker,
        "pid": os.getpid(),
        "pid_started": psutil.Process().create_time(),
        "started_at": _now(),
        "about": dict(about or {}),
    }


class Journal:
    """Appends lines; each is one write, so a line is there whole or not at all."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.path = path
        self._header = dict(header)
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Writes the first line only: the sign that this run has a living process."""
        self._write({"kind": "open", "at": _now()})

    def start(self, draft: Record) -> None:
        self._write({"kind": "start", "record": draft.told()})

    def call(self, nodeid: str, call: CallRecord, *, messages: list[dict[str, str]], reply: str | None) -> None:
        self._write({"kind": "call", "nodeid": nodeid, "call": call.told(), "messages": messages, "reply": reply})

    def record(self, record: Record) -> None:
        self.record_text(record.to_json())

    def record_text(self, text: str) -> None:
        """A record whose JSON has been made already."""
        self._append(f'{{"kind":"record","record":{text}}}')

    def amend(self, nodeid: str, outcome: str, message: str) -> None:
        self._write({"kind": "amend", "nodeid": nodeid, "outcome": outcome, "message": message})

    def series(self, series: Series) -> None:
        self._write({"kind": "series", "series": series.to_dict()})

    def end(self, status: str) -> None:
        self._write({"kind": "end", "status": status, "at": _now()})

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _write(self, line: Mapping[str, Any]) -> None:
        self._append(as_json(line))

    def _append(self, line: str) -> None:
        data = _bytes(line)
        with self._lock:
            try:
                if self._descriptor is None:
                    data = self._open() + data
                # A line cut short by a full disk has no newline, or is joined by the next: the reader drops it.
                written = os.write(self._descriptor or 0, data)
                if written != len(data):
                    raise OSError(28, "no space left on the device")
            except OSError as error:
                raise JournalError(
                    f"the journal {self.path.name} can't be written: {error.strerror}",
                    code=Code.STORE,
                    means="tests go on, but nothing of this process is kept from here on",
                    fix="make room, or make .llmroute/ below the root directory writable",
                ) from error

    def _open(self) -> bytes:
        """Opens the file and gives the lines that belong in front."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        # A worker started anew under an old name goes on in the same file, after whatever half a line is there.
        header = _bytes(as_json(self._header))
        return header if new else b"\n" + header


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A call with its texts."""

    nodeid: str
    call: CallRecord
    messages: tuple[Mapping[str, str], ...]
    reply: str | None


@dataclass(frozen=True, slots=True)
class JournalContents:
    """What a journal holds: finished records, and drafts of cases that never finished."""

    headers: tuple[Mapping[str, Any], ...]
    records: tuple[Record, ...]
    unfinished: tuple[Record, ...]
    calls: tuple[KeptCall, ...]
    series: tuple[Series, ...]
    status: str
    """finished or interrupted as its end says; broken off when it has none."""
    alive: bool
    """Whether the process that wrote it still runs: then nobody else may touch the run."""
    broken_lines: int


def read_journal(path: Path) -> JournalContents:
    """All that can be believed of a journal; broken lines are counted and left out."""
    reader = _Reader()
    for line in _lines(path, reader):
        reader.take(line)
    return reader.contents()


class _Reader:
    """Gathers a journal's lines."""

    def __init__(self) -> None:
        self.headers: list[Mapping[str, Any]] = []
        self.records: dict[str, Record] = {}
        self.open: dict[str, Mapping[str, Any]] = {}
        """Drafts as they were written: nearly all of them are finished later, and need not become records."""
        self.calls: dict[str, list[KeptCall]] = {}
        self.series: list[Series] = []
        self.status: str | None = None
        self.broken = 0

    def take(self, line: Mapping[str, Any]) -> None:
        kind = line.get("kind")
        if kind == "run":
            self.headers.append(line)
        elif kind == "start":
            nodeid = line["record"]["nodeid"]
            self.open[nodeid] = line["record"]
            self.calls[nodeid] = []  # a rerun starts afresh
        elif kind == "call":
            self._call(line)
        elif kind == "record":
            record = Record.from_dict(line["record"])
            self.records[record.nodeid] = record
            self.open.pop(record.nodeid, None)
        elif kind == "amend" and line["nodeid"] in self.records:
            self.records[line["nodeid"]] = self.records[line["nodeid"]].torn_down(line["message"])
        elif kind == "series":
            self.series.append(Series.from_dict(line["series"]))
        elif kind == "end":
            self.status = line["status"]

    def _call(self, line: Mapping[str, Any]) -> None:
        kept = KeptCall(line["nodeid"], CallRecord.from_dict(line["call"]), tuple(line["messages"]), line["reply"])
        self.calls.setdefault(kept.nodeid, []).append(kept)

    def contents(self) -> JournalContents:
        unfinished = tuple(
            replace(Record.from_dict(draft), calls=tuple(kept.call for kept in self.calls.get(nodeid, ())))
            for nodeid, draft in self.open.items()
        )
        return JournalContents(
            headers=tuple(self.headers),
            records=tuple(self.records.values()),
            unfinished=unfinished,
            calls=tuple(kept for group in self.calls.values() for kept in group),
            series=tuple(self.series),
            status=self.status or "broken off",
            alive=any(map(alive, self.headers)),
            broken_lines=self.broken,
        )


def alive(header: Mapping[str, Any]) -> bool:
    """Whether the process that wrote this header still runs; its start time tells it from a later owner of the id."""
    try:
        return abs(psutil.Process(int(header["pid"])).create_time() - float(header["pid_started"])) < 1
    except (psutil.Error, KeyError, ValueError):
        return False


def _lines(path: Path, reader: _Reader) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as file:
        for raw in file:
            if not raw.strip():
                continue
            try:
                value = json.loads(raw) if raw.endswith(b"\n") else None
            except ValueError:
                value = None
            if isinstance(value, dict):
                yield value
            else:
                reader.broken += 1


def _bytes(line: str) -> bytes:
    return line.encode("ascii") + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
