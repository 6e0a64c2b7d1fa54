"""Task files as pytest items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import WORKERS, Run, ids

TWO = """\
tasks:
  - id: first one
    prompt: "say a"
    task: analyze
    tags: [easy, c]
    check: {contains: "small"}
  - id: second
    prompt: "say b"
    task: fix
    check: {contains: "small"}
"""


def write(suite: pytest.Pytester, name: str, text: str) -> Path:
    path = suite.path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_tasks_are_items_column_first(suite: pytest.Pytester, run: Run) -> None:
    write(suite, "t.llm.yaml", TWO)
    result = run("--co", "-q", "--llm-strategy=fast,balanced", "--llm-phase=planning", "--llm-repeat=1")
    assert ids(result) == [
        "t.llm.yaml::first one[fast-planning]",
        "t.llm.yaml::second[fast-planning]",
        "t.llm.yaml::first one[balanced-planning]",
        "t.llm.yaml::second[balanced-planning]",
    ]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("-k", "second"), {"second"}),
        (("-m", "easy"), {"first one"}),
        (("-m", "not easy"), {"second"}),
        (("t.llm.yaml::second",), {"second"}),
        (("t.llm.yaml::second[balanced]",), {"second"}),
    ],
)
def test_tasks_are_selected_like_tests(
    suite: pytest.Pytester, run: Run, args: tuple[str, ...], expected: set[str]
) -> None:
    write(suite, "t.llm.yaml", TWO)
    result = run("--co", "-q", "--strict-markers", *args)
    assert {line.partition("::")[2].partition("[")[0] for line in ids(result)} == expected


@WORKERS
def test_a_missed_check_says_what_was_wanted_and_what_came(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    write(suite, "t.llm.yaml", TWO)
    result = run(*workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ['t.llm.yaml:7: wanted "small" in it; got "coder|scripted-coder|*"', "*1 failed, 1 passed*"]
    )
    assert "Traceback" not in result.stdout.str()


@WORKERS
def test_lf_and_x_work_on_tasks(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    write(suite, "t.llm.yaml", TWO)
    assert suite.runpytest_subprocess("-x", *workers).ret == (2 if workers else 1)
    again = suite.runpytest_subprocess("--lf", *workers)
    again.assert_outcomes(failed=1)


BROKEN = """\
tasks:
  - id: good
    prompt: hi
    check: {contains: hi}
  - id: 7
    prompt: hi
    check: {contains: hi}
  - id: typo
    prompt: hi
    chekc: {contains: hi}
  - id: good
    prompt: hi
    task: fxi
    check: {regex: "(("}
"""


@WORKERS
def test_broken_tasks_are_one_collection_error_that_lists_them_all(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    write(suite, "t.llm.yaml", BROKEN)
    result = run(*workers)
    assert result.ret == (1 if workers else 2)
    result.stdout.fnmatch_lines(
        [
            '*t.llm.yaml:5: id: must be a text, not 7; put it in quotes: "7"*',
            '*t.llm.yaml:8: check missing (task "typo")*',
            '*t.llm.yaml:10: chekc: unknown key "chekc" (did you mean "check"?)*',
            '*t.llm.yaml:13: task: no task "fxi" (did you mean "fix"?)*',
            "*t.llm.yaml:14: check.regex: /((/ is no regular expression*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_the_other_tasks_run_when_collection_errors_are_no_obstacle(suite: pytest.Pytester, run: Run) -> None:
    write(suite, "t.llm.yaml", BROKEN)
    result = run("--continue-on-collection-errors")
    result.assert_outcomes(passed=1, errors=1)


def test_a_file_without_the_suffix_is_collected_when_it_is_named(suite: pytest.Pytester, run: Run) -> None:
    task = '{"id": "one", "prompt": "hi", "check": {"contains": "hi"}}'
    write(suite, "plain.yaml", "tasks:\n  - {id: one, prompt: hi, check: {contains: hi}}\n")
    write(suite, "plain.json", f'{{"tasks": [{task}]}}')
    write(suite, "plain.jsonl", f"{task}\n")
    names = ["plain.yaml", "plain.json", "plain.jsonl"]
    assert ids(run("--co", "-q")) == []
    assert ids(run("--co", "-q", *names)) == [f"{name}::one[balanced]" for name in names]
    write(suite, "other.json", '{"unrelated": true}')
    assert run("--co", "-q", "other.json").ret in (4, 5)


@pytest.mark.parametrize("twin", ["ini", "environment"])
def test_the_ini_key_and_its_twin_name_further_task_files(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch, twin: str
) -> None:
    if twin == "ini":
        suite.makeini("[pytest]\nllm_tasks = cases/*.json\n")
    else:
        monkeypatch.setenv("LLMROUTE_TASKS", "cases/*.json")
    suite.mkdir("cases")
    write(suite, "cases/a.json", '{"unrelated": true}')
    write(suite, "cases/b.json", '{"tasks": [{"id": "two", "prompt": "hi", "check": {"contains": "hi"}}]}')
    assert ids(run("--co", "-q")) == ["cases/b.json::two[balanced]"]


def test_scripted_answers_depend_on_model_and_repeat_and_can_fail(suite: pytest.Pytester, run: Run) -> None:
    write(
        suite,
        "t.llm.yaml",
        """\
