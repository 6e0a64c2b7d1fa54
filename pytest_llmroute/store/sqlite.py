"""The default store: one SQLite file, written by one process at a time, readable by anybody at any time."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.records import Record, may_answer
from pytest_llmroute.core.series import Series
from pytest_llmroute.errors import UserError
from pytest_llmroute.store.contract import Kept, RunInfo
from pytest_llmroute.store.journal import KeptCall
from pytest_llmroute.store.migrations import STEPS, VERSION

BUSY_SECONDS = 60.0
"""How long others are waited for: a run of 100,000 tests is written in 10 to 20 seconds, all of it or nothing."""


class StoreError(UserError):
    """The store can't be used."""


class SqliteStore:
    """Opens (and where needed makes or migrates) the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            existed = path.exists()
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._migrate(existed)
            self._db.execute("PRAGMA journal_mode = WAL")
        except (sqlite3.Error, OSError) as error:
            raise self._error("can't be opened", error) from error

    def save(self, run: RunInfo, records: Iterable[Kept], calls: Iterable[Kept], series: Iterable[Series] = ()) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("DELETE FROM runs WHERE run_id = ?", (run.run_id,))
                self._db.execute("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?)", _run_row(run))
                self._db.executemany(
                    f"INSERT OR REPLACE INTO records VALUES ({','.join('?' * 18)})",
                    (_record_row(run.run_id, record) for record in records),
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO calls VALUES (?,?,?,?,?)",
                    (_call_row(run.run_id, kept) for kept in calls),
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO series VALUES (?,?,?)",
                    ((run.run_id, _safe(one.worker), json.dumps(one.to_dict())) for one in series),
                )
                self._db.execute("COMMIT")
            except BaseException:
                self._undo()
                raise
        except sqlite3.Error as error:
            raise self._error("can't be written", error) from error

    def runs(self, limit: int = 50) -> Sequence[RunInfo]:
        rows = self._db.execute("SELECT * FROM runs ORDER BY started_at DESC, run_id DESC LIMIT ?", (limit,)).fetchall()
        return [_run(row) for row in rows]

    def outcomes(self, run_id: str) -> dict[str, int]:
        """How many cases of a run ended how."""
        rows = self._db.execute("SELECT outcome, COUNT(*) FROM records WHERE run_id = ? GROUP BY outcome", (run_id,))
        return {str(outcome): int(count) for outcome, count in rows}

    def records(self, run_id: str) -> Iterator[Record]:
        """In the order in which they finished."""
        rows = self._db.execute("SELECT data FROM records WHERE run_id = ? ORDER BY rowid", (run_id,))
        return (Record.from_json(data) for (data,) in rows)

    def on_ladders(self, *, before: str, most: int) -> Iterator[Record]:
        """Cases in which a small model tried, of other runs that began in the second of one or earlier, newest first.

        An id begins with its second; what stands behind it is drawn by chance.
        """
        rows = self._db.execute(
            "SELECT data FROM records WHERE substr(run_id, 1, 15) <= ? AND run_id <> ?"
            ' AND instr(data, \'"role":"small"\') > 0'
            " ORDER BY run_id DESC, rowid DESC LIMIT ?",
            (before[:15], before, most),
        )
        return (Record.from_json(data) for (data,) in rows)

    def calls(self, run_id: str, nodeid: str) -> Sequence[KeptCall]:
        rows = self._db.execute(
            "SELECT data FROM calls WHERE run_id = ? AND nodeid = ? ORDER BY attempt", (run_id, _safe(nodeid))
        )
        return [KeptCall.from_dict(json.loads(data)) for (data,) in rows]

    def all_calls(self, run_id: str) -> Iterator[KeptCall]:
        rows = self._db.execute("SELECT data FROM calls WHERE run_id = ? ORDER BY nodeid, attempt", (run_id,))
        return (KeptCall.from_dict(json.loads(data)) for (data,) in rows)

    def series(self, run_id: str) -> Sequence[Series]:
        """What each process of a run used over time."""
        rows = self._db.execute("SELECT data FROM series WHERE run_id = ? ORDER BY worker", (run_id,))
        return [Series.from_dict(json.loads(data)) for (data,) in rows]

    def close(self) -> None:
        self._db.close()

    def _migrate(self, existed: bool) -> None:
        """Each step in a transaction of its own; whoever comes second finds the work done."""
        found = self._version()
        if found > VERSION:
            raise StoreError(
                f"the store {self.path.name} was written by a newer version (schema {found}, this one knows {VERSION})",
                code=Code.STORE,
                means="the run is not stored; its journal is kept",
                fix="pip install --upgrade pytest-llmroute",
                instead=f"move {self.path.name} away: a new one is made",
            )
        if existed and 0 < found < VERSION:
            shutil.copy2(self.path, self.path.with_name(f"{self.path.name}.bak-v{found}"))
        for number in range(found, VERSION):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if self._version() == number:
                    for statement in STEPS[number]:
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {number + 1}")
                self._db.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        with suppress(sqlite3.Error):  # a full disk has undone it already; that is the error to tell
            self._db.execute("ROLLBACK")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _error(self, what: str, error: Exception) -> StoreError:
        return StoreError(
            f"the store {self.path.name} {what}: {error}",
            code=Code.STORE,
            means="the records of this run are kept in its journal and go into the store with the next run",
            fix="make .llmroute/ writable, or wait for the other process that holds the file",
            instead="delete the file if it is no database of ours: a new one is made",
        )


def _run(row: tuple[Any, ...]) -> RunInfo:
    run_id, started, finished, status, version, profile, columns, facts = row
    return RunInfo(run_id, started, finished, status, version, profile, tuple(json.loads(columns)), json.loads(facts))


def _run_row(run: RunInfo) -> tuple[Any, ...]:
    return (
        run.run_id, run.started_at, run.finished_at, run.status, run.version, run.profile,
        json.dumps(list(run.columns)), json.dumps(dict(run.facts), default=repr),
    )  # fmt: skip


def _record_row(run_id: str, kept: Kept) -> tuple[Any, ...]:
    record = kept.to_dict()
    answers = (call for call in reversed(record["calls"]) if may_answer(call.get("role", ""), call.get("error_class")))
    model = next((call["model"] for call in answers), "")
    return (
        run_id, _safe(record["nodeid"]), _safe(record["case_id"]), _safe(record["column"]), _safe(record["task"]),
        _safe(record["phase"]), record["repeat"], _safe(model), record["outcome"], int(record["success"]),
        record["seconds"], record["prompt_tokens"], record["completion_tokens"], record["rss_peak"], record["usd"],
        int(record["scripted"]), int(record["forced"]), kept.to_json(),
    )  # fmt: skip


def _call_row(run_id: str, kept: Kept) -> tuple[Any, ...]:
    told = kept.to_dict()
    call = told["call"]
    return run_id, _safe(told["nodeid"]), call["attempt"], _safe(call["model"]), kept.to_json()


def _safe(text: Any) -> Any:
    """A text that SQLite can hold: lone surrogates and NULs escaped; `data` has them as they were."""
    if not isinstance(text, str):
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
