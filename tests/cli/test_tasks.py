"""`llmroute tasks check`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pytest_llmroute import plugin
from pytest_llmroute.sandbox.verdict import SolutionVerdict
from pytest_llmroute.tasks import files, hub, unit_tests
from tests.tasks_files.mbpp_rows import FILE

from .conftest import Call

TASKS = """\
tasks:
  - id: fine
    prompt: p
    check: {unit_tests: {tests: ["assert double(2) == 4"]}}
    reference: "def double(x): return 2 * x"
  - id: wrong
    prompt: p
    check: {unit_tests: {tests: ["assert double(2) == 4"]}}
    reference: "def double(x): return '\\e[31m'"
  - id: idle
    prompt: p
    check: {unit_tests: {tests: ["assert double(2) or True"]}}
    reference: "def double(x): return 2 * x"
  - id: bare
    prompt: p
    check: {exact: x}
"""


@pytest.fixture
def tasks(folder: Path) -> Path:
    (folder / "cases").mkdir()
    (folder / "cases" / "t.llm.yaml").write_text(TASKS)
    return folder


def test_a_task_is_shown_as_it_would_be_asked(call: Call, tasks: Path) -> None:
    """In the template that a run would use, in another one, and safe to look at."""
    (tasks / "cases" / "t.llm.yaml").write_text(
        'tasks: [{id: a, prompt: "P\\e[31m", parts: {text: T}, check: {exact: x}}]'
    )
    ended = call("tasks", "prompt", "cases", "a")
    assert ended.out == "--- user\nP\\x1b[31m\n"
    assert "no template" in ended.err
    assert call("tasks", "prompt", "cases", "a", "--template=concise").out == "--- user\nPython code only. T\n"
    own = '[models."gemma2:2b"]\ntemplate = "own"\n[templates.own]\nsystem = "S"\ntext = "Do: {text}"\n'
    (tasks / "llmroute.toml").write_text(own)
    assert call("tasks", "prompt", "cases", "a", "--model=gemma2:2b").out == "--- system\nS\n--- user\nDo: T\n"
    assert 'no task "b"' in call("tasks", "prompt", "cases", "b").err


@pytest.mark.usefixtures("sandbox")
def test_broken_tasks_are_named_with_the_reason(call: Call, tasks: Path) -> None:
    ended = call("tasks", "check", "cases")
    assert ended.code == 1
    said = " ".join(ended.out.split())  # lines end where the terminal does
    assert said.startswith(
        "✗ cases/t.llm.yaml:6: wrong: the reference does not pass: test 1 of 1: did not hold: assert double(2) == 4"
        " ✗ cases/t.llm.yaml:10: idle: passes with empty bodies: its tests ask for nothing"
        " 4 tasks: 1 in order, 2 broken, 1 without a reference ("
    )
    assert "\x1b" not in ended.out
    data = call("tasks", "check", "cases/t.llm.yaml", "--json").json
    assert (data["tasks"], data["in_order"], data["without_reference"], data["lost"]) == (4, 1, 1, [])
    assert [(each["id"], each["kind"], each["line"]) for each in data["broken"]] == [
        ("wrong", "reference", 6),
        ("idle", "empty", 10),
    ]


@pytest.mark.usefixtures("sandbox")
def test_a_file_in_order_is_counted_and_nothing_else_is_printed(call: Call, folder: Path) -> None:
    shutil.copy(FILE, folder / "mbpp.jsonl")
    ended = call("tasks", "check", "mbpp.jsonl", "mbpp.jsonl")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("10 tasks: 10 in order, 0 broken (")


@pytest.mark.usefixtures("sandbox")
def test_mistakes_of_a_file_make_it_broken_and_the_others_are_run(call: Call, tasks: Path) -> None:
    (tasks / "cases" / "u.llm.yaml").write_text("tasks:\n  - {id: a, prompt: p, chekc: 1}\n")
    ended = call("tasks", "check", "cases")
    assert ended.code == 1
    assert '✗ cases/u.llm.yaml:2: chekc: unknown key "chekc" (did you mean "check"?)' in ended.out
    assert "4 tasks: 1 in order, 2 broken, 2 mistakes in files" in ended.out
    kinds = [each["kind"] for each in call("tasks", "check", "cases", "--json").json["broken"]]
    assert kinds == ["file", "file", "reference", "empty"]


@pytest.mark.usefixtures("sandbox")
def test_a_data_set_of_the_cache_is_checked_by_name(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "hub" / "datasets--someone--mbpp" / "snapshots" / "abc"
    place.mkdir(parents=True)
    shutil.copy(FILE, place / "mbpp.jsonl")
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))
    assert call("tasks", "check", "hf:mbpp").out.startswith("10 tasks: 10 in order")
    ended = call("tasks", "check", "hf:other")
    assert (ended.code, "[LLR303]" in ended.err) == (2, True)


def test_without_a_reference_there_is_nothing_to_run(call: Call, folder: Path) -> None:
    (folder / "t.llm.json").write_text(json.dumps([{"id": "a", "prompt": "p", "check": {"exact": "x"}}]))
    ended = call("tasks", "check", ".")
    assert (ended.code, ended.out) == (0, "1 tasks: 0 in order, 0 broken, 1 without a reference\n")


def test_what_could_not_be_run_is_the_environments_fault(
    call: Call, tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_llmroute.cli.tasks.sandbox_of", lambda _: "isolated")
    monkeypatch.setattr(unit_tests, "run_solution", lambda *_, **__: SolutionVerdict("infra", "no jail"))
    ended = call("tasks", "check", "cases")
    assert ended.code == 4
    assert "! cases/t.llm.yaml:2: fine: the solution could not be run: no jail" in ended.out
    assert "0 in order, 0 broken, 3 could not be run, 1 without a reference" in ended.out
    assert [each["id"] for each in call("tasks", "check", "cases", "--json").json["lost"]] == ["fine", "wrong", "idle"]


def test_without_a_sandbox_nothing_is_claimed(call: Call, tasks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMROUTE_SANDBOX", "unsafe-local")
    ended = call("tasks", "check", "cases")
    assert (ended.code, ended.out, "[LLR410]" in ended.err) == (4, "", True)


@pytest.mark.parametrize("args", [("tasks", "check"), ("tasks", "check", "no/such/file"), ("tasks", "chekc")])
def test_bad_usage_is_told(call: Call, args: tuple[str, ...]) -> None:
    ended = call(*args)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_what_the_entry_point_repeats_is_the_same() -> None:
    """It may not import these modules."""
    assert plugin.TASK_SUFFIXES == files.SUFFIXES
    assert plugin.DATA_SET == hub.SCHEME
