"""What the journals of a run hold.

They are gone through once to find out which lines count; of these only the places are kept, since a run may be larger
than what there should be in memory of it. Whoever wants records or calls reads them line by line.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO

import psutil

from pytest_llmroute.core.anew import Anew
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.store.journal import KeptCall, part_of
from pytest_llmroute.store.living import lives


@dataclass(frozen=True, slots=True)
class JournalContents:
    """What journals hold: finished records, and drafts of cases that never finished.

    Records and calls are read when they are gone through: the journals must still be there.
    """

    headers: tuple[Mapping[str, Any], ...]
    records: Iterable[Record]
    unfinished: Iterable[Record]
    calls: Iterable[KeptCall]
    """Of a finished record its own, and what was called after it; of an unfinished case all."""
    series: tuple[Series, ...]
    status: str
    """finished or interrupted as the end of the last part says; broken off when a journal of it has none."""
    alive: bool
    """Whether a process that wrote them still runs: then nobody else may touch the run."""
    broken_lines: int


def read_journal(path: Path) -> JournalContents:
    """All that can be believed of a journal; broken lines are counted and left out."""
    return read_journals([path])


def read_journals(paths: Iterable[Path]) -> JournalContents:
    """Those of one run, put together; of several records of one item the last one counts."""
    reader = _Reader()
    for path in sorted(paths, key=lambda path: (part_of(path), path)):
        reader.read(path)
    return reader.contents()


class _Lines:
    """The lines of several files. A line's place is where it begins, counted as if the files were one."""

    def __init__(self) -> None:
        self.broken = 0
        self._paths: list[Path] = []
        self._begins: list[int] = []
        """The place of each file's first line."""
        self._end = 0

    def of(self, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Those of one more file that can be believed, each with its place."""
        self._paths.append(path)
        self._begins.append(self._end)
        with path.open("rb") as file:
            for raw in file:
                place, self._end = self._end, self._end + len(raw)
                if not raw.strip():
                    continue
                try:
                    value = json.loads(raw) if raw.endswith(b"\n") else None
                except ValueError:
                    value = None
                if isinstance(value, dict):
                    yield place, value
                else:
                    self.broken += 1

    def path_of(self, place: int) -> Path:
        return self._paths[self._file_of(place)]

    def at(self, places: Iterable[int]) -> Iterator[Mapping[str, Any]]:
        """Lines that were read before, once more."""
        with ExitStack() as stack:
            files: dict[int, BinaryIO] = {}
            for place in places:
                number = self._file_of(place)
                if number not in files:
                    files[number] = stack.enter_context(self._paths[number].open("rb"))
                files[number].seek(place - self._begins[number])
                yield json.loads(files[number].readline())

    def _file_of(self, place: int) -> int:
        return bisect(self._begins, place) - 1


class _Reader:
    """Finds the lines that count, part by part."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._headers: list[Mapping[str, Any]] = []
        self._records: dict[str, int] = {}
        """The places of records, drafts and calls, by item; of calls by their number, too."""
        self._open: dict[str, int] = {}
        self._calls: dict[str, dict[int, int]] = {}
        self._torn_down: dict[str, str] = {}
        """Records whose teardown failed afterwards, with its message."""
        self._series: list[Series] = []
        self._ends: dict[Path, str] = {}

    def read(self, path: Path) -> None:
        if part_of(path) > max(map(part_of, self._ends), default=1):
            self._ends.clear()  # earlier parts are over, however they ended
        self._ends[path] = "broken off"
        for place, line in self._lines.of(path):
            self._take(line, place, path)

    def _take(self, line: Mapping[str, Any], place: int, path: Path) -> None:
        kind = line.get("kind")
        if kind == "run":
            self._headers.append(line)
        elif kind == "start":
            self._open[intern(line["record"]["nodeid"])] = place
        elif kind == "call":
            self._call(intern(line["nodeid"]), line["call"].get("attempt", 1), place, path)
        elif kind == "record":
            self._record(line["record"], place)
        elif kind == "amend" and line["nodeid"] in self._records:
            self._torn_down[line["nodeid"]] = line["message"]
        elif kind == "series":
            self._series.append(Series.from_dict(line["series"]))
        elif kind == "end":
            self._ends[path] = line["status"]

    def _call(self, nodeid: str, attempt: int, place: int, path: Path) -> None:
        home = self._lines.path_of(self._records[nodeid]) if nodeid in self._records else path
        if home == path or part_of(home) < part_of(path):  # else of a worker that died, whose case another one did
            self._calls.setdefault(nodeid, {})[attempt] = place

    def _record(self, record: Mapping[str, Any], place: int) -> None:
        """What else was called for the item was for another try of it."""
        nodeid = intern(record["nodeid"])
        calls = self._calls.pop(nodeid, {})
        attempts = [call.get("attempt", 1) for call in record.get("calls") or ()]
        if own := {attempt: calls[attempt] for attempt in attempts if attempt in calls}:
            self._calls[nodeid] = own
        self._records[nodeid] = place
        self._torn_down.pop(nodeid, None)
        self._open.pop(nodeid, None)

    def contents(self) -> JournalContents:
        said = set(self._ends.values())
        return JournalContents(
            headers=tuple(self._headers),
            records=Anew(self._finished),
            unfinished=Anew(self._unfinished),
            calls=Anew(self._kept),
            series=tuple(self._series),
            status=next((status for status in ("broken off", "interrupted") if status in said), "finished"),
            alive=any(map(alive, self._headers)),
            broken_lines=self._lines.broken,
        )

    def _finished(self) -> Iterator[Record]:
        for nodeid, line in zip(self._records, self._lines.at(self._records.values()), strict=True):
            record = Record.from_dict(line["record"])
            yield record.torn_down(self._torn_down[nodeid]) if nodeid in self._torn_down else record

    def _unfinished(self) -> Iterator[Record]:
        left = {nodeid: place for nodeid, place in self._open.items() if nodeid not in self._records}
        for nodeid, line in zip(left, self._lines.at(left.values()), strict=True):
            calls = map(KeptCall.from_dict, self._lines.at(self._calls.get(nodeid, {}).values()))
            yield replace(Record.from_dict(line["record"]), calls=tuple(kept.call for kept in calls))

    def _kept(self) -> Iterator[KeptCall]:
        places = (place for group in self._calls.values() for place in group.values())
        judged: tuple[str, Mapping[int, CallRecord]] = "", {}
        for kept in map(KeptCall.from_dict, self._lines.at(places)):
            if kept.call.rung and kept.nodeid in self._records:
                # An attempt: what came of its reply was known after its line was written, and stands in the record.
                if judged[0] != kept.nodeid:
                    judged = kept.nodeid, self._judged(kept.nodeid)
                kept = replace(kept, call=judged[1].get(kept.call.attempt, kept.call))
            yield kept

    def _judged(self, nodeid: str) -> dict[int, CallRecord]:
        (line,) = self._lines.at([self._records[nodeid]])
        return {call.attempt: call for call in Record.from_dict(line["record"]).calls}


def alive(header: Mapping[str, Any]) -> bool:
    """Whether the process that wrote this header still runs."""
    return lives(str(header.get("process", "")))


def orphaned(header: Mapping[str, Any]) -> bool:
    """Whether it still runs though the process that started it, xdist's controller, is gone: it ends in seconds."""
    try:
        return alive(header) and psutil.Process(int(header["pid"])).ppid() != header.get("parent")
    except psutil.Error:
        return False
