"""`llmroute merge`: shards together are the run that was never taken apart, to the last digit."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.gate.baseline import read_baseline, text_of
from pytest_llmroute.gate.compare import compare
from pytest_llmroute.gate.requirement import parse_requirement
from pytest_llmroute.gate.result import GateSettings
from pytest_llmroute.report.gatejson import gate_json
from pytest_llmroute.report.sources import StoredRun, merged, run_of_file
from pytest_llmroute.store.journal import Journal, KeptCall
from pytest_llmroute.store.sqlite import SqliteStore

from . import toy
from .conftest import Call

Data = Mapping[str, Any]


def shard(data: Data, number: int, records: Sequence[Data], run_id: str) -> Data:
    """The same run as far as `records` go, made by another process."""
    facts = {**data["run"]["facts"], "selection": f"--group={number}"}
    return {**data, "run": {**data["run"], "run_id": run_id, "facts": facts}, "records": records, "gate": None}


def as_journal(path: Path, data: Data) -> None:
    head = data["run"]
    about = {name: head[name] for name in ("started_at", "version", "profile", "columns", "facts")}
    journal = Journal(path, {"kind": "run", "run_id": head["run_id"], "worker": "main", "about": about})
    for record in data["records"]:
        journal.start(Record.from_dict(record))
        journal.call(KeptCall(record["nodeid"], CallRecord("toy"), (), "kept"))
        journal.record(Record.from_dict(record))
    journal.end("finished")
    journal.close()


def written(folder: Path, data: Data, parts: Sequence[Sequence[Data]], journals: set[int], ids: Sequence[str]) -> None:
    for number, records in enumerate(parts):
        part = shard(data, number, records, ids[number])
        path = folder / (f"{number}.jsonl" if number in journals else f"{number}.json")
        if number in journals:
            as_journal(path, part)
        else:
            path.write_text(json.dumps(part))


def verdict(run: StoredRun, baseline: Path) -> Data:
    result = compare(
        run.tries, run.figures, read_baseline(baseline), GateSettings(), source=baseline.name,
        requirements=[parse_requirement(one) for one in toy.DEMANDS], incomplete=run.incomplete,
    )  # fmt: skip
    data: Data = json.loads(json.dumps(gate_json(result)))
    return data


def number_of(record: Data) -> int:
    """The same for all repeats of a case."""
    return int(record["case_id"].partition("n=")[2].rstrip("]"))


@settings(max_examples=10, deadline=None)
@given(
    shards=st.integers(1, 6), journals=st.sets(st.integers(0, 5)), one_id=st.booleans(), seed=st.integers(0, 2**32)
)  # fmt: skip
def test_any_partition_in_any_order_is_the_whole_run(
    whole: Path, shards: int, journals: set[int], one_id: bool, seed: int
) -> None:
    data, baseline = toy.loaded(whole / "now.json"), whole / "llmroute-baseline.json"
    luck = random.Random(seed)
    parts: list[list[Data]] = [[] for _ in range(shards)]
    for record in luck.sample(data["records"], len(data["records"])):
        luck.choice(parts).append(record)
    ids = [data["run"]["run_id"] if one_id else f"{data['run']['run_id']}-{number}" for number in range(shards)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, data, parts, journals, ids)
        files = luck.sample(sorted(folder.iterdir()), shards)
        found, twice = merged([run_of_file(file) for file in files])
    assert (len(found.records), twice, found.incomplete) == (360, 0, "")
    assert json.loads(json.dumps([asdict(one) for one in found.summary.columns])) == data["columns"]
    # Only what names the run itself is another: its id, where the shards had several.
    info = replace(found.info, run_id=data["run"]["run_id"])
    if shards == 1:
        info = replace(info, facts={**info.facts, "selection": ""})
    same = replace(found, info=info)
    assert verdict(same, baseline) == data["gate"]
    assert text_of(same.figures) == text_of(run_of_file(whole / "now.json").figures)


def test_the_order_of_files_changes_nothing_at_all(whole: Path, folder: Path) -> None:
    data = toy.loaded(whole / "now.json")
    written(folder, data, [data["records"][n::4] for n in range(4)], {2}, ["a", "b", "c", "d"])
    runs = [run_of_file(path) for path in sorted(folder.iterdir())]
    first, _ = merged(runs)
    for seed in range(5):
        mixed = random.Random(seed).sample(runs, len(runs))
        assert merged(mixed) == (first, 0)


@pytest.mark.parametrize("target", ["merged.json", "merged.db", None])
def test_the_command_writes_a_run_that_is_judged_as_the_whole(
    call: Call, whole: Path, folder: Path, target: str | None
) -> None:
    toy.project(folder)
    data = toy.loaded(whole / "now.json")
    written(folder, data, [data["records"][n::3] for n in range(3)], {1}, ["run-a", "run-b", "run-c"])
    ended = call("merge", "2.json", "1.jsonl", "0.json", *(["-o", target] if target else []))
    assert (ended.code, "dear   used dear ×180" in ended.out) == (0, True)
    assert "3 files, 360 cases: run merged-" in ended.err
    against = [
        "--against",
        str(whole / "llmroute-baseline.json"),
        *(f"--require={one}" for one in toy.DEMANDS),
        "--json",
    ]
    judged = call("gate", target or "last", *against)
    assert judged.code == 1
    run_id = judged.json["now"]["run_id"]
    assert run_id.startswith("merged-")
    wanted = {"schema": "llmroute.gate/1", **data["gate"], "now": {**data["gate"]["now"], "run_id": run_id}}
    assert judged.json == wanted
    if target is None:
        assert call("show", "last", "--calls", "-n", "400").out.count("reply     | kept") == 120
    call("baseline", "save", target or "last", "-f", "ours.json")
    call("baseline", "save", str(whole / "now.json"), "-f", "theirs.json")
    ours = (folder / "ours.json").read_text()
    assert ours == (folder / "theirs.json").read_text().replace(data["run"]["run_id"], run_id)


def test_the_stored_run_and_its_file_are_judged_as_the_run_itself_was(
    call: Call, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(whole)
    own = toy.loaded(whole / "now.json")["gate"]
    for source in ("last", own["now"]["run_id"], "now.json"):
        judged = call("gate", source, "--json", *(f"--require={one}" for one in toy.DEMANDS))
        assert (judged.code, judged.json) == (1, {"schema": "llmroute.gate/1", **own})


def test_a_shard_that_is_missing_or_broken_is_no_pass(call: Call, whole: Path, folder: Path) -> None:
    data = toy.loaded(whole / "now.json")
    parts = [[one for one in data["records"] if number_of(one) % 4 == number] for number in range(4)]
    written(folder, data, parts, set(), ["a", "b", "c", "d"])
    against = ("--against", str(whole / "llmroute-baseline.json"), "--json")
    call("merge", "0.json", "1.json", "2.json", "-o", "few.json")
    few = call("gate", "few.json", *against)
    assert (few.code, few.json["verdict"]) == (1, "incomparable")
    assert "of the baseline's 60 cases are in this run (75%, 80% needed)" in few.json["columns"][0]["why"]
    call("merge", "0.json", "-o", "one.json")
    alone = call("gate", "one.json", *against).json
    assert "a part of the suite (--group=0): compared 30 of 120 baseline cases" in alone["notes"]
    broken = {**data, "run": {**data["run"], "status": "interrupted"}}
    (folder / "1.json").write_text(json.dumps(broken))
    call("merge", "1.json", "2.json", "-o", "broken.json")
    ended = call("gate", "broken.json", *against)
    assert (ended.code, ended.json["verdict"], ended.json["why"]) == (1, "incomparable", "1.json was interrupted")
    assert call("baseline", "save", "broken.json", "-f", "b.json").code == 2


def test_nothing_of_a_shard_replaces_what_another_has(call: Call, whole: Path, folder: Path) -> None:
    data = toy.loaded(whole / "now.json")
    series = [{"worker": "main", "started_at": "x", "step": 0.2, "fields": ["at", "rss"], "rows": [[0.0, 1.0]]}]
    written(folder, {**data, "series": series}, [data["records"][n::2] for n in range(2)], set(), ["a", "b"])
    call("merge", "0.json", "1.json", "-o", "both.db")
    store = SqliteStore(folder / "both.db")
    (info,) = store.runs()
    assert [one.worker for one in store.series(info.run_id)] == ["a/main", "b/main"]
    assert len(list(store.records(info.run_id))) == 360
    store.close()


def test_what_was_run_twice_counts_once_and_is_told(call: Call, whole: Path, folder: Path) -> None:
    data = toy.loaded(whole / "now.json")
    later = [{**one, "started_at": "9999", "outcome": "passed", "success": True} for one in data["records"][:5]]
    killed = [{**one, "started_at": "9999", "outcome": "interrupted", "success": False} for one in data["records"][5:9]]
    written(folder, data, [data["records"], later, killed], set(), ["a", "b", "c"])
    ended = call("merge", "1.json", "2.json", "0.json", "-o", "m.json")
    assert "5 cases were in several files; what came later counts" in ended.err
    outcomes = {one["nodeid"]: one["outcome"] for one in toy.loaded(folder / "m.json")["records"]}
    assert len(outcomes) == 360
    assert "interrupted" not in outcomes.values()
    assert {outcomes[one["nodeid"]] for one in later} == {"passed"}


def test_what_is_no_shard_is_refused(call: Call, whole: Path, folder: Path) -> None:
    data = toy.loaded(whole / "now.json")
    (folder / "other.json").write_text(json.dumps({**data, "run": {**data["run"], "profile": "theirs"}}))
    ended = call("merge", str(whole / "now.json"), "other.json")
    assert (ended.code, "runs of several profiles can't be one run: embedded, theirs" in ended.err) == (2, True)
    assert call("merge", "nowhere.json").code == 3
    assert call("merge").code == 2
    unwritable = call("merge", str(whole / "now.json"), "-o", "no/such/folder.json")
    assert (unwritable.code, "can't be written" in unwritable.err) == (2, True)


ODD = """
import os
import pytest

