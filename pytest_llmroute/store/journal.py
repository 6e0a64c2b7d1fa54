"""The append-only journal: one file a process, one line an event, written before anything else hears of it.

Kinds of lines: run (first), open, start, call, record, amend, series, end. A process that is killed loses nothing it
wrote. A run that is resumed goes on in further files, its second part: `main.2.jsonl` beside `main.jsonl`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.plain import as_json
from pytest_llmroute.core.processes import name_of
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.errors import UserError

PATIENCE = 1.0
"""Seconds that closing waits for lines that are just being written."""
SCHEMA = 1
RECORD = '{"kind":"record","record":'
"""What stands before a record in its line."""
FOLDER = ".llmroute/journal"
_DECODER = json.JSONDecoder()


class JournalError(UserError):
    """The journal can't be written."""

    def __init__(self, name: str, why: str, *, begun: bool) -> None:
        self.begun = begun
        """Whether it could be written before: then more is lost than was said at the start."""
        super().__init__(
            f"the journal {name} can't be written: {why}",
            code=Code.STORE,
            means="the run stops: what its next calls bring could not be kept" if begun
            else "tests go on, but nothing of this process is kept",
            fix="make room, or make .llmroute/ below the root directory writable",
        )  # fmt: skip


def journal_folder(root: Path, run_id: str) -> Path:
    return root / FOLDER / run_id


def journal_path(root: Path, run_id: str, worker: str, part: int = 1) -> Path:
    return journal_folder(root, run_id) / f"{part_name(worker, part)}.jsonl"


def part_name(worker: str, part: int) -> str:
    """A process among those of all parts of its run."""
    return worker if part == 1 else f"{worker}.{part}"


def part_of(path: Path) -> int:
    """1, or how often the run that a journal is of had been begun when it was written."""
    number = path.stem.rpartition(".")[2]
    return int(number) if number.isdecimal() else 1


def run_header(run_id: str, worker: str, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The first line: what the run is, and enough to know later whether the process that wrote it still lives."""
    return {
        "kind": "run",
        "schema": SCHEMA,
        "run_id": run_id,
        "worker": worker,
        "pid": os.getpid(),
        "process": name_of(os.getpid()),
        "parent": os.getppid(),
        "started_at": _now(),
        "about": dict(about or {}),
    }


class Journal:
    """Appends lines; each is one write, so a line is there whole or not at all."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.path = path
        self._header = dict(header)
        self._descriptor: int | None = None
        self._only = self._begun = self._closed = False
        self._writing: set[int] = set()
        """Threads that are just writing: without a lock, since of many slots most would wait for it."""
        self._opening = threading.Lock()

    def open(self) -> None:
        """Writes the first line only: the sign that this run has a living process."""
        self._write({"kind": "open", "at": _now()})

    def claim(self) -> bool:
        """The same, for one process only: False where the file is there already."""
        self._only = True
        try:
            self.open()
        except FileExistsError:
            return False
        finally:
            self._only = False
        return True

    def start(self, draft: Record) -> None:
        self._write({"kind": "start", "record": draft.told()})

    def call(self, kept: KeptCall) -> None:
        self._write({"kind": "call", **kept.told()})

    def record(self, record: Record) -> None:
        self.record_text(record.to_json())

    def record_text(self, text: str) -> None:
        """A record whose JSON has been made already."""
        self._append(f"{RECORD}{text}}}")

    def amend(self, nodeid: str, outcome: str, message: str) -> None:
        self._write({"kind": "amend", "nodeid": nodeid, "outcome": outcome, "message": message})

    def series(self, series: Series) -> None:
        self._write({"kind": "series", "series": series.to_dict()})

    def end(self, status: str) -> None:
        self._write({"kind": "end", "status": status, "at": _now()})

    def close(self) -> None:
        """What comes later is not heard: a call that was on its way when the run stopped must not begin a new file."""
        self._closed = True
        until = time.monotonic() + PATIENCE
        while self._writing and time.monotonic() < until:
            time.sleep(0.001)
        if self._descriptor is not None and not self._writing:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, line: Mapping[str, Any]) -> None:
        self._append(as_json(line))

    def _append(self, line: str) -> None:
        data = _bytes(line)
        thread = threading.get_ident()
        self._writing.add(thread)
        try:
            if self._closed:
                return
            if self._descriptor is None:
                with self._opening:
                    if self._descriptor is None:
                        self._open()
            _write(self._descriptor or 0, data)
        except FileExistsError:
            raise
        except OSError as error:
            raise JournalError(self.path.name, str(error.strerror), begun=self._begun) from error
        finally:
            self._writing.discard(thread)
        self._begun = True

    def _open(self) -> None:
        """Opens the file and writes the lines that belong in front."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self._only or not self.path.exists()
        only = os.O_EXCL if self._only else 0
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | only, 0o644)
        # A worker started anew under an old name goes on in the same file, after whatever half a line is there.
        header = _bytes(as_json(self._header))
        _write(descriptor, header if new else b"\n" + header)
        self._descriptor = descriptor


def _write(descriptor: int, data: bytes) -> None:
    """At the end of the file, whoever else writes there."""
    # A line cut short by a full disk has no newline, or is joined by the next: the reader drops it.
    if os.write(descriptor, data) != len(data):
        raise OSError(28, "no space left on the device")


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A call with its texts: all that its reply can be made from again."""

    nodeid: str
    call: CallRecord
    messages: tuple[Mapping[str, Any], ...]
    reply: str | None
    more: Mapping[str, Any] = field(default_factory=dict)
    """What few replies have: thinking, tool_calls, logprobs."""

    def to_dict(self) -> dict[str, Any]:
        return self._with(self.call.to_dict())

    def told(self) -> dict[str, Any]:
        """The same without what is as usual."""
        return self._with(self.call.told())

    def _with(self, call: dict[str, Any]) -> dict[str, Any]:
        messages = [dict(message) for message in self.messages]
        data = {"nodeid": self.nodeid, "call": call, "messages": messages, "reply": self.reply}
        return {**data, "more": dict(self.more)} if self.more else data

    def to_json(self) -> str:
        return as_json(self.to_dict())

    @staticmethod
    def whole(line: Mapping[str, Any]) -> dict[str, Any]:
        """The plain data of a call, from its line."""
        told = {key: value for key, value in line.items() if key != "kind"}
        return {**told, "call": CallRecord.whole(told["call"])}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> KeptCall:
        call = CallRecord.from_dict(data["call"])
        return KeptCall(data["nodeid"], call, tuple(data["messages"]), data["reply"], data.get("more") or {})


def record_in(line: str) -> tuple[dict[str, Any], str]:
    """The record of a line, and its JSON as it stands there."""
    if not line.startswith(RECORD):  # no version of ours has written it so far
        record = json.loads(line)["record"]
        return record, as_json(record)
    record, end = _DECODER.raw_decode(line, len(RECORD))
    return record, line[len(RECORD) : end]


def _bytes(line: str) -> bytes:
    return line.encode("ascii") + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
