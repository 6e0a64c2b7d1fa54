"""The journal: what was written is there, whatever became of the process."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.solutions import Solution
from pytest_llmroute.store.contents import read_journal
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.journal import RECORD, Journal, JournalError, KeptCall, journal_path, run_header
from pytest_llmroute.store.merge import Gathered, InMemory, gather, recover, save_run, values
from pytest_llmroute.store.sqlite import SqliteStore

T = TypeVar("T")
WRITER = """
import sys
from pathlib import Path
from pytest_llmroute.core.records import Record
from pytest_llmroute.store.journal import Journal, journal_path, run_header
root = Path(sys.argv[1])
journal = Journal(journal_path(root, "run", "main"), run_header("run", "main"))
for n in range(100_000):
    record = Record("run", f"t.py::test[{n}]", f"t.py::test[{n}]", "fast", message="x" * (n % 700))
    journal.start(record)
    journal.record(record)
    print(n, flush=True)
"""


def record(nodeid: str = "t.py::a", **fields: object) -> Record:
    return replace(Record("run", nodeid, nodeid, "fast"), **fields)  # type: ignore[arg-type]


def journal(root: Path, worker: str = "main", run: str = "run") -> Journal:
    return Journal(journal_path(root, run, worker), run_header(run, worker))


@pytest.mark.parametrize("seed", range(5))
def test_a_process_that_is_killed_has_lost_nothing_that_it_finished(tmp_path: Path, seed: int) -> None:
    wanted, last = random.Random(seed).randrange(1, 3000), -1
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = int(line)
            if last >= wanted:
                os.kill(process.pid, signal.SIGKILL)
                break
        # Half a number can stand at the end: it was printed after its record, so it only says less.
        rest = [int(line) for line in process.stdout if line.endswith(b"\n")]
    finished = max([last, *rest])
    contents = read_journal(journal_path(tmp_path, "run", "main"))
    kept = {int(item.nodeid.partition("[")[2][:-1]) for item in values(contents.records)}
    assert kept >= set(range(finished + 1))
    assert contents.status == "broken off"
    assert not contents.alive
    assert contents.broken_lines <= 1


def test_half_a_line_at_the_end_and_rubbish_in_the_middle_are_left_out(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.record(record("a"))
    writer.close()
    with writer.path.open("ab") as file:
        file.write(b'rubbish\n{"kind":"record"\n')
    again = journal(tmp_path)
    again.record(record("b"))
    again.close()
    with writer.path.open("ab") as file:
        file.write(b'{"kind":"end","status":"finished"')
    contents = read_journal(writer.path)
    assert [item.nodeid for item in values(contents.records)] == ["a", "b"]
    assert contents.broken_lines == 3
    assert contents.status == "broken off"
    assert contents.alive


def test_a_case_without_an_end_is_kept_with_the_calls_it_made(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.start(record("a", outcome="interrupted"))
    writer.call(KeptCall("a", CallRecord("m"), ({"role": "user", "content": "q"},), "r"))
    writer.close()
    (left,) = values(gather(tmp_path, "run").records)
    assert (left.outcome, left.success, [call.model for call in left.calls]) == ("interrupted", False, ["m"])


def test_a_case_that_finished_on_another_worker_is_not_interrupted(tmp_path: Path) -> None:
    crashed, other = journal(tmp_path, "gw0"), journal(tmp_path, "gw1")
    crashed.start(record("a", outcome="interrupted"))
    other.start(record("a", outcome="interrupted"))
    other.record(record("a", outcome="passed", success=True))
    found = gather(tmp_path, "run")
    assert [item.outcome for item in values(found.records)] == ["passed"]


def test_what_comes_after_the_end_of_a_journal_begins_no_new_one(tmp_path: Path) -> None:
    """A call may come back when its run has stopped and is stored already."""
    writer = journal(tmp_path)
    writer.record(record("a"))
    writer.close()
    writer.path.unlink()
    writer.call(KeptCall("a", CallRecord("m"), (), "late"))
    assert not writer.path.exists()


def test_an_amendment_changes_the_record(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.record(record("a", outcome="passed", success=True))
    writer.amend("a", "error", "torn down badly")
    writer.close()
    (found,) = values(read_journal(writer.path).records)
    assert (found.outcome, found.success, found.message) == ("error", False, "torn down badly")
    assert found.error_class == "teardown"


def test_a_run_that_still_lives_is_left_alone(tmp_path: Path) -> None:
    living = journal(tmp_path, run="alive")
    living.record(record())
    living.end("finished")  # its workers are done, its controller has yet to store them
    dead = Journal(journal_path(tmp_path, "dead", "main"), {**run_header("dead", "main"), "process": ""})
    dead.record(record())
    store = SqliteStore(tmp_path / "s.db")
    assert recover(tmp_path, store, current="mine") == ["dead"]
    assert [info.run_id for info in store.runs()] == ["dead"]
    store.close()


def test_a_run_that_is_being_stored_by_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Its journal may vanish between being seen and being read."""
    path = journal_path(tmp_path, "theirs", "main")
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "nowhere")
    removed_by_half = journal_path(tmp_path, "old.stored", "gw0")
    removed_by_half.parent.mkdir(parents=True)
    removed_by_half.write_text("")
    store = SqliteStore(tmp_path / "s.db")
    assert recover(tmp_path, store, current="mine") == []
    assert list(store.runs()) == []
    assert path.parent.exists()
    assert not removed_by_half.parent.exists()
    store.close()


