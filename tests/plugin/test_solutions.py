"""Tasks whose replies are run: items, records, what is kept and where, and what is no fault of a model's."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.tasks_files.mbpp_rows import FILE, sanitized

from .conftest import WORKERS, Run, ids

Json = Callable[..., Mapping[str, Any]]
TASKS = """\
tasks:
  - id: good
    prompt: p
    check: &double
      unit_tests: {tests: ["assert double(2) == 4", "assert double(3) == 6"]}
    scripted: "Here:\\n```python\\ndef double(x):\\n    print('seen')\\n    return 2 * x\\n```"
  - id: bad
    prompt: p
    check: *double
    scripted: "```python\\ndef double(x): return 4\\n```"
  - id: other
    prompt: p
    check: {contains: x}
    scripted: x
"""
ANSWERS = """
import json, pathlib
from pytest_llmroute.tasks.files import load_tasks
KNOWN = {task.messages[0].content: task.reference for task in load_tasks(pathlib.Path(FILE))}
def llmroute_scripted(call):
    if call.card.name != "scripted-coder":
        return "def nothing(): pass"
    return "```python\\n" + KNOWN[call.messages[-1].content] + "\\n```"
"""
LOST = """
import pytest_llmroute.tasks.unit_tests as unit_tests
from pytest_llmroute.sandbox.verdict import SolutionVerdict
unit_tests.run_solution = lambda *_, **__: SolutionVerdict("infra", "the jail was lost twice")
"""
pytestmark = pytest.mark.usefixtures("sandbox")


@pytest.fixture
def tasks(suite: pytest.Pytester) -> pytest.Pytester:
    (suite.path / "t.llm.yaml").write_text(TASKS)
    return suite


def by_task(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {record["case_id"].partition("::")[2]: record for record in data["records"]}


@WORKERS
def test_code_is_run_and_what_came_of_it_is_in_the_record(
    tasks: pytest.Pytester, run_json: Json, workers: tuple[str, ...]
) -> None:
    records = by_task(run_json("--llm-gate=record", *workers))
    good, bad, other = (records[name] for name in ("good", "bad", "other"))
    assert (good["outcome"], good["score"], good["solution"]["status"]) == ("passed", 1.0, "pass")
    assert good["solution"]["code"].strip() == "def double(x):\n    print('seen')\n    return 2 * x"
    assert (good["solution"]["rule"], good["solution"]["output"]) == ("fence", "seen\nseen\n")
    assert good["solution"]["cpu_seconds"] > 0
    assert (bad["outcome"], bad["score"], bad["solution"]["held"]) == ("missed", 0.5, [True, False])
    assert "test 2 of 2: did not hold: assert double(3) == 6" in bad["message"]
    assert (other["outcome"], other["solution"]) == ("passed", None)


def test_the_store_has_the_code_and_reports_do_not(tasks: pytest.Pytester, run: Run) -> None:
    tasks.makeconftest(
        """
        import pathlib
        def pytest_runtest_logreport(report):
            with pathlib.Path("properties.txt").open("a") as file:
                file.write(str(report.user_properties))
        """
    )
    run("--junitxml=junit.xml")
    for name in ("properties.txt", "junit.xml"):
        text = (tasks.path / name).read_text()
        assert "llm" in text
        assert "print('seen')" not in text
    with sqlite3.connect(tasks.path / ".llmroute" / "results.db") as db:
        kept = {row["nodeid"]: row for (data,) in db.execute("SELECT data FROM records") for row in [json.loads(data)]}
    assert "print('seen')" in kept["t.llm.yaml::good[balanced]"]["solution"]["code"]


def test_secrets_in_code_and_output_are_not_kept(
    suite: pytest.Pytester, run_json: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hunter2-hunter2")
    code = "def f():\n    print('hunter2-hunter2')\n    return 1"
    (suite.path / "t.llm.yaml").write_text(
        "tasks:\n  - {id: a, prompt: p, check: {unit_tests: {tests: [assert f() == 1]}}, scripted: "
        + json.dumps(code)
        + "}"
    )
    (record,) = run_json()["records"]
    assert record["solution"]["status"] == "pass"
    assert "hunter2" not in json.dumps(record)


@WORKERS
def test_what_could_not_be_run_is_an_error_and_is_not_scored(
    tasks: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    tasks.makeconftest(LOST)
    result = run("--llm-gate=record", "--llm-json=out.json", *workers)
    data = json.loads((tasks.path / "out.json").read_text())
    good = by_task(data)["good"]
    assert (good["outcome"], good["error_class"], good["score"]) == ("error", "sandbox", None)
    assert (good["solution"]["status"], "double" in good["solution"]["code"]) == ("infra", True)
    (column,) = data["columns"]
    assert (column["total"], column["errors"], column["causes"]) == (1, 2, {"sandbox": 2})
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*t.llm.yaml:2: the solution could not be run: the jail was lost twice*", "*1 passed, 2 errors*"]
    )
    assert "Traceback" not in result.stdout.str()


@WORKERS
def test_a_sandbox_that_is_not_allowed_ends_the_run_at_once(
    tasks: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    result = run("--llm-sandbox=unsafe-local", *workers)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--llm-sandbox=unsafe-local was asked for once; it needs a second word*LLR410*"])


def test_a_sandbox_is_asked_for_only_where_code_will_run(tasks: pytest.Pytester, run: Run) -> None:
    assert run("-k", "other", "--llm-sandbox=unsafe-local").ret == 0
    assert run("--llm-plan", "--llm-sandbox=unsafe-local").ret == 0


@pytest.mark.parametrize("tier", ["restricted", "unsafe-local"])
def test_the_option_says_where_code_runs(
    tasks: pytest.Pytester, run_json: Json, monkeypatch: pytest.MonkeyPatch, tier: str
) -> None:
    monkeypatch.setenv("LLMROUTE_ALLOW_UNSAFE", "1")
    good = by_task(run_json(f"--llm-sandbox={tier}"))["good"]
    assert (good["outcome"], good["solution"]["tier"]) == ("passed", tier)


def test_the_code_is_shown_with_the_calls(tasks: pytest.Pytester, run: Run) -> None:
    run("--llm-gate=record")
    shown = tasks.run(sys.executable, "-m", "pytest_llmroute", "show", "last", "good", "--calls").stdout.str()
    assert "solution: pass, 2 of 2 held; " in shown
    assert "found by fence" in shown
    assert "code      | def double(x):" in shown
    assert "output    | seen" in shown


# MBPP


@pytest.fixture
def mbpp(suite: pytest.Pytester) -> pytest.Pytester:
    """A project with the two files, whose coder knows the references."""
    shutil.copy(FILE, suite.path / "mbpp.jsonl")
    (suite.path / "sanitized-mbpp.json").write_text(json.dumps(sanitized()))
    suite.makeconftest(f"FILE = {str(FILE)!r}\n{ANSWERS}")
    return suite


@pytest.mark.parametrize(
    ("name", "workers"),
    [
        ("mbpp.jsonl", ()),
        pytest.param("sanitized-mbpp.json", ("-n2",), marks=pytest.mark.slow),
        pytest.param("mbpp.jsonl", ("-n2",), marks=pytest.mark.slow),
        pytest.param("sanitized-mbpp.json", (), marks=pytest.mark.slow),
    ],
)
def test_mbpps_files_are_run_when_they_are_named(
    mbpp: pytest.Pytester, run: Run, name: str, workers: tuple[str, ...]
) -> None:
    assert ids(run("--co", "-q")) == []
    result = run(name, "--llm-strategy=balanced,fast", "--llm-gate=record", *workers)
    result.stdout.fnmatch_lines(["balanced *10/10*", "fast *0/10*", "*10 passed, 10 missed*"])
    assert result.ret == 0


def test_mbpps_tasks_have_stable_ids_and_marks(mbpp: pytest.Pytester, run: Run) -> None:
    found = ids(run("--co", "-q", "mbpp.jsonl", "--strict-markers"))
    assert found[0] == "mbpp.jsonl::mbpp-1001[balanced]"
    assert len(ids(run("--co", "-q", "mbpp.jsonl", "-m", "mbpp"))) == 10
    assert run("--co", "-q", "mbpp.jsonl", "-m", "mbpp_test").ret == 5
    assert ids(run("--co", "-q", "mbpp.jsonl::mbpp-1002")) == ["mbpp.jsonl::mbpp-1002[balanced]"]


def test_the_challenge_does_not_decide(mbpp: pytest.Pytester, run_json: Json) -> None:
    lines = FILE.read_text().splitlines()
    row = json.loads(lines[0]) | {
        "challenge_test_list": ["assert sum_of_squares([2]) == 5", "assert sum_of_squares([1])"]
    }
    (mbpp.path / "mbpp.jsonl").write_text(json.dumps(row))
    (record,) = run_json("mbpp.jsonl")["records"]
    assert (record["outcome"], record["score"], record["solution"]["challenge"]) == ("passed", 1.0, 0.5)


@pytest.fixture
def cached(mbpp: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data set in a cache far away from the project."""
    home = tmp_path_factory.mktemp("elsewhere")
    folder = home / "hub" / "datasets--google-research-datasets--mbpp"
    for place in ("refs", "snapshots/abc/full"):
        (folder / place).mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    shutil.copy(FILE, folder / "blob")
    (folder / "snapshots" / "abc" / "full" / "test.jsonl").symlink_to(folder / "blob")
    (folder / "snapshots" / "abc" / "sanitized-mbpp.json").write_text(json.dumps(sanitized()))
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return folder / "snapshots" / "abc"


