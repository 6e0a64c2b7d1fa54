"""`llmroute study`: planted outcomes and costs come out as they were planted, also of a run that was killed."""

from __future__ import annotations

import csv
import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Call, Ended
from .planted import MEASURED, Project, row, without

There = Callable[..., Ended]
ALWAYS_OTHERWISE = frozenset({"run_id", "started_at", "finished_at", "wall_seconds", "cpu", "efficiency"})
"""What differs from run to run also where seconds and RAM are planted. Efficiency is measured of solutions: on a busy
machine one may take some milliseconds more."""
ASKED = 29 + 4 + 12
"""Calls of the small model, of the large one as a rescuer, and as the baseline."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished study of the first twelve tasks of the test split; they stand last in their file."""
    project = Project(tmp_path_factory.mktemp("study"), reversed(range(9, 26)))
    status, output = project.study("--limit=12", "--export=out")
    assert status == 0, output
    return project


@pytest.fixture
def there(call: Call, monkeypatch: pytest.MonkeyPatch) -> There:
    """The command in another folder than that of the test."""

    def go(path: Path, *args: str) -> Ended:
        monkeypatch.chdir(path)
        return call("study", *args)

    return go


def arms(study: dict[str, Any]) -> list[tuple[Any, ...]]:
    keys = ("column", "tasks", "solved", "first", "solved_at", "by_large", "unsolved", "ram_peak", "ram_together")
    return [tuple(arm[key] for key in keys) for arm in study["arms"]]


def test_what_was_planted_comes_out(done: Project, there: There) -> None:
    study = dict(there(done.path, "report", "--json").json)
    assert (study["tasks"], study["status"], study["notes"]) == (12, "finished", [])
    assert arms(study) == [
        ("branching", 12, 11, 5, {"1": 5, "2": 2, "4": 1}, 3, 1, 8 * 10**9, 9 * 10**9),
        ("dog", 12, 10, 10, {"1": 10}, 0, 2, 8 * 10**9, 8 * 10**9),
    ]
    ours, theirs = (arm["spent"] for arm in study["arms"])
    assert (ours["seconds"], ours["ram"], ours["tokens"]) == (29 + 20, 29 + 20 * 8, 29 * 110 + 4 * 150)
    assert (theirs["seconds"], theirs["ram"], theirs["tokens"]) == (60, 60 * 8, 12 * 150)
    assert ours["usd"] == pytest.approx(29 * 110e-6 + 4 * 150 * 10e-6)
    assert study["arms"][0]["per_solved"]["seconds"] == 49 / 11
    assert [(used["model"], used["calls"], used["digests"]) for used in study["arms"][0]["models"]] == [
        ("pup", 29, ["sha256:pup"]), ("dog", 4, ["sha256:dog"]),
    ]  # fmt: skip
    (one,) = study["comparisons"]
    keys = ("pairs", "both", "only_arm", "only_baseline", "none", "left_out")
    assert [one[key] for key in keys] == [12, 10, 1, 0, 1, 0]
    assert one["difference"] == 1 / 12
    assert one["p"] == 1.0
    seconds, ram, usd = (60 / 10) / (49 / 11), (480 / 10) / (189 / 11), (0.018 / 10) / (ours["usd"] / 11)
    assert one["ratios"] == {name: pytest.approx(r) for name, r in (("seconds", seconds), ("ram", ram), ("usd", usd))}
    assert one["score"] == pytest.approx((seconds * ram * usd**2) ** 0.25)


def test_the_report_fits_a_screen_and_shows_its_formula(done: Project, there: There) -> None:
    """Without a call."""
    before = (done.path / "asked").stat().st_size
    text = there(done.path, "report").out
    assert len(text.splitlines()) <= 40
    assert "12 tasks of mbpp.jsonl (-m mbpp_test --llm-limit=12)" in text
    assert "score 2.04 = (seconds 1.35 · RAM 2.79 · dollars 2.15^2)^(1/4)" in text
    assert "same tasks, 12 pairs: both solve 10, only branching 1, only always dog 0, none 1" in text
    assert (done.path / "asked").stat().st_size == before == ASKED