def test_leftovers_of_a_stored_run_never_replace_it(tmp_path: Path) -> None:
    left = Journal(journal_path(tmp_path, "run", "gw0"), {**run_header("run", "gw0"), "process": ""})
    left.record(record())
    left.close()
    store = SqliteStore(tmp_path / "s.db")
    store.save(RunInfo("run", "now", status="finished"), [record("a"), record("b")], [])
    assert recover(tmp_path, store, current="mine") == []
    assert len(list(store.records("run"))) == 2
    assert not left.path.parent.exists()
    store.close()


def test_journals_stay_when_the_store_fails(tmp_path: Path) -> None:
    journal(tmp_path).record(record())
    store = SqliteStore(tmp_path / "s.db")
    store.close()
    with pytest.raises(Exception, match="closed"):
        save_run(tmp_path, RunInfo("run", "now"), gather(tmp_path, "run"), store)
    assert list(gather(tmp_path, "run").records)


def test_a_journal_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    tmp_path.joinpath(".llmroute").write_text("in the way")
    with pytest.raises(JournalError, match=r"the journal main.jsonl can't be written"):
        journal(tmp_path).record(record())


def test_numbers_that_json_has_no_word_for_are_written_as_null(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.record(record("a", score=float("nan"), usd=float("inf")))
    writer.close()
    for line in writer.path.read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(name))
    (found,) = values(read_journal(writer.path).records)
    assert found.score is None


def test_what_counts_is_found_over_all_parts_of_a_run(tmp_path: Path) -> None:
    """Of an item its last record with that one's own calls, wherever they lie; a worker may have left an empty file."""

    def call(nodeid: str, attempt: int) -> KeptCall:
        return KeptCall(nodeid, CallRecord("m", attempt=attempt), (), f"{nodeid}{attempt}")

    def done(nodeid: str, *attempts: int) -> Record:
        return record(nodeid, outcome="passed", calls=tuple(call(nodeid, attempt).call for attempt in attempts))

    first, second = journal(tmp_path), Journal(journal_path(tmp_path, "run", "main", 2), run_header("run", "main"))
    first.call(call("a", 1))
    journal_path(tmp_path, "run", "gw0").write_bytes(b"")
    first.record(done("a", 1))
    first.call(call("a", 2))
    first.call(call("b", 1))
    first.record(done("b", 1))
    first.start(record("c", outcome="interrupted"))
    first.call(call("c", 1))
    second.call(call("a", 3))
    second.record(done("a", 2, 3))
    second.amend("b", "error", "torn down badly")
    found = gather(tmp_path, "run")
    for _ in range(2):  # it is read anew each time
        records = {each.nodeid: (each.outcome, [one.attempt for one in each.calls]) for each in values(found.records)}
        assert records == {"a": ("passed", [2, 3]), "b": ("error", [1]), "c": ("interrupted", [1])}
        assert sorted(kept.to_dict()["reply"] for kept in found.calls) == ["a2", "a3", "b1", "c1"]


def test_a_large_run_goes_into_the_store_with_little_memory(tmp_path: Path) -> None:
    """Far less than its texts take: they are read one by one."""
    writer, size, count = journal(tmp_path), 20_000, 150
    for number in range(count):
        nodeid, made = f"t.py::test[{number}]", CallRecord("m")
        writer.call(KeptCall(nodeid, made, ({"role": "user", "content": "q" * size},), "r" * size))
        writer.record(record(nodeid, calls=(made,), message="x" * size))
    writer.close()
    store = SqliteStore(tmp_path / "s.db")
    tracemalloc.start()
    try:
        save_run(tmp_path, RunInfo("run", "now"), gather(tmp_path, "run"), store)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store.outcomes("run") == {"passed": count}
    store.close()
    assert peak < 0.1 * 3 * size * count


TEXT = st.text(st.characters(codec=None), max_size=40)


@given(nodeid=TEXT.filter(bool), message=TEXT, reply=st.none() | TEXT, count=st.integers(0, 2**40))
def test_any_text_comes_back_as_it_was(nodeid: str, message: str, reply: str | None, count: int) -> None:
    given_record = record(nodeid, message=message, outcome="missed", prompt_tokens=count, calls=(CallRecord("m"),))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        writer = journal(root)
        writer.call(KeptCall(nodeid, CallRecord("m"), ({"role": "user", "content": message},), reply))
        writer.record(given_record)
        writer.close()
        store = SqliteStore(root / "s.db")
        save_run(root, RunInfo("run", "now"), gather(root, "run"), store)
        assert list(store.records("run")) == [given_record]
        (kept,) = store.calls("run", nodeid)
        assert (kept.messages[0]["content"], kept.reply) == (message, reply)
        store.close()