@WORKERS
def test_a_data_set_of_the_cache_is_run_by_its_name(
    mbpp: pytest.Pytester, cached: Path, run_json: Json, workers: tuple[str, ...]
) -> None:
    data = run_json("hf:mbpp", *workers)
    assert (data["columns"][0]["passed"], len({record["nodeid"] for record in data["records"]})) == (20, 20)
    assert {record["suite"] for record in data["records"]} == {
        "google-research-datasets/mbpp/full/test.jsonl",
        "google-research-datasets/mbpp/sanitized-mbpp.json",
    }
    assert (mbpp.path / ".llmroute" / "results.db").is_file()


@WORKERS
def test_selection_and_lf_work_on_a_data_set(mbpp: pytest.Pytester, cached: Path, workers: tuple[str, ...]) -> None:
    one = mbpp.runpytest_subprocess("hf:mbpp/full::mbpp-1001", "--llm-strategy=fast", *workers)
    one.assert_outcomes(failed=1)
    again = mbpp.runpytest_subprocess("hf:mbpp", "--llm-strategy=fast", "--lf", *workers)
    again.assert_outcomes(failed=1)


@pytest.mark.parametrize("args", [(), ("-n2",), ("--llm-plan", "-n2")], ids=["n0", "n2", "plan"])
@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("hf:google-research-datasets/mbbp", '*did you mean "google-research-datasets/mbpp"*LLR303*'),
        ("hf:mbpp/nothing", "*there are full/test.jsonl, sanitized-mbpp.json*"),
    ],
)
def test_a_data_set_that_is_not_there_ends_the_run_at_once(
    mbpp: pytest.Pytester, cached: Path, run: Run, spec: str, told: str, args: tuple[str, ...]
) -> None:
    result = run(spec, *args)
    assert result.ret == 4
    result.stderr.fnmatch_lines([told])


