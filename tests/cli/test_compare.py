"""`llmroute compare`: runs side by side, or the columns of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import toy
from .conftest import Call


@pytest.fixture
def there(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy project itself: nothing is written into it."""
    monkeypatch.chdir(whole)
    return whole


def test_runs_are_compared_with_the_first(call: Call, there: Path) -> None:
    ended = call("compare", "then.json", "now.json")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["compared", "column", "dear", "cheap", "<all>"]
    assert [line.split()[1] for line in lines[2:5]] == ["worse", "worse", "worse"]
    assert lines[1].split() == ["column", "verdict", "then", "now", "change", "bounds", "p", "cases"]
    assert lines[6] == "what a case takes, as a multiple of then:"
    assert lines[8].startswith("dear    ×1.00 (1.00–1.00)")
    back = call("compare", "now.json", "then.json").out.splitlines()
    assert [line.split()[1] for line in back[2:5]] == ["better", "better", "better"]


def test_columns_of_one_run_are_compared_with_one_of_them(call: Call, there: Path) -> None:
    assert call("compare", "then.json").out.startswith("compared with column dear:\ncolumn  verdict")
    data = call("compare", "last", "--base", "cheap", "--json").json
    (one,) = data["comparisons"]
    assert (one["gate"]["source"], [found["column"] for found in one["gate"]["columns"]]) == ("column cheap", ["dear"])
    assert one["gate"]["columns"][0]["changes"] == ["model dear, was cheap, in 60 cases"]
    ratios = one["ratios"]["dear"]
    assert ratios["usd"]["value"] > 20
    assert (ratios["tokens"]["cases"], ratios["usd"]["lower"] > 1) == (60, True)


def test_several_runs_are_told_apart(call: Call, there: Path) -> None:
    ids = [toy.loaded(there / name)["run"]["run_id"] for name in ("then.json", "now.json")]
    ended = call("compare", *ids, "now.json", "then.json")
    assert ended.out.startswith(f"compared with run {ids[0]}:\nrun ")
    data = call("compare", *ids, "now.json", "then.json", "--json").json
    assert [one["gate"]["now"]["run_id"] for one in data["comparisons"]] == [ids[1], ids[1], ids[0]]


def test_all_is_told_with_v_and_no_exit_status_that_it_has_not(call: Call, there: Path) -> None:
    ended = call("compare", "then.json", "now.json", "-v")
    assert ended.code == 0
    assert "dear, passing less often: " in ended.out
    assert "AssertionError" in ended.out
    assert "exit status" not in ended.out
    assert "more (-v" not in ended.out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("then.json", "now.json", "--require", "success_rate:-5pp"), 1, "✗ success_rate:-5pp fails in dear: "),
        (("then.json", "now.json", "--require", "success_rate:-50pp"), 0, "✓ success_rate:-50pp holds in dear: "),
        (("then.json", "now.json", "--require", "server_ram:+10%"), 0, "! server_ram:+10% is not compared in dear: "),
        (("now.json", "--require", "cost:+10%"), 0, "✓ cost:+10% holds in cheap: "),
        (("now.json", "--base", "cheap", "--require", "cost:+10%"), 1, "✗ cost:+10% fails in dear: "),
        (("now.json", "--base", "chaep"), 2, 'no column "chaep" (did you mean "cheap"?)'),
        (("then.json", "now.json", "--base", "cheap"), 2, "--base names a column of one run"),
        (("then.json", "nowhere.json"), 3, "nowhere.json: no such file"),
        (("nothing", "last"), 3, 'no run "nothing"'),
        ((), 2, "Missing argument 'RUN...'"),
    ],
)
def test_exit_statuses(call: Call, there: Path, args: tuple[str, ...], code: int, said: str) -> None:
    ended = call("compare", *args)
    assert (ended.code, said in ended.out + ended.err) == (code, True), ended.out + ended.err


def test_one_column_alone_has_nothing_beside_it(call: Call, there: Path, folder: Path) -> None:
    data = toy.loaded(there / "now.json")
    records = [one for one in data["records"] if one["column"] == "dear"]
    (folder / "one.json").write_text(json.dumps({**data, "records": records}))
    alone = call("compare", str(folder / "one.json"))
    assert (alone.code, "one.json has one column only: dear; there is nothing to compare" in alone.err) == (2, True)
    (folder / "none.json").write_text(json.dumps({**data, "records": []}))
    assert "none.json has no case" in call("compare", str(folder / "none.json")).err
    nothing = call("compare", str(folder / "none.json"), "now.json")
    assert (nothing.code, "the baseline is empty" in nothing.out) == (0, True)


def test_what_gives_way_on_a_narrow_terminal_is_named(call: Call, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    ended = call("compare", "then.json", "now.json")
    assert "left out for want of width: p, cases (--json has them)" in ended.err
    assert ended.out.splitlines()[1].split() == ["column", "verdict", "then", "now", "change", "bounds"]
    assert max(map(len, ended.out.splitlines())) <= 60


def test_an_interrupted_run_is_compared_and_told(call: Call, there: Path, folder: Path) -> None:
    data = toy.loaded(there / "now.json")
    cut = {**data, "run": {**data["run"], "status": "interrupted"}}
    (folder / "cut.json").write_text(json.dumps(cut))
    ended = call("compare", "then.json", str(folder / "cut.json"))
    assert (ended.code, ended.err) == (0, "note: cut.json was interrupted\n")
