"""`llmroute baseline`: saved, shown, compared with a run, renamed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from . import toy
from .conftest import Call

NAME = "llmroute-baseline.json"


@pytest.fixture
def here(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    return folder


def test_what_pytest_saves_and_what_the_command_saves_is_one_file(call: Call, here: Path) -> None:
    before = (here / NAME).read_text()
    (here / NAME).unlink()
    ended = call("baseline", "save", "then.json")
    assert " ".join(ended.out.split()) == f"baseline {NAME} written: 120 cases, columns: dear, cheap, from then.json"
    assert (here / NAME).read_text() == before
    run_id = toy.loaded(here / "then.json")["run"]["run_id"]
    assert call("baseline", "save", run_id, "-f", "other.json").code == 0
    assert (here / "other.json").read_text() == before


def test_it_is_saved_where_the_configuration_says(call: Call, here: Path) -> None:
    (here / "llmroute.toml").write_text(toy.MODELS + '[gate]\nbaseline = "bars/llm.json"\n')
    missing = call("baseline", "save")
    assert (missing.code, "the baseline llm.json can't be written: No such file or directory" in missing.err) == (
        2,
        True,
    )
    (here / "bars").mkdir()
    assert call("baseline", "save").code == 0
    assert json.loads((here / "bars" / "llm.json").read_text())["schema"] == 1
    (here / "llmroute.toml").write_text(toy.MODELS + '[gate]\nbaseline = "branch:main"\n')
    (here / NAME).unlink()
    assert call("baseline", "save").code == 0
    assert (here / NAME).is_file()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("save", "nothing"), 3, 'no run "nothing"'),
        (("save", "nowhere.json"), 3, "nowhere.json: no such file"),
        (("diff", "nothing"), 3, 'no run "nothing"'),
        (("show", "-f", "nowhere.json"), 2, "there is no baseline yet: nowhere.json"),
        (("diff", "-f", "nowhere.json"), 2, "there is no baseline yet: nowhere.json"),
        (("rename", "a", "b", "-f", "nowhere.json"), 2, "there is no baseline yet: nowhere.json"),
        (("show", "-f", "test_toy.py"), 2, "the baseline test_toy.py is no JSON"),
        (("rename", "test_toi.py", "b"), 2, 'has no case "test_toi.py"'),
        (("rename", "chaep", "b", "--column"), 2, 'has no column "chaep" (did you mean "cheap"?)'),
        (("rename", "cheap", "dear", "--column"), 2, '"dear" is in llmroute-baseline.json already; nothing is changed'),
        (("rename", "test_toy.py::test_number[n=1]", "test_toy.py::test_number[n=2]"), 2, "nothing is changed"),
    ],
)
def test_exit_statuses(call: Call, here: Path, args: tuple[str, ...], code: int, said: str) -> None:
    before = (here / NAME).read_text()
    ended = call("baseline", *args)
    assert (ended.code, said in ended.err, ended.out) == (code, True, ""), ended.err
    assert (here / NAME).read_text() == before


def test_a_part_of_the_suite_is_saved_by_force_only(call: Call, here: Path) -> None:
    toy.run(here, "--llm-gate=record", "-k", "dear", repeats=1)
    before = (here / NAME).read_text()
    refused = call("baseline", "save")
    assert refused.code == 2
    assert "no baseline is written: the run is a part of the suite (-k dear)" in refused.err
    assert "llmroute baseline save --force" in refused.err
    assert (here / NAME).read_text() == before
    assert call("baseline", "save", "--force").code == 0
    data = call("baseline", "show", "--json").json
    assert (data["selection"], [one["column"] for one in data["columns"]]) == ("-k dear", ["dear"])


def test_it_is_shown(call: Call, here: Path) -> None:
    head = toy.loaded(here / "then.json")["run"]
    ended = call("baseline", "show")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == f"{NAME}: run {head['run_id']} of {head['started_at'][:19]}, profile embedded"
    assert lines[2] == "models: cheap, dear"
    assert [line.split() for line in lines[4:]] == [
        ["column", "cases", "pass", "rate"], ["cheap", "60", "162/180", "90.0%"], ["dear", "60", "163/180", "90.6%"],
    ]  # fmt: skip
    data = call("baseline", "show", "--json").json
    assert (data["schema"], data["models"]) == ("llmroute.baseline-summary/1", {"cheap": "d1", "dear": "d1"})
    assert data["columns"][0] == {
        "column": "cheap",
        "cases": 60,
        "passes": 162,
        "tries": 180,
        "rate": pytest.approx(0.9),
    }


def test_a_diff_names_what_saving_would_change(call: Call, here: Path) -> None:
    assert call("baseline", "diff", "then.json").out == "nothing but times would change\n"
    ended = call("baseline", "diff")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("dear, passing less often: ")
    assert lines[1].startswith("  test_toy.py::test_number[n=")
    assert lines[1].endswith(("2/3, was 3/3", "1/3, was 3/3", "1/3, was 2/3"))


def test_a_diff_groups_by_kind_and_shows_the_first_twenty(call: Call, here: Path) -> None:
    data = toy.loaded(here / "now.json")
    kept = [one for one in data["records"] if one["column"] == "dear" and not one["case_id"].endswith("9]")]
    changed = [
        {**one, "case_id": one["case_id"].replace("n=1", "m=1"), "nodeid": one["nodeid"] + "x", "success": False,
         "outcome": "missed", "calls": [{**one["calls"][0], "model": "new", "prompt_hash": "other"}]}
        for one in kept
    ]  # fmt: skip
    (here / "other.json").write_text(json.dumps({**data, "records": changed}))
    ended = call("baseline", "diff", "other.json")
    lines = ended.out.splitlines()
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles == [
        "column cheap would be gone",
        "dear: model new, was dear, in 44 cases",
        "dear: the prompt changed in all 44 cases",
        "dear, passing less often: 44 cases",
        "dear, new: 10 cases",
        "dear, gone: 16 cases",
    ]
    assert lines.count("  … and 24 more (-v shows all)") == 1
    whole = call("baseline", "diff", "other.json", "-v").out.splitlines()
    assert len(whole) == len(lines) + 23
    assert [line for line in whole if not line.startswith(" ")] == titles


def test_a_diff_tells_of_columns(call: Call, here: Path) -> None:
    data = toy.loaded(here / "now.json")
    renamed = [{**one, "column": {"dear": "big"}.get(one["column"], one["column"])} for one in data["records"]]
    (here / "renamed.json").write_text(json.dumps({**data, "records": renamed}))
    assert call("baseline", "diff", "renamed.json").out.startswith(
        "column dear would be gone\ncheap, passing less often: "
    )
    assert "column big would be new, with 60 cases" in call("baseline", "diff", "renamed.json").out
    (here / "llmroute.toml").write_text(toy.MODELS + '[gate.columns]\nbig = "dear"\n')
    assert "column dear would be called big" in call("baseline", "diff", "renamed.json").out


def test_a_renamed_file_goes_on_being_compared(call: Call, here: Path) -> None:
    (here / "test_toy.py").rename(here / "test_game.py")
    assert toy.run(here, "--llm-gate=record", misses=20).returncode == 0
    lost = call("gate")
    assert (lost.code, "no case of the baseline is in this run" in lost.out) == (1, True)
    assert "llmroute baseline rename OLD NEW" in lost.out
    ended = call("baseline", "rename", "test_toy.py", "test_game.py")
    assert (ended.code, ended.out) == (0, f"{NAME}: 120 cases renamed\n")
    found = call("gate", "--json").json
    assert (found["verdict"], found["columns"][0]["stats"]["items"]) == ("fail", 60)


def test_one_case_or_a_column_is_renamed(call: Call, here: Path) -> None:
    assert call("baseline", "rename", "cheap", "small", "--column").out == f"{NAME}: 1 column renamed\n"
    assert call("baseline", "show", "--json").json["columns"][1]["column"] == "small"
    one = call("baseline", "rename", "test_toy.py::test_number[n=1]", "test_toy.py::test_first")
    assert one.out == f"{NAME}: 2 cases renamed\n"
