"""What is kept of a run: records, journal, store, JSON; also when the run is cut short."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_llmroute.store.contents import read_journal
from pytest_llmroute.store.merge import values
from pytest_llmroute.store.sqlite import SqliteStore

from .conftest import Run

Json = Callable[..., Mapping[str, Any]]


def stored(folder: Path) -> list[tuple[str, str]]:
    """(node id, outcome) of everything in the store."""
    with sqlite3.connect(folder / ".llmroute" / "results.db") as db:
        return db.execute("SELECT nodeid, outcome FROM records ORDER BY nodeid").fetchall()


def test_a_record_says_what_was_asked_of_whom_and_why(suite: pytest.Pytester, run_json: Json) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("n", [1])
        @pytest.mark.llm(task="analyze", phase="planning", user="ann")
        def test_a(llm, n): assert llm.generate("hello").tokens.total
        """
    )
    data = run_json("--llm-strategy=fast")
    (record,) = data["records"]
    (call,) = record["calls"]
    assert record["case_id"] == "test_it.py::test_a[n=1]"
    assert (record["task"], record["phase"], record["user"]) == ("analyze", "planning", "ann")
    assert (record["outcome"], record["success"], record["first_attempt"]) == ("passed", True, True)
    assert (call["model"], call["backend"], call["reason"]) == ("scripted-small", "scripted", "fast: analyze → small")
    assert (call["temperature"], call["max_tokens"], call["top_p"], call["seed"]) == (0.3, 3000, 0.9, 1)
    assert ["scripted-coder", "plays coder; not the role for analyze"] in call["rejected"]
    assert record["prompt_tokens"] == 2
    assert not record["tokens_exact"]
    assert record["rss_peak"] > 10_000_000
    assert record["seconds"] > 0
    assert record["scripted"]


def test_the_json_file_fits_its_published_schema(suite: pytest.Pytester, run_json: Json) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        def test_a(llm): llm.generate("x")
        def test_b(llm): llm.generate("FAIL")
        def test_c(llm): pytest.skip("no")
        """
    )
    schema = json.loads((resources.files("pytest_llmroute.config") / "schemas" / "run.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(run_json("--llm-strategy=agents,fast"))


def test_a_json_file_that_can_not_be_written_is_said_and_loses_nothing(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    result = run("--llm-json=no/such/folder/out.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["llmroute: --llm-json: out.json can't be written: No such file*", "*mkdir -p*"])
    assert stored(suite.path) == [("test_it.py::test_a[balanced]", "passed")]


@pytest.mark.parametrize(
    "args",
    [(), ("-n2",), pytest.param(("-n2", "--dist=loadgroup"), marks=pytest.mark.slow)],
    ids=["n0", "n2", "group"],
)
def test_every_case_is_in_the_store_once_with_its_texts(
    suite: pytest.Pytester, run: Run, args: tuple[str, ...]
) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.xdist_group("g")
        def test_a(llm): llm.generate("the question")
        def test_b(llm): assert llm.generate("x").text == "no"
        """
    )
    run("--llm-repeat=2", *args)
    assert stored(suite.path) == [
        ("test_it.py::test_a[balanced-rep1]", "passed"),
        ("test_it.py::test_a[balanced-rep2]", "passed"),
        ("test_it.py::test_b[balanced-rep1]", "missed"),
        ("test_it.py::test_b[balanced-rep2]", "missed"),
    ]
    store = SqliteStore(suite.path / ".llmroute" / "results.db")
    (info,) = store.runs()
    (kept,) = store.calls(info.run_id, "test_it.py::test_a[balanced-rep2]")
    store.close()
    assert info.status == "finished"
    assert kept.messages[0]["content"] == "the question"
    assert str(kept.reply).endswith("|2|the question")
    assert list((suite.path / ".llmroute" / "journal").iterdir()) == []


