"""`llmroute gate`: exit statuses, JSON, knobs, and what a reader sees."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from pytest_llmroute.cli.main import main
from pytest_llmroute.report.markdown import MARKER

from . import toy
from .conftest import Call


@pytest.fixture
def here(whole: Path, folder: Path) -> Path:
    """A copy of the toy project, store and files included."""
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 1, "gate: FAIL against llmroute-baseline.json (exit status 1)"),
        (("now.json",), 1, "gate: FAIL against llmroute-baseline.json (exit status 1)"),
        (("then.json",), 0, "gate: pass against llmroute-baseline.json"),
        (("then.json", "--against", "then.json"), 0, "gate: pass against then.json"),
        (("then.json", "--require", "success_rate>=0.99"), 1, "required: success_rate>=0.99 fails in dear: "),
        (("then.json", "--require", "success_rate>=0.5"), 0, "required: success_rate>=0.5 holds in dear: "),
        (("then.json", "--margin", "0"), 0, "gate: INCONCLUSIVE"),
        (("then.json", "--margin", "0", "--inconclusive", "fail"), 1, "gate: INCONCLUSIVE"),
        (("--min-drop", "0.5"), 0, "gate: INCONCLUSIVE"),
        (("--family", "pooled"), 1, "only all columns together are judged"),
        (("last", "--against", "run:last"), 1, "gate: FAIL against run "),
        (("nothing",), 3, 'no run "nothing"'),
        (("nowhere.json",), 3, "nowhere.json: no such file"),
        (("last", "--against", "run:nothing"), 3, 'no run "nothing"'),
        (("last", "--against", "nowhere.json"), 2, "the baseline nowhere.json is not there"),
        (("last", "--against", "branch:nobody"), 2, 'the store holds no whole run of the branch "nobody"'),
        (("last", "--require", "sucess>=1"), 2, '--require: "sucess>=1": no metric "sucess"'),
        (("last", "--alpha", "3"), 2, "Invalid value for '--alpha'"),
        (("llmroute-baseline.json",), 3, "llmroute-baseline.json is no run of ours"),
    ],
)  # fmt: skip
def test_exit_statuses(call: Call, here: Path, args: tuple[str, ...], code: int, said: str) -> None:
    ended = call("gate", *args)
    printed = " ".join((ended.out + ended.err).split())  # lines end where the terminal does
    assert (ended.code, said in printed) == (code, True), printed
    if code < 2:
        told = call("gate", *args, "--json")
        assert (told.code, told.json["schema"]) == (code, "llmroute.gate/1")


def test_without_a_baseline_it_says_so_and_is_green(call: Call, here: Path) -> None:
    (here / "llmroute-baseline.json").unlink()
    ended = call("gate")
    run_id = toy.loaded(here / "now.json")["run"]["run_id"]
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "gate: no verdict, nothing to compare with yet (llmroute-baseline.json)",
        f"to have a baseline: llmroute baseline save {run_id}",
    ]
    told = call("gate", "--json").json
    assert (told["verdict"], told["failed"], told["then"], told["columns"]) == ("new", False, None, [])
    (here / "llmroute.toml").write_text(toy.MODELS + "[gate]\nrequire_baseline = true\n")
    assert call("gate").code == 2


def test_knobs_are_those_of_the_file_and_typed_ones_come_first(call: Call, here: Path) -> None:
    (here / "llmroute.toml").write_text(
        toy.MODELS + '[gate]\nalpha = 0.01\nscope = "population"\nbaseline = "run:last"\nrequire = ["cost<=$0.01"]\n'
    )
    told = call("gate", "last", "--alpha", "0.02", "--p", "exact", "--json").json
    settings = told["settings"]
    assert (settings["alpha"], settings["scope"], settings["p"], settings["margin"]) == (
        0.02,
        "population",
        "exact",
        0.05,
    )
    assert told["source"].startswith("run ")
    assert [one["requirement"] for one in told["requirements"]] == ["cost<=$0.01", "cost<=$0.01"]
    other = call("gate", "last", "--require", "tokens<=9000", "--json").json
    assert {one["requirement"] for one in other["requirements"]} == {"tokens<=9000"}


def test_a_broken_baseline_is_told_and_judges_nothing(call: Call, here: Path) -> None:
    (here / "llmroute-baseline.json").write_text("<<<<<<< HEAD\n")
    ended = call("gate")
    assert (ended.code, ended.out) == (2, "")
    assert "a merge may have left its marks in it" in ended.err


def test_a_part_of_the_suite_is_judged_as_a_part(call: Call, here: Path) -> None:
    toy.run(
        here, "--llm-gate=record", "test_toy.py::test_number[dear-rep1-1]", "test_toy.py::test_number[cheap-rep1-1]"
    )
    told = call("gate", "--json").json
    assert any("a part of the suite" in note and "compared 2 of 120 baseline cases" in note for note in told["notes"])


def test_an_interrupted_run_has_no_verdict(call: Call, here: Path) -> None:
    toy.run(here, "--llm-gate=record", "--llm-json=cut.json", "-x", misses=20)
    run_id = toy.loaded(here / "cut.json")["run"]["run_id"]
    for source, name in (("last", f"run {run_id}"), ("cut.json", "cut.json")):
        told = call("gate", source, "--json")
        assert (told.code, told.json["verdict"], told.json["why"]) == (1, "incomparable", f"{name} was interrupted")
    refused = call("baseline", "save", "last")
    assert (refused.code, f"no baseline is written: run {run_id} was interrupted" in refused.err) == (2, True)


def test_github_gets_a_summary_and_annotations(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "step.md"))
    ended = call("gate", "last", "--github", "--summary", "own.md", "--comment", "comment.md", "--json")
    assert "::error file=test_toy.py,line=4,title=" in ended.err
    assert json.loads(ended.out)["verdict"] == "fail"
    summary = (here / "own.md").read_text()
    assert summary.startswith("## LLM gate: FAIL against llmroute-baseline.json")
    assert summary.strip() in (here / "step.md").read_text()
    assert (here / "comment.md").read_text().startswith(MARKER)
    plain = call("gate", "last")
    assert "::error" not in plain.err + plain.out
    assert call("gate", "last", "--summary", "no/where.md").code == 2


@pytest.mark.parametrize("width", ["60", "100"])
@pytest.mark.parametrize("verb", ["gate", "compare", "baseline diff", "merge"])
def test_every_stream_and_width_can_show_it(here: Path, monkeypatch: pytest.MonkeyPatch, width: str, verb: str) -> None:
    """An ASCII stream, NO_COLOR, 60 columns: nothing is wider, nothing is coloured, nothing stops."""
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("NO_COLOR", "1")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    args = {"compare": ["then.json", "now.json"], "merge": ["now.json", "-o", "m.json"]}.get(verb, [])
    with pytest.raises(SystemExit):
        main([*verb.split(), *args])
    lines = raw.getvalue().decode("ascii").splitlines()
    assert lines
    assert max(map(len, lines)) <= int(width)
    assert not any("\x1b" in line or "?" in line for line in lines)
