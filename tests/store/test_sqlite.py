"""The database: one row a case, old files go on working, newer ones are left alone."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.store import migrations, sqlite
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.journal import KeptCall
from pytest_llmroute.store.sqlite import SqliteStore, StoreError

OLD = Path(__file__).parents[2] / "fixtures" / "store-v1.db"
CALL = KeptCall("t.py::a", CallRecord("m", attempt=1), ({"role": "user", "content": "q"},), "r")


def example() -> tuple[RunInfo, list[Record], list[KeptCall]]:
    """What the fixture `store-v1.db` holds; `python tests/store/test_sqlite.py` writes it anew."""
    began, ended = "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00"
    run = RunInfo("run-1", began, ended, profile="scripted", columns=("fast",))
    records = [
        Record("run-1", "t.py::a", "t.py::a", "fast", outcome="passed", success=True, calls=(CALL.call,)),
        Record("run-1", "t.py::b", "t.py::b", "fast", outcome="missed", message='wanted "x"'),
    ]
    return run, records, [CALL]


def test_saving_again_leaves_one_row_a_case(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    run, records, calls = example()
    for _ in range(2):
        store.save(run, records, calls)
    assert list(store.runs()) == [run]
    assert list(store.records("run-1")) == records
    assert list(store.calls("run-1", "t.py::a")) == calls
    store.close()


def test_series_go_with_their_run(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    run, records, calls = example()
    series = [Series("gw0", "now", 0.2, ((0.2, 10, 1.5, None, None, None), (0.4, 11, 0.0, 7, None, None)))]
    for kept in ([], series, series):
        store.save(run, records, calls, kept)
        assert list(store.series("run-1")) == kept
    assert list(store.series("another")) == []
    store.close()


def test_a_database_of_schema_1_is_read(tmp_path: Path) -> None:
    shutil.copy(OLD, tmp_path / "s.db")
    store = SqliteStore(tmp_path / "s.db")
    run, records, calls = example()
    assert list(store.runs()) == [run]
    assert list(store.records("run-1")) == records
    assert list(store.calls("run-1", "t.py::a")) == calls
    store.close()


def test_a_database_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="written by a newer version"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_text("I am a letter, not a database. " * 20)
    with pytest.raises(StoreError, match="can't be opened: file is not a database"):
        SqliteStore(path)
    assert path.read_text().startswith("I am a letter")


def test_an_upgrade_keeps_a_copy_of_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.db"
    shutil.copy(OLD, path)
    steps = (*migrations.STEPS, ("ALTER TABLE runs ADD COLUMN remark TEXT",))
    monkeypatch.setattr(sqlite, "STEPS", steps)
    monkeypatch.setattr(sqlite, "VERSION", len(steps))
    SqliteStore(path).close()
    assert (tmp_path / "s.db.bak-v1").read_bytes() == OLD.read_bytes()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(steps),)
        assert db.execute("SELECT run_id, remark FROM runs").fetchall() == [("run-1", None)]


WRITER = """
import sys
from pathlib import Path
from pytest_llmroute.core.records import Record
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.sqlite import SqliteStore
for n in range(30):
    store = SqliteStore(Path(sys.argv[1]))
    name = f"{sys.argv[2]}-{n}"
    store.save(RunInfo(name, "now"), [Record(name, f"t{i}", f"t{i}", "fast") for i in range(50)], [])
    store.close()
"""


def test_two_processes_write_to_one_store_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "s.db")
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, path, name]) for name in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM runs").fetchone() == (60,)
        assert db.execute("SELECT COUNT(*) FROM records").fetchone() == (3000,)


if __name__ == "__main__":
    OLD.unlink(missing_ok=True)
    fixture = SqliteStore(OLD)
    fixture.save(*example())
    fixture.close()