def test_tables_are_exported(done: Project) -> None:
    out = done.path / "out"
    tables = {
        path.stem: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) for path in out.glob("*.csv")
    }
    assert {name: bool(rows) for name, rows in tables.items()} == {"cases": True, "series": True, "plots": True}
    cases = {(row["case"], row["column"]): row for row in tables["cases"]}
    assert len(cases) == 24
    last = cases["mbpp.jsonl::mbpp-22", "branching"]
    assert [last[key] for key in ("solved", "attempts", "large_asked", "models", "seconds", "ram_gb_seconds")] == [
        "0", "5", "1", "pup dog", "9.0", "44.0",
    ]  # fmt: skip
    points = [(row["figure"], row["column"], row["x"], float(row["y"])) for row in tables["plots"]]
    assert ("solved_by_attempt", "branching", "large", 11 / 12) in points
    assert ("solved_over_seconds", "branching", "49.0", 11.0) in points
    assert {row["column"] for row in tables["series"]} <= {"", "branching", "dog"}
    assert json.loads((out / "summary.json").read_text())["arms"][0]["solved"] == 11


def test_a_study_that_was_killed_goes_on_to_the_same_report(done: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "killed", reversed(range(9, 26)))
    status, output = project.study("--limit=12", KILL_AT="17")
    assert (status, "the same command with --resume goes on" in output) == (130, True), output
    assert project.study("--limit=12", "--resume")[0] == 0
    assert without(project.report(), ALWAYS_OTHERWISE) == without(done.report(), ALWAYS_OTHERWISE)
    assert (project.path / "asked").stat().st_size == ASKED + 1  # the call that was cut off


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("mbpp", "--small=pup", "--large=dog", "--data=none.jsonl"), 2, "none.jsonl is not there [LLR303]"),
        (("mbpp", "--small=pup", "--large=dog", "--data=hf:nobody/nothing"), 2, "hf download nobody/nothing --repo-"),
        (("mbpp", "--small=pup", "--large=dog"), 2, "hf download google-research-datasets/mbpp --repo-type dataset"),
        (("mbpp", "--small=pup", "--large=dog", "--data=mbpp.jsonl", "--resume"), 2, "leave --resume out"),
        (("mbpp", "--small=pup", "--large=dog", "--data=mbpp.jsonl", "--split=train"), 2, "no task of the split train"),
        (("mbpp", "--small=pap", "--large=dog", "--data=mbpp.jsonl"), 2, ""),
        (("report", "nothing"), 3, 'no run "nothing"'),
    ],
)
def test_what_can_not_be_is_said(
    done: Project, there: There, args: tuple[str, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    ended = there(done.path, *args)
    assert (ended.code, said in ended.err) == (code, True), ended.err


def test_a_run_that_is_no_study_is_told_so(whole: Path, there: There) -> None:
    ended = there(whole, "report")
    assert (ended.code, "the store holds no study" in ended.err) == (3, True)
    ended = there(whole, "report", "last")
    assert (ended.code, "is no study: among its columns (dear, cheap) is no ladder" in ended.err) == (3, True)


@pytest.mark.parametrize(
    ("weights", "said"),
    [("time = 1", 'unknown key "time"'), ("seconds = 0", "nothing has a weight above 0"), ("cpu = -1", "0 to 1000")],
)
def test_weights_are_checked(folder: Path, call: Call, weights: str, said: str) -> None:
    (folder / "llmroute.toml").write_text(f"[study]\nweights = {{ {weights} }}\n")
    ended = call("study", "report")
    assert (ended.code, said in ended.err) == (2, True), ended.err


def test_the_command_is_printed(folder: Path, call: Call) -> None:
    ended = call("study", "mbpp", "--small=pico", "--large=micro", "--runs=3", "--print", "--", "--llm-timeout=9")
    assert ended.out == (
        "pytest hf:google-research-datasets/mbpp/full -m mbpp_test --llm-strategy=branching --llm-model=micro"
        " --llm-small=pico --llm-large=micro --llm-repeat=3 --llm-gate=record --llm-concurrency=1 -q --llm-timeout=9\n"
    )


@pytest.mark.slow
def test_the_whole_test_split_killed_three_times(tmp_path: Path) -> None:
    """500 tasks through scripted models, the command and its run killed at random instants."""
    whole = Project(tmp_path / "whole", range(1, 975), toys=False)
    status, output = whole.study()
    assert status == 0, output[-3000:]
    study = whole.report()
    rest = Project(tmp_path / "killed", range(1, 975), toys=False)
    chance = random.Random(20261121)
    for number in range(3):
        rest.killed_at(chance.randint(1, 900), *(("--resume",) if number else ()))
    status, output = rest.study("--resume")
    assert status == 0, output[-3000:]
    assert without(rest.report(), MEASURED) == without(study, MEASURED)

    plan = [(number - 11) % 12 for number in range(11, 511)]
    attempts = {"1": sum(n < 5 for n in plan), "2": sum(n in (5, 6) for n in plan), "4": plan.count(7)}
    by_large = sum(n in (8, 9, 10) for n in plan)
    never, missed = plan.count(11), plan.count(0) + plan.count(11)
    assert arms(study) == [
        ("branching", 500, 500 - never, attempts["1"], attempts, by_large, never, None, None),
        ("dog", 500, 500 - missed, 500 - missed, {"1": 500 - missed}, 0, missed, None, None),
    ]
    small = attempts["1"] + 2 * attempts["2"] + 4 * (attempts["4"] + by_large + plan.count(11))
    large = by_large + plan.count(11)
    ours, theirs = (arm["spent"] for arm in study["arms"])
    assert (ours["tokens"], theirs["tokens"]) == (110 * small + 150 * large, 150 * 500)
    assert (ours["usd"], theirs["usd"]) == (None, None)  # what was written beforehand costs nothing
    assert study["comparisons"][0]["score"] == pytest.approx(
        (theirs["tokens"] / (500 - missed)) / (ours["tokens"] / (500 - never))
    )
    assert any("no model was called" in note for note in study["notes"])


@pytest.mark.slow
def test_data_of_the_hub_and_data_elsewhere(tmp_path: Path) -> None:
    """The store stays in the project wherever the data lie, and a command that is killed alone takes its run along."""
    project = Project(tmp_path / "project", range(1, 100))
    rows = [json.dumps(row(number)) + "\n" for number in range(1, 30)]
    folder = tmp_path / "hub" / "datasets--google-research-datasets--mbpp"
    (folder / "snapshots" / "abc" / "full").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc" / "full" / "test.jsonl").write_text("".join(rows[10:]))
    (folder / "snapshots" / "abc" / "full" / "prompt.jsonl").write_text("".join(rows[:10]))
    models = ("--small=pup", "--large=dog", "--limit=3")
    process = project.start("mbpp", *models, HF_HUB_CACHE=str(tmp_path / "hub"))
    output = process.communicate(timeout=120)[0]
    assert (process.returncode, project.report()["tasks"]) == (0, 3), output
    cases = [f"mbpp-{number}" for number in (11, 12, 13)]
    with sqlite3.connect(project.path / ".llmroute" / "results.db") as db:
        found = [json.loads(data)["case_id"] for (data,) in db.execute("SELECT data FROM records")]
    assert {case.rpartition("::")[2] for case in found} == set(cases)

    process = project.start("mbpp", "--small=pup", "--large=dog", "--data=mbpp.jsonl")
    project.comes_on(process, 40)
    process.kill()
    process.communicate()
    status, output = project.study("--resume")
    assert (status, "results are of before" in output) == (0, True), output

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.jsonl").write_text("".join(rows))
    (project.path / "llmroute.toml").write_text("")  # what a conftest.py brings is not there for files elsewhere
    process = project.start("mbpp", "--small=pico", "--large=nano", "--limit=3", "--data=../elsewhere/mine.jsonl")
    output = process.communicate(timeout=120)[0]
    assert (process.returncode, "no score: branching and always nano solved nothing" in output) == (0, True), output
    assert project.report()["data"] == ["mine.jsonl"]