def test_a_killed_worker_loses_no_finished_record(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import os, signal, pytest
        @pytest.mark.parametrize("n", range(12))
        def test_a(llm, n):
            llm.generate("x")
            if n == 7:
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    result = run("-n2")
    assert result.ret == 1
    outcomes = dict(stored(suite.path))
    assert len(outcomes) == 12
    assert outcomes.pop("test_it.py::test_a[balanced-7]") == "interrupted"
    assert set(outcomes.values()) == {"passed"}


def test_a_killed_run_is_kept_and_marked_by_the_next_one(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import time
        def test_a(llm): llm.generate("x")
        def test_b(llm):
            llm.generate("y")
            open("reached", "w").close()
            time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q"], cwd=suite.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while not (suite.path / "reached").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (journal,) = (suite.path / ".llmroute" / "journal").glob("*/main.jsonl")
    assert [record.outcome for record in values(read_journal(journal).records)] == ["passed"]
    result = run("-k", "test_a")
    result.stdout.fnmatch_lines(["llmroute: run * had been interrupted; its records are in the store now"])
    outcomes = [(nodeid.partition("::")[2], outcome) for nodeid, outcome in stored(suite.path)]
    assert sorted(outcomes) == [
        ("test_a[balanced]", "passed"),
        ("test_a[balanced]", "passed"),
        ("test_b[balanced]", "interrupted"),
    ]


@pytest.mark.slow
def test_runs_at_the_same_time_in_one_project_do_not_take_each_other_for_dead(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_it="""
        import time, pytest
        @pytest.mark.parametrize("n", range(20))
        def test_a(llm, n):
            llm.generate("x")
            time.sleep(0.05)
        """
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    runs = [
        subprocess.Popen([*command, *more], cwd=suite.path, stdout=subprocess.PIPE, text=True)
        for more in (("-n2",), (), ("-n2",), ("-k", "a[balanced-1"))
    ]
    outputs = [process.communicate()[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0, 0, 0]
    assert not any("had been interrupted" in output for output in outputs)
    with sqlite3.connect(suite.path / ".llmroute" / "results.db") as db:
        assert db.execute("SELECT DISTINCT status FROM runs").fetchall() == [("finished",)]
        counts = db.execute("SELECT COUNT(*) FROM records GROUP BY run_id ORDER BY 1").fetchall()
    assert counts == [(11,), (20,), (20,), (20,)]


def test_secrets_are_kept_out_of_store_and_json(
    suite: pytest.Pytester, run_json: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "very-private-value")
    suite.makepyfile(
        test_it="""
        def test_a(llm):
            assert llm.generate("my key is very-private-value and sk-abcdefghijklmnop1234").text == "no"
        """
    )
    for gate in ("off", "record"):
        run_json(f"--llm-gate={gate}", "--junitxml=out.xml")
    for path in (suite.path / "out.json", suite.path / "out.xml", *(suite.path / ".llmroute").rglob("*")):
        if path.is_file():
            assert b"very-private-value" not in path.read_bytes()
            assert b"sk-abcdefghijklmnop1234" not in path.read_bytes()


def test_collecting_alone_writes_nothing(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    for args in (("--co",), ("--llm-plan",), ("-k", "nothing")):
        run(*args, "--llm-json=out.json")
        assert not (suite.path / ".llmroute").exists()
        assert not (suite.path / "out.json").exists()


def test_a_line_for_gitignore_is_suggested_and_never_written(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    suite.mkdir(".git")
    run().stdout.fnmatch_lines(["run * is kept in .llmroute/results.db  (add a line .llmroute/ to .gitignore)"])
    assert not (suite.path / ".gitignore").exists()
    (suite.path / ".gitignore").write_text(".llmroute/\n")
    run().stdout.no_fnmatch_line("*add a line*")


def test_lone_surrogates_and_strange_values_pass_through_xdist(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest("def llmroute_scripted(call): return 'half \\ud83d and \\x00'")
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("n", [1, 2])
        def test_a(llm, n): assert llm.generate("x").text == "no"
        """
    )
    result = run("-n2", "--llm-gate=record")
    assert result.ret == 0
    assert [outcome for _, outcome in stored(suite.path)] == ["missed", "missed"]


def test_a_read_only_project_still_runs_and_says_what_is_lost(suite: pytest.Pytester, run: Run) -> None:
    (suite.path / ".llmroute").write_text("a file in the way")
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    result = run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["balanced *1/1*", "llmroute: the journal main.jsonl can't be written*"])


def test_the_forced_model_is_in_every_record_and_in_the_summary(
    suite: pytest.Pytester, run_json: Json, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_MODEL_OVERRIDE", "scripted-tiny")
    suite.makepyfile(
        test_it="""
        import pytest
        def test_a(llm): assert "scripted-tiny" in llm.generate("x").text
        @pytest.mark.llm(model="scripted-large")
        def test_b(llm): assert "scripted-tiny" in llm.generate("x").text
        """
    )
    data = run_json("--llm-strategy=quality", "--llm-model=scripted-coder")
    assert {record["forced"] for record in data["records"]} == {True}
    assert {call["decided_by"] for record in data["records"] for call in record["calls"]} == {"forced"}
    assert len(data["records"]) == 3
    run().stdout.fnmatch_lines(["*forced, scripted*", "forced: LLM_MODEL_OVERRIDE decided the model*"])
