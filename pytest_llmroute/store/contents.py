"""What the journals of a run hold.

They are gone through once to find out which lines count; of these only the places are kept, since a run may be larger
than what there should be in memory of it. Whoever wants records or calls reads them line by line, as they were
written: what is stored needs no value of ours, and its JSON is there already.
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

from pytest_llmroute.core.anew import Anew
from pytest_llmroute.core.plain import as_json
from pytest_llmroute.core.processes import lives, parent_of
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.store.contract import Kept
from pytest_llmroute.store.journal import KeptCall, part_of, record_in


@dataclass(frozen=True, slots=True)
class AsWritten:
    """A record or a call, as a journal has it."""

    data: Mapping[str, Any]
    text: str = ""
    """Its JSON; empty where its line has another form."""

    def to_dict(self) -> Mapping[str, Any]:
        return self.data

    def to_json(self) -> str:
        return self.text or as_json(self.data)


@dataclass(frozen=True, slots=True)
class JournalContents:
    """What journals hold: finished records, and drafts of cases that never finished.

    Records and calls are read when they are gone through: the journals must still be there.
    """

    headers: tuple[Mapping[str, Any], ...]
    records: Iterable[Kept]
    unfinished: Iterable[Record]
    calls: Iterable[Kept]
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
                    value = json.loads(raw.decode()) if raw.endswith(b"\n") else None
                except ValueError:
                    value = None
                if isinstance(value, dict):
                    yield place, value
                else:
                    self.broken += 1

    def path_of(self, place: int) -> Path:
        return self._paths[self._file_of(place)]

    def at(self, places: Iterable[int]) -> Iterator[str]:
        """Lines that were read before, once more."""
        with ExitStack() as stack:
            files: dict[int, BinaryIO] = {}
            for place in places:
                number = self._file_of(place)
                if number not in files:
                    files[number] = stack.enter_context(self._paths[number].open("rb"))
                files[number].seek(place - self._begins[number])
                yield files[number].readline().decode()

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

    def _finished(self) -> Iterator[Kept]:
        for nodeid, line in zip(self._records, self._lines.at(self._records.values()), strict=True):
            record, text = record_in(line)
            if nodeid in self._torn_down:
                yield Record.from_dict(record).torn_down(self._torn_down[nodeid])
            else:
                yield AsWritten(Record.whole(record), text)

    def _unfinished(self) -> Iterator[Record]:
        left = {nodeid: place for nodeid, place in self._open.items() if nodeid not in self._records}
        for nodeid, line in zip(left, self._lines.at(left.values()), strict=True):
            calls = (json.loads(call)["call"] for call in self._lines.at(self._calls.get(nodeid, {}).values()))
            yield replace(Record.from_dict(json.loads(line)["record"]), calls=tuple(map(CallRecord.from_dict, calls)))

    def _kept(self) -> Iterator[Kept]:
        places = (place for group in self._calls.values() for place in group.values())
        judged: tuple[str, Mapping[int, Mapping[str, Any]]] = "", {}
        for kept in map(KeptCall.whole, map(json.loads, self._lines.at(places))):
            nodeid, call = kept["nodeid"], kept["call"]
            if call["rung"] and nodeid in self._records:
                # An attempt: what came of its reply was known after its line was written, and stands in the record.
                if judged[0] != nodeid:
                    judged = nodeid, self._judged(nodeid)
                kept["call"] = judged[1].get(call["attempt"], call)
            yield AsWritten(kept)

    def _judged(self, nodeid: str) -> dict[int, dict[str, Any]]:
        (line,) = self._lines.at([self._records[nodeid]])
        record, _ = record_in(line)
        calls = map(CallRecord.whole, record.get("calls") or ())
        return {call["attempt"]: call for call in calls}


def alive(header: Mapping[str, Any]) -> bool:
    """Whether the process that wrote this header still runs."""
    return lives(str(header.get("process", "")))


def orphaned(header: Mapping[str, Any]) -> bool:
    """Whether it still runs though the process that started it, xdist's controller, is gone: it ends in seconds."""
    return alive(header) and parent_of(int(header["pid"])) not in (None, header.get("parent"))