def test_files_outside_the_project_keep_apart(mbpp: pytest.Pytester, cached: Path, run_json: Json) -> None:
    for name in ("one", "two"):
        (mbpp.path.parent / name).mkdir()
        shutil.copy(FILE, mbpp.path.parent / name / "mbpp.jsonl")
    data = run_json(
        "--rootdir=.", f"--confcutdir={mbpp.path.parent}", "../one/mbpp.jsonl", "../two/mbpp.jsonl",
        str(cached / "full" / "test.jsonl"), "--llm-model=scripted-tiny", "--llm-gate=record", "-p", "conftest",
    )  # fmt: skip
    assert {record["suite"] for record in data["records"]} == {
        "../one/mbpp.jsonl", "../two/mbpp.jsonl", "google-research-datasets/mbpp/full/test.jsonl",
    }  # fmt: skip
    assert len({record["nodeid"] for record in data["records"]}) == 30


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
def test_a_tier_that_holds_less_is_told_in_one_warning(pytester: pytest.Pytester) -> None:
    pytester.makefile(".llm.yaml", t=RESTRICTED)
    result = pytester.runpytest_subprocess("--llm-profile=scripted", "--llm-sandbox=restricted")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*LLMRouteWarning: sandbox restricted: Landlock*no file can be*"])
    refused = pytester.runpytest_subprocess("--llm-profile=scripted", "--llm-sandbox=unsafe-local")
    assert refused.ret == 4
    refused.stderr.fnmatch_lines(["*unsafe-local was asked for once; it needs a second word*"])
    away = pytester.runpytest_subprocess("--llm-profile=scripted", "--llm-sandbox=daytona", "--llm-offline")
    assert away.ret == 4
    away.stderr.fnmatch_lines(["*offline: --llm-sandbox=daytona sends solutions to another machine*"])


RESTRICTED = """
- id: a
  prompt: Double it.
  check: {unit_tests: {tests: ["assert double(2) == 4"]}}
  scripted: "def double(x): return 2 * x"
"""