@pytest.fixture
def odd(n):
    yield
    assert n != 5, "torn down badly"

@pytest.mark.parametrize("n", range(40))
def test_number(llm, odd, n):
    reply = llm.generate(f"case {n}", task="fix")
    if n == 7:
        pytest.skip("not here")
    if n == 9 and "TOY_CRASH" in os.environ:
        os._exit(1)
    assert n != 8 or 1 / 0
    assert reply.text == "yes"
"""


@pytest.mark.slow
@pytest.mark.parametrize("crash", [False, True])
def test_whatever_befell_its_cases_a_run_is_judged_alike_afterwards(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, crash: bool
) -> None:
    """A teardown that failed, a skip, an error, a worker that died; in whatever order two workers finish."""
    toy.project(folder)
    (folder / "test_toy.py").write_text(ODD)
    toy.run(folder, "--llm-save", "--llm-gate=record", repeats=2)
    if crash:
        monkeypatch.setitem(toy.QUIET, "TOY_CRASH", "1")
    toy.run(folder, "--llm-gate=warn", "--llm-json=now.json", "-n2", repeats=2, misses=40)
    data = toy.loaded(folder / "now.json")
    for source in ("last", "now.json"):
        assert call("gate", source, "--json").json == {"schema": "llmroute.gate/1", **data["gate"]}
    again = json.loads(json.dumps([asdict(one) for one in run_of_file(folder / "now.json").summary.columns]))
    assert again == data["columns"]
    assert (data["gate"]["verdict"], bool(data["run"]["facts"]["incomplete"])) == ("fail", False)
    assert data["columns"][0]["causes"]["teardown"] == 2
    assert sum(one["interrupted"] for one in data["columns"]) == (4 if crash else 0)