ODD = "half \ud800, none \0, é"
SET = {
    "str": ODD, "bool": True, "int": 7, "float": 0.1 + 0.2, "Mapping[str, Any]": {ODD: [1, None, {}]},
    "tuple[str, ...]": (ODD,), "tuple[bool, ...]": (True, False), "tuple[tuple[str, str], ...]": ((ODD, ""),),
    "tuple[tuple[str, str, str], ...]": ((ODD, "b", "c"),), "tuple[CallRecord, ...]": (), "Solution": None,
}  # fmt: skip
"""For each type of a field a value that is not easily kept."""


def full(kind: type[T], **more: object) -> T:
    """Every field is set."""
    told = {item.name: SET[str(item.type).removesuffix(" | None")] for item in fields(kind)}  # type: ignore[arg-type]
    return kind(**{**told, **more})


def rows(store: Path, table: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(store) as db:
        return db.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()


def test_what_goes_from_journals_into_the_store_is_what_its_values_are(tmp_path: Path) -> None:
    """It is not made into values on its way; a run that is taken from memory leaves the same rows."""
    messages = ({"role": "user", "content": ODD},)
    call, plain = full(CallRecord, role="verifier"), CallRecord("m", attempt=8, rung=1, sent={"n": 1})
    judged = replace(plain, passed=True, accepted=False)
    records = [
        full(Record, nodeid=f"{ODD}1", calls=(judged, call), solution=full(Solution), outcome="passed"),
        full(Record, nodeid="torn down", calls=(replace(call, role=""),), outcome="passed"),
        Record("run", "plain", "plain", "fast"),
    ]
    calls = [
        KeptCall(records[0].nodeid, plain, messages, ODD, {"thinking": ODD}),
        KeptCall(records[0].nodeid, call, messages, None),
    ]
    writer = journal(tmp_path)
    for kept in calls:
        writer.call(kept)
    for each in records:
        writer.record(each)
    writer.amend("torn down", "error", ODD)
    writer.start(record("begun", outcome="interrupted"))
    writer.close()
    found = gather(tmp_path, "run")
    known = found.in_memory()
    assert known.records[::2] == (records[0], records[2])
    assert known.records[1] == records[1].torn_down(ODD)
    assert known.calls == (replace(calls[0], call=judged), calls[1])
    both: list[tuple[str, Gathered | InMemory]] = [("journals.db", found), ("memory.db", known)]
    for name, source in both:
        store = SqliteStore(tmp_path / name)
        store.save(RunInfo("run", "now"), source.records, source.calls)
        assert tuple(store.records("run")) == known.records
        assert tuple(store.calls("run", records[0].nodeid)) == known.calls[::-1]
        store.close()
    for table in ("records", "calls"):
        assert rows(tmp_path / "journals.db", table) == rows(tmp_path / "memory.db", table)


@pytest.mark.parametrize("begin", [RECORD, '{"kind": "record", "record": '])
def test_a_record_of_another_version_is_kept_with_all_that_it_says(tmp_path: Path, begin: str) -> None:
    """What this one does not know stays, for those who do; what the other did not write is as usual."""
    said = {"run_id": "run", "nodeid": "a", "case_id": "a", "column": "fast", "calls": [{"model": "m", "new": 1}]}
    writer = journal(tmp_path)
    writer.open()
    writer.close()
    with writer.path.open("a") as file:
        file.write(f'{begin}{json.dumps({**said, "newer": [1]})},"at":"now"}}\n')
    store = SqliteStore(tmp_path / "s.db")
    save_run(tmp_path, RunInfo("run", "now"), gather(tmp_path, "run"), store)
    assert list(store.records("run")) == [Record("run", "a", "a", "fast", calls=(CallRecord("m"),))]
    store.close()
    (row,) = rows(tmp_path / "s.db", "records")
    assert row[:-1] == ("run", "a", "a", "fast", None, None, 1, "m", "passed", 0, 0.0, 0, 0, None, None, 0, 0)
    assert {"newer": [1], **said}.items() <= json.loads(row[-1]).items()


def test_a_draft_of_a_case_that_had_called_is_written_again_with_its_calls_beside_it(tmp_path: Path) -> None:
    """So it is where a run is resumed that the store has taken up."""
    call = CallRecord(model="m", backend="x", attempt=2)
    draft = record(outcome="interrupted", calls=(call,))
    written = journal(tmp_path)
    written.start(draft)
    written.call(KeptCall(draft.nodeid, call, (), "said"))
    written.close()
    assert list(read_journal(written.path).unfinished) == [draft]
