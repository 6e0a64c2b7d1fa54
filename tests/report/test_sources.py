"""Where runs come from, what is compared with, and what several shards make."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.errors import UserError
from pytest_llmroute.gate.baseline import write_baseline
from pytest_llmroute.report.jsonfile import write_json
from pytest_llmroute.report.sources import (
    StoredRun,
    against,
    find_run,
    gate_head,
    is_file,
    merged,
    run_head,
    run_of_file,
    stored,
)
from pytest_llmroute.report.terminal import render
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.journal import Journal, KeptCall
from pytest_llmroute.store.sqlite import SqliteStore

FACTS = {"system": "Linux", "machine": "x86_64", "cpu": "fast", "cores": 2, "ram_bytes": 8 << 30, "paths": ["tests"],
         "selection": "", "settings": {"repeat": 1}, "branch": "main"}  # fmt: skip
HERE = "Linux x86_64, 2 × fast, 8 GiB"


def info(run_id: str = "20261121-1", **changes: Any) -> RunInfo:
    facts = {**FACTS, **changes.pop("facts", {})}
    base = RunInfo(run_id, f"2026-11-21T{run_id[-1]}", None, "finished", "1.0", "embedded", ("fast",), facts)
    return replace(base, **changes)


def record(name: str = "a", **changes: Any) -> Record:
    base = Record(
        "20261121-1", f"t.py::{name}[fast]", f"t.py::{name}", "fast", suite="t.py", outcome="passed", success=True,
        started_at="2026-11-21T10", seconds=0.1, prompt_tokens=3, usd=0.1, calls=(CallRecord("micro", digest="d1"),),
    )  # fmt: skip
    return replace(base, **changes)


def a_run(run_id: str = "20261121-1", *records: Record, **changes: Any) -> StoredRun:
    return StoredRun(info(run_id, **changes), records or (record(),), run_id)


def as_json(path: Path, run: StoredRun) -> Path:
    write_json(path, run.summary, run.records, run.series)
    return path


def as_journal(path: Path, run: StoredRun, end: str | None = "finished") -> Path:
    names = ("started_at", "version", "profile", "columns", "facts")
    about = {name: getattr(run.info, name) for name in names}
    journal = Journal(path, {"kind": "run", "run_id": run.info.run_id, "worker": path.stem, "about": about})
    for found in run.records:
        journal.start(replace(found, outcome="interrupted", success=False))
        journal.call(KeptCall(found.nodeid, found.calls[0], ({"role": "user", "content": "q"},), "r"))
        journal.record(found)
    if end:
        journal.end(end)
    journal.close()
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "results.db")
    yield opened
    opened.close()


def keep(store: SqliteStore, *runs: StoredRun) -> None:
    for run in runs:
        store.save(run.info, run.records, run.calls, run.series)


# Runs


def test_a_run_is_found_by_its_id_the_beginning_of_one_or_as_the_last(store: SqliteStore) -> None:
    keep(store, a_run("20261121-1"), a_run("20261120-9"), a_run("20261121-2"))
    assert find_run(store, "last").run_id == "20261120-9"  # by when it began
    assert find_run(store, "20261121-2").run_id == find_run(store, "20261120").run_id.replace("20-9", "21-2")
    found = stored(store, "20261121-1")
    assert (found.source, found.records) == ("run 20261121-1", (record(),))


@pytest.mark.parametrize(
    ("wanted", "said", "fix"),
    [
        ("20261121", '"20261121" begins 2 runs: 20261121-2, 20261121-1, …', "give more of the id"),
        ("20261121-3", 'no run "20261121-3" (did you mean 20261121-', "llmroute runs lists them"),
        ("\x1b[31m", 'no run "\\x1b[31m"', "llmroute runs lists them"),
    ],
)
def test_what_is_no_run_is_told(store: SqliteStore, wanted: str, said: str, fix: str) -> None:
    keep(store, a_run("20261121-1"), a_run("20261121-2"))
    with pytest.raises(UserError) as raised:
        find_run(store, wanted)
    assert raised.value.what.startswith(said)
    assert raised.value.fix.startswith(fix)
    assert raised.value.code is Code.NO_RUN


def test_an_empty_store_holds_no_run(store: SqliteStore) -> None:
    with pytest.raises(UserError, match="the store holds no run"):
        find_run(store, "last")


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ("20261121-1", False), ("last", False), ("a.json", True), ("a.jsonl", True), ("a.db", True), ("x/y", True),
        ("there", True),
    ],
)  # fmt: skip
def test_a_file_is_told_from_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, answer: bool) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert is_file(wanted) is answer


def test_a_run_is_the_same_from_wherever_it_comes(tmp_path: Path, store: SqliteStore) -> None:
    run = a_run("20261121-1", record("a"), record("b", outcome="missed", success=False, seconds=1 / 3, usd=1e-9))
    keep(store, run)
    (tmp_path / "journals").mkdir()
    as_journal(tmp_path / "journals" / "gw0.jsonl", replace(run, records=run.records[:1]))
    as_journal(tmp_path / "journals" / "gw1.jsonl", replace(run, records=run.records[1:]))
    as_json(tmp_path / "b.json", run).rename(tmp_path / "named-otherwise.jsonl")
    sources = [
        stored(store, "last"),
        run_of_file(tmp_path / "results.db"),
        run_of_file(as_json(tmp_path / "a.json", run)),
        run_of_file(tmp_path / "named-otherwise.jsonl"),
        run_of_file(as_journal(tmp_path / "main.jsonl", run)),
        run_of_file(tmp_path / "journals"),
    ]
    for found in sources:
        assert (found.figures, found.summary.columns) == (run.figures, run.summary.columns), found.source
        assert (found.info.run_id, found.info.status, found.incomplete) == ("20261121-1", "finished", "")
    names = [found.source for found in sources]
    assert names == ["run 20261121-1", "results.db", "a.json", "named-otherwise.jsonl", "main.jsonl", "journals"]


@pytest.mark.parametrize(
    ("status", "incomplete", "why"),
    [
        ("finished", "", ""), ("interrupted", "", "a.json was interrupted"),
        ("finished", "3 of 9 tests gave no result", "3 of 9 tests gave no result"),
    ],
)  # fmt: skip
def test_a_file_tells_that_its_run_is_no_whole_one(tmp_path: Path, status: str, incomplete: str, why: str) -> None:
    run = a_run(status=status, facts={"incomplete": incomplete})
    assert run_of_file(as_json(tmp_path / "a.json", run)).incomplete == why


def test_a_journal_without_an_end_is_of_an_interrupted_run(tmp_path: Path) -> None:
    assert run_of_file(as_journal(tmp_path / "m.jsonl", a_run(), end=None)).incomplete == "m.jsonl was interrupted"
    assert run_of_file(as_journal(tmp_path / "n.jsonl", a_run(), end="interrupted")).info.status == "interrupted"


WHOLE = {"run_id": "r", "version": "1", "profile": "p", "columns": [], "facts": {}, "options": {}, "started_at": ""}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.json", None, "none.json: no such file"),
        ("none.db", None, "none.db: no such file"),
        ("a.json", b"", "a.json is no run of ours: Expecting value"),
        ("a.json", b"\xff", "a.json is no run of ours: 'utf-8' codec can't decode"),
        ("a.json", b"[1]", "a.json is no run of ours: it has not the schema llmroute.run/1"),
        ("a.json", b'{"schema": 1, "cases": []}', "a.json is no run of ours: it has not the schema llmroute.run/1"),
        ("a.json", {"schema": "llmroute.run/1"}, "a.json is no run of ours: 'run' is missing"),
        ("a.json", {"run": {**WHOLE, "facts": 3}}, "a.json is no run of ours: "),
        ("a.json", {"run": WHOLE}, "a.json is no run of ours: 'records' is missing"),
        ("a.json", {"run": WHOLE, "records": ["x"]}, "a.json is no run of ours: "),
        ("a.json", {"run": WHOLE, "records": [{"nodeid": "x"}]}, "a.json is no run of ours: "),
        ("a.jsonl", b"", "a.jsonl is no run of ours: it is no journal"),
        ("a.jsonl", b"rubbish\n", "a.jsonl is no run of ours: it is no journal"),
        ("a.jsonl", b'{"kind":"record","record":{"nodeid":"x"}}\n', "a.jsonl is no run of ours: "),
        ("a.jsonl", b'{"kind":"record"}\n', "a.jsonl is no run of ours: 'record' is missing"),
        ("a.db", b"no database" * 100, "the store a.db can't be opened"),
    ],
)
def test_what_is_no_run_of_ours_is_told_by_its_name(
    tmp_path: Path, name: str, content: bytes | dict[str, Any] | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        whole = content if isinstance(content, bytes) else json.dumps({"schema": "llmroute.run/1", **content}).encode()
        path.write_bytes(whole)
    with pytest.raises(UserError) as raised:
        run_of_file(path)
    assert said in raised.value.what
    assert raised.value.code is (Code.STORE if name == "a.db" else Code.NO_RUN)


def test_a_folder_without_journals_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty is no run of ours: no journal \(\*.jsonl\) is in it"):
        run_of_file(tmp_path / "empty")


def test_the_gate_asks_a_head_for_machine_paths_selection_and_settings() -> None:
    head = gate_head(run_head(info(facts={"selection": "-k fix"})))
    assert (head.machine, head.paths, head.selection, head.settings) == (HERE, ("tests",), "-k fix", {"repeat": 1})
    old = gate_head(run_head(info(facts={"machines": ["a", "b"]})))
    assert old.machine == "a + b"
    assert gate_head(run_head(replace(info(), facts={}))).paths == (".",)


# What is compared with


def test_a_baseline_file_a_runs_file_and_a_store_may_stand_for_one(tmp_path: Path, store: SqliteStore) -> None:
    run = a_run()
    keep(store, run)
    write_baseline(tmp_path / "base.json", run.figures)
    as_json(tmp_path / "run.json", run)
    for name in ("base.json", "run.json", "results.db"):
        found = against(name, tmp_path, tmp_path / "none.db", named=True)
        assert found.figures is not None
        assert (found.source, list(found.figures.columns), found.figures.head.run_id) == (name, ["fast"], "20261121-1")


def test_a_file_that_nobody_named_may_be_missing(tmp_path: Path) -> None:
    found = against("llmroute-baseline.json", tmp_path, tmp_path / "none.db", named=False)
    assert (found.figures, found.source) == (None, "llmroute-baseline.json")
    with pytest.raises(UserError, match=r"the baseline mine.json is not there"):
        against("mine.json", tmp_path, tmp_path / "none.db", named=True)


def of_store(tmp_path: Path, wanted: str, current: str = "") -> str:
    found = against(wanted, tmp_path, tmp_path / "results.db", named=True, current=current)
    assert found.figures is not None
    return found.figures.head.run_id


def test_runs_of_the_store_are_found_by_id_and_as_the_last_one_before_this(tmp_path: Path, store: SqliteStore) -> None:
    keep(store, a_run("20261121-1"), a_run("20261121-2"), a_run("20261121-3"))
    assert of_store(tmp_path, "run:20261121-1") == "20261121-1"
    assert of_store(tmp_path, "run:last") == "20261121-3"
    assert of_store(tmp_path, "run:last", current="20261121-3") == "20261121-2"
    with pytest.raises(UserError) as raised:
        of_store(tmp_path, "run:nothing")
    assert raised.value.code is Code.NO_RUN


def test_a_run_is_never_compared_with_itself(tmp_path: Path, store: SqliteStore) -> None:
    keep(store, a_run("20261121-1"))
    with pytest.raises(UserError, match="the store holds no other run to compare with"):
        of_store(tmp_path, "run:last", current="20261121-1")


def test_of_a_branch_the_newest_whole_run_counts(tmp_path: Path, store: SqliteStore) -> None:
    topic, part = {"branch": "topic"}, {"selection": "-k fix"}
    keep(
        store, a_run("20261121-1"), a_run("20261121-2", facts=topic), a_run("20261121-3", status="interrupted"),
        a_run("20261121-4", facts=part), a_run("20261121-5", facts={"incomplete": "1 of 2 tests gave no result"}),
        a_run("20261121-6"),
    )  # fmt: skip
    assert of_store(tmp_path, "branch:main") == "20261121-6"
    assert of_store(tmp_path, "branch:main", current="20261121-6") == "20261121-1"
    assert of_store(tmp_path, "branch:topic") == "20261121-2"
    with pytest.raises(UserError) as raised:
        of_store(tmp_path, "branch:mian")
    assert raised.value.what == 'the store holds no whole run of the branch "mian"'
    assert raised.value.means == "branches with runs: main, topic"


@pytest.mark.parametrize("wanted", ["run:last", "branch:main"])
def test_without_a_store_none_is_made(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(UserError, match="there is no store yet"):
        of_store(tmp_path, wanted)
    assert list(tmp_path.iterdir()) == []


# Shards


def test_shards_are_the_whole_run(tmp_path: Path) -> None:
    one = a_run("20261121-1", record("a"), facts={"selection": "--group=1"})
    two = replace(a_run("20261121-2", record("b"), facts={"selection": "--group=2"}), options={"x": 2})
    whole, twice = merged([two, one])
    assert (len(whole.records), twice, whole.source, whole.incomplete) == (2, 0, "the merged run", "")
    assert whole.info.run_id.startswith("merged-")
    assert (whole.info.started_at, whole.info.facts["shards"]) == (one.info.started_at, ["20261121-1", "20261121-2"])
    head = gate_head(run_head(whole.info))
    assert (head.selection, head.paths, head.machine) == ("", ("tests",), HERE)


def test_one_shard_is_no_more_than_it_was() -> None:
    whole, _ = merged([a_run(facts={"selection": "--group=1"})])
    assert (whole.info.run_id, gate_head(run_head(whole.info)).selection) == ("20261121-1", "--group=1")


def test_shards_of_several_machines_and_folders_say_so() -> None:
    one = a_run("20261121-1", record("a"), facts={"cpu": "slow", "paths": ["tests/a"]})
    two = a_run("20261121-2", record("b"), facts={"paths": ["tests/b"]})
    head = gate_head(run_head(merged([one, two])[0].info))
    assert head.machine == f"{HERE} + Linux x86_64, 2 × slow, 8 GiB"
    assert head.paths == (".",)


def test_shards_of_several_profiles_are_no_run() -> None:
    with pytest.raises(UserError, match="runs of several profiles can't be one run: embedded, ollama"):
        merged([a_run("20261121-1"), a_run("20261121-2", profile="ollama")])


ADAPTIVE = {"settings": {"repeat": "adaptive"}}
LOOKS = {
    "number": 2, "of": 3, "taken": [{"repeats": 1, "decision": "go on", "p": 0.1}], "why": "p = 0.4 after 3 repeats",
    "saved": 2, "planned": 5,
}  # fmt: skip


def test_a_stored_run_with_adaptive_repeats_is_judged_by_its_last_look(tmp_path: Path) -> None:
    found = run_of_file(as_json(tmp_path / "a.json", a_run(facts={**ADAPTIVE, "looks": LOOKS})))
    looks = found.figures.head.looks
    assert (found.incomplete, found.figures.head.adaptive) == ("", True)
    assert (looks.number, looks.of, looks.taken[0].p) == (2, 3, 0.1)
    assert looks.level(0.05) == pytest.approx(0.005)
    assert (looks.saved, looks.planned, looks.why) == (2, 5, "p = 0.4 after 3 repeats")


@pytest.mark.parametrize(
    "looks",
    [
        {}, {"looks": None}, {"looks": []}, {"looks": {**LOOKS, "number": 4}}, {"looks": {**LOOKS, "of": 11}},
        {"looks": {**LOOKS, "more": 1}}, {"looks": {**LOOKS, "taken": [{"p": 1}]}}, {"looks": {**LOOKS, "saved": "x"}},
    ],
)  # fmt: skip
def test_one_whose_looks_are_not_known_is_no_whole_run(looks: dict[str, Any]) -> None:
    run = a_run(facts={**ADAPTIVE, **looks})
    assert run.incomplete == "20261121-1 had adaptive repeats, and its looks are not known"
    assert run.figures.head.looks.of == 1
    assert "adaptive:" not in "".join(render(run.summary))


def test_shards_that_each_stopped_by_their_own_looks_are_not_judged_together() -> None:
    one = a_run("20261121-1", facts={**ADAPTIVE, "looks": LOOKS})
    two = a_run("20261121-2", facts={**ADAPTIVE, "looks": LOOKS})
    fixed = a_run("20261121-3")
    why = "runs with adaptive repeats, which each stopped by looks of its own"
    for runs in ([one, two], [one, fixed], [fixed, two]):
        assert merged(runs)[0].incomplete == why
    assert "adaptive:" not in "".join(render(merged([one, two])[0].summary))
    assert "adaptive: 2 of 5 calls saved, p = 0.4 after 3 repeats" in render(one.summary)
    assert merged([one])[0].incomplete == ""


def test_columns_of_all_shards_are_there() -> None:
    fast, slow = a_run("20261121-1"), a_run("20261121-2", record("a", column="slow"), columns=("slow", "fast"))
    assert merged([slow, fast])[0].info.columns == ("fast", "slow")


def test_each_broken_shard_is_named() -> None:
    runs = [
        a_run("20261121-1", record("a")), a_run("20261121-2", record("b"), status="interrupted"),
        a_run("20261121-3", record("c"), facts={"incomplete": "1 of 2 tests gave no result"}),
    ]  # fmt: skip
    for order in itertools.permutations(runs):
        whole, _ = merged(order)
        assert (whole.info.status, whole.incomplete) == (
            "interrupted", "20261121-2 was interrupted; 1 of 2 tests gave no result",
        )  # fmt: skip


NEWER = {"started_at": "2026-11-22"}


@pytest.mark.parametrize(
    ("first", "second", "left", "twice"),
    [
        ({}, {"outcome": "missed", **NEWER}, "missed", 1),
        ({"outcome": "missed", **NEWER}, {}, "missed", 1),
        ({"outcome": "interrupted"}, NEWER, "passed", 0),
        ({}, {"outcome": "interrupted", **NEWER}, "passed", 0),
        ({"outcome": "error"}, NEWER, "passed", 1),
    ],
)
def test_of_a_case_that_is_there_twice_the_later_one_that_finished_counts(
    first: dict[str, Any], second: dict[str, Any], left: str, twice: int
) -> None:
    runs = [
        StoredRun(
            info(f"20261121-{number}"), (record("a", **changes),), "x",
            calls=(KeptCall(record("a").nodeid, CallRecord("m"), (), f"reply {changes}"),),
        )
        for number, changes in enumerate((first, second))
    ]  # fmt: skip
    for order in (runs, runs[::-1]):
        whole, count = merged(order)
        assert ([one.outcome for one in whole.records], count) == ([left], twice)
        (call,) = whole.calls
        kept = next(changes for changes in (first, second) if call.reply == f"reply {changes}")
        assert kept.get("outcome", "passed") == left


def test_series_of_one_name_are_kept_apart() -> None:
    runs = [replace(a_run(f"20261121-{n}", record(str(n))), series=(Series("main", "x", 0.2, ()),)) for n in (1, 2)]
    assert [one.worker for one in merged(runs)[0].series] == ["20261121-1/main", "20261121-2/main"]
    assert [one.worker for one in merged(runs[:1])[0].series] == ["main"]