defaults: {task: fix}
tasks:
  - {id: by-role, prompt: p, check: {exact: big}, scripted: {by_model: {small: tiny, "*": big}}}
  - {id: by-repeat, prompt: p, check: {exact: two}, scripted: [one, two]}
  - {id: fails, prompt: p, check: {exact: x}, scripted: {fail: rate}}
  - {id: slow, prompt: p, check: {exact: x}, timeout: 0.05, scripted: {text: x, latency: 5}}
""",
    )
    result = run("--llm-strategy=balanced,fast", "--llm-repeat=2", "--llm-gate=record", "-v")
    result.stdout.fnmatch_lines(
        [
            "*::by-role?balanced-rep1? PASSED*",
            "*::by-repeat?balanced-rep1? MISS*",
            "*::by-repeat?balanced-rep2? PASSED*",
            "*::fails?balanced-rep1? ERROR*",
            "*::slow?balanced-rep1? ERROR*",
            "*::by-role?fast-rep1? MISS*",
        ]
    )
    text = result.stdout.str()
    assert "scripted failure [rate]" in text
    assert "no answer within 0.05 s (scripted) [timeout]" in text


def test_a_check_that_breaks_is_its_authors_failure_and_no_miss(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(judges="def broken(text): return 1 / 0\ndef no(text): return False, 'too short'\n")
    write(
        suite,
        "t.llm.yaml",
        'tasks:\n  - {id: a, prompt: p, check: {python: "judges:broken"}}\n'
        '  - {id: b, prompt: p, check: {python: "judges:no"}}\n'
        '  - {id: c, prompt: p, check: {python: "judges:none"}}\n',
    )
    result = run("--llm-gate=record", "-p", "no:randomly", "--rootdir=.", "-o", "pythonpath=.")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*the check judges:broken broke: ZeroDivisionError*", "*the check python: judges:none can't be found*"]
    )
    result.stdout.fnmatch_lines(["*judges:no: too short; got*", "*2 failed, 1 missed*"])


def test_the_seconds_of_a_call_that_was_made_ahead_count_once(
    suite: pytest.Pytester, run_json: Callable[..., Mapping[str, Any]]
) -> None:
    """All calls have ended before the last test begins."""
    one = '- {{id: "{}", prompt: x, check: {{contains: x}}, scripted: {{text: x, latency: 0.3}}}}\n'
    write(suite, "t.llm.yaml", "".join(one.format(f"n{number}") for number in range(4)))
    seconds = [record["seconds"] for record in run_json()["records"]]
    assert all(0.3 <= taken < 0.55 for taken in seconds), seconds
