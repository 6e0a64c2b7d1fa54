"""Which template a task gets, what the model is then asked, and what is told of it."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from .conftest import WORKERS, Run
from .test_extensions import howtos

CONFIG = """
[models.scripted-small]
template = "concise"
[templates.house]
tasks = ["fix"]
file = "prompts/house.txt"
"""
CONFTEST = """
import json

def llmroute_scripted(call):
    with open("asked.jsonl", "a") as file:
        asked = [message.content for message in call.messages]
        file.write(json.dumps([call.case_id.partition("::")[2], call.card.name, asked]) + "\\n")
    return "    return 2 * x" if call.messages[-1].content.endswith("def double(x):") else "ok"
"""
(HOOK,) = howtos("template")
TASKS = """
defaults: {check: {contains: ok}}
tasks:
  - {id: model, prompt: P, parts: {text: "T {braces}", tests: [one, two]}}
  - {id: task, prompt: P, task: fix, parts: {text: T}}
  - {id: file, prompt: P, task: fix, template: curt, parts: {text: T}}
  - {id: plain, prompt: P, task: fix, template: plain, parts: {text: T}}
  - {id: bare, prompt: P, task: fix}
  - id: continued
    prompt: P
    template: completion
    parts: {text: T, start: "def double(x):"}
    check: {unit_tests: {tests: ["assert double(2) == 4"]}}
"""


@pytest.fixture
def project(suite: pytest.Pytester) -> pytest.Pytester:
    (suite.path / "llmroute.toml").write_text(CONFIG)
    suite.mkdir("prompts")
    (suite.path / "prompts" / "house.txt").write_text("House: {text}\n")
    (suite.path / "t.llm.yaml").write_text(TASKS)
    suite.makeconftest(CONFTEST + HOOK)
    return suite


@WORKERS
@pytest.mark.usefixtures("sandbox")
def test_the_nearest_template_is_taken_and_recorded(
    project: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    """A request's own, the task type's, the model's, none; from a file, from a hook, from the built-in ones."""
    run("--llm-model=scripted-small,scripted-large", "--llm-json=out.json", *workers).assert_outcomes(passed=12)
    asked: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for line in (project.path / "asked.jsonl").read_text().splitlines():
        case, model, messages = json.loads(line)
        asked[case][model.removeprefix("scripted-")] = messages
    assert asked["model"] == {"small": ["Python code only. T {braces}\n\nIt must pass: one"], "large": ["P"]}
    assert asked["task"] == {"small": ["House: T"], "large": ["House: T"]}
    assert asked["file"] == {"small": ["T"], "large": ["T"]}
    assert asked["plain"] == asked["bare"] == {"small": ["P"], "large": ["P"]}
    assert asked["continued"]["large"] == ['"""\nT\n\n"""\n\ndef double(x):']
    names = {
        (record["case_id"].partition("::")[2], record["column"].removeprefix("scripted-")): call["template"]
        for record in json.loads((project.path / "out.json").read_text())["records"]
        for call in record["calls"]
    }
    short = {key: name and name.partition("@")[0] for key, name in names.items()}
    assert short["model", "small"] == "concise"
    assert short["model", "large"] is short["bare", "small"] is None
    assert (short["task", "large"], short["file", "small"], short["plain", "small"]) == ("house", "curt", "plain")


def test_the_plan_tells_the_template(project: pytest.Pytester, run: Run) -> None:
    result = run("--llm-model=scripted-small", "--llm-plan", "t.llm.yaml::model", "t.llm.yaml::bare")
    out = result.stdout.str()
    assert out.count("template: ") == out.count("template: concise") == 1
    project.makepyfile("def test_a(llm): assert 'template' not in str(llm.explain('hello'))")
    run("--llm-model=scripted-small", "test_the_plan_tells_the_template.py").assert_outcomes(passed=1)


def test_what_can_not_be_told_is_an_error_before_any_test(project: pytest.Pytester, run: Run) -> None:
    (project.path / "t.llm.yaml").write_text(
        "tasks:\n"
        "  - {id: fine, prompt: P, template: tests_first, parts: {tests: [a], text: T}, check: {exact: x}}\n"
        "  - {id: lacks, prompt: P, template: tests_first, parts: {text: T}, check: {exact: x}}\n"
    )
    result = run("--llm-model=scripted-small")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            '*t.llm.yaml:3: task "lacks": template tests_first: the task has no {tests} [[]LLR405[]]*',
            "*its parts: text*",
        ]
    )
    assert not (project.path / "asked.jsonl").exists()
    project.makeconftest(HOOK.replace("{tests}", "{test}"))
    result = run("--llm-model=scripted-small")
    assert result.ret == 2  # a file that can't be collected
    result.stdout.fnmatch_lines(['template curt: nothing fills in {test} (did you mean "tests"?)*'])
