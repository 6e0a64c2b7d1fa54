"""What an extension raises is told with its name and line; no record is lost, and nothing of ours is shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from .conftest import WORKERS, Run

EXTENSIONS = """
from pytest_llmroute import BackendType, Cause, CheckResult, CheckType, Choice, ModelCard, Reply

class Broken:
    name, about = "broken", "raises"
    def route(self, query):
        if "raise" in query.request.text: raise ValueError("in route")
        return Choice(query.role("small"), "fine")

class Raises:
    def __init__(self, card): self.card = card
    def generate(self, call): raise ZeroDivisionError("in generate")
    def close(self): pass

class Check:
    def run(self, text, task): raise KeyError("in run")

def llmroute_strategies(): return [Broken()]
def llmroute_backends(): return [BackendType("raises", Raises)]
def llmroute_models(): return [ModelCard("raising", "raises")]
def llmroute_checks(): return [CheckType("check", lambda value: Check(), {})]
def llmroute_classify(text, user):
    if "raise" in text: raise ValueError("in classify")
def llmroute_scripted(call):
    if "raise" in call.messages[-1].content: raise ValueError("in scripted")
    return "fine"
def llmroute_event(event):
    if event.kind == "called": raise ValueError("in event")
"""
WHERE = "*conftest.py: "
RAISED = {
    "--llm-strategy=balanced": f"{WHERE}llmroute_scripted raised ValueError: in scripted (*conftest.py:*",
    "--llm-strategy=hybrid": f"{WHERE}llmroute_classify raised ValueError: in classify (*conftest.py:*",
    "--llm-strategy=broken": "*strategy broken raised ValueError: in route (*conftest.py:*",
    "--llm-model=raising": "*raising: ZeroDivisionError: in generate [[]backend[]]*",
}


def records(suite: pytest.Pytester) -> Mapping[str, Mapping[str, Any]]:
    found = json.loads((suite.path / "out.json").read_text())["records"]
    return {record["nodeid"].partition("::")[2].partition("[")[0]: record for record in found}


@pytest.mark.parametrize("option", RAISED)
def test_what_an_extension_raises_is_an_error_of_its_item_that_names_it(
    suite: pytest.Pytester, run: Run, option: str
) -> None:
    suite.makeconftest(EXTENSIONS)
    suite.makepyfile(
        test_it="""
        import pytest
        def test_body(llm): llm.generate("raise it")
        @pytest.mark.llm(prompt="raise it")
        def test_ahead(llm_reply): pass
        def test_fine(llm): assert llm.generate("hello").text
        """
    )
    (suite.path / "t.llm.yaml").write_text("tasks:\n  - {id: task, prompt: raise it, check: {exact: fine}}\n")
    result = run(option, "--llm-gate=record", "--llm-json=out.json", "--llm-concurrency=2", "-vv")
    assert result.ret == 1
    result.stdout.fnmatch_lines([RAISED[option]])
    text = result.stdout.str()
    assert "pytest_llmroute/" not in text.replace("pytest_llmroute/bench", "")
    found = records(suite)
    wrong = ["test_body", "test_ahead", "task"] + (["test_fine"] if "model" in option else [])
    assert {name: found[name]["outcome"] for name in wrong} == dict.fromkeys(wrong, "error")
    assert len(found) == 4
    if "test_fine" not in wrong:
        assert found["test_fine"]["outcome"] == "passed"
    (note,) = [line for line in result.outlines if "llmroute_event" in line]
    assert "raised ValueError: in event" in note
    assert note.endswith("it heard nothing more of this run")


def test_a_check_that_raises_is_its_authors_error_and_one_that_asserts_misses(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest(
        EXTENSIONS
        + """
class Asserts:
    def run(self, text, task): assert text == "other", "not the other"
class Wrong:
    def run(self, text, task): return "yes"
def broken_loader(value): raise TypeError("in load")
def llmroute_checks():
    return [CheckType("check", lambda value: Check(), {}), CheckType("asserts", lambda value: Asserts(), {}),
            CheckType("wrong", lambda value: Wrong(), {}), CheckType("loads", broken_loader, {})]
"""
    )
    checks = ("check", "asserts", "wrong", "loads")
    task = "  - {{id: {0}, prompt: p, check: {{{0}: 1}}}}\n"
    (suite.path / "t.llm.yaml").write_text("tasks:\n" + "".join(map(task.format, checks)))
    result = run("--llm-gate=record", "--continue-on-collection-errors")
    result.stdout.fnmatch_lines(
        [
            "*loading the check raised TypeError: in load (*conftest.py:*",
            "*the check check raised KeyError: 'in run' (*conftest.py:*",
            "*the check wrong gave str, not a CheckResult*",
            "*not the other*",
            "*3 errors, 1 missed*",
        ]
    )
    assert "INTERNALERROR" not in result.stdout.str()


BEFOREHAND = {
    "llmroute_strategies(): raise ValueError('mine')": "*conftest.py: llmroute_strategies raised ValueError: mine (*",
    "llmroute_backends(around): return [1]": "*conftest.py: llmroute_backends gave int, which has no name *",
    "llmroute_models(): raise ValueError('mine')": "*conftest.py: llmroute_models raised ValueError: mine (*",
    "llmroute_backends(): from pytest_llmroute import BackendType as B; return [B('x', None, slots=lambda card: 1/0)]":
        "*backend x: slots raised ZeroDivisionError*",
}  # fmt: skip


@pytest.mark.parametrize("code", BEFOREHAND, ids=["strategies", "backends", "models", "slots"])
def test_a_hook_that_raises_beforehand_stops_the_run_in_one_clean_block(
    suite: pytest.Pytester, run: Run, code: str
) -> None:
    models = "def llmroute_models(): from pytest_llmroute import ModelCard as M; return [M('m', 'x')]\n"
    suite.makeconftest(f"def {code}\n" + ("" if "models" in code else models))
    suite.makepyfile(test_it="import pytest\n@pytest.mark.llm(prompt='p')\ndef test_a(llm_reply): pass\n")
    result = run(*(["--llm-model=m"] if "slots" in code else []))
    assert result.ret == 4
    result.stderr.fnmatch_lines([BEFOREHAND[code]])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


LISTENS = """
def llmroute_scripted(call):
    from pytest_llmroute import Cause, ScriptedAnswer
    return ScriptedAnswer(fail=Cause.TIMEOUT) if "fail" in call.messages[-1].content else "fine"
now = 0
def llmroute_event(event):
    global now
    now += 1
    assert now == 1, "two at a time"
    import json, dataclasses, time
    time.sleep(0.001)
    with open("heard.jsonl", "a") as file: file.write(json.dumps(dataclasses.asdict(event)) + "\\n")
    now -= 1
"""


@WORKERS
def test_what_happens_is_told_as_it_happens(suite: pytest.Pytester, run: Run, workers: tuple[str, ...]) -> None:
    """Those made ahead, those in bodies, those that fail: one at a time, in order for each item."""
    suite.makeconftest(LISTENS + BACKEND)
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(prompt="{n} of them", models=["house"])
        @pytest.mark.parametrize("n", range(12))
        def test_ahead(llm_reply, n): assert n
        def test_twice(llm): llm.generate("a"); llm.generate("b")
        def test_fails(llm): llm.generate("fail")
        """
    )
    result = run("--llm-gate=record", "--llm-concurrency=4", *workers)
    assert "llmroute_event" not in result.stdout.str()
    heard = [json.loads(line) for line in (suite.path / "heard.jsonl").read_text().splitlines()]
    by_item: dict[str, list[Mapping[str, Any]]] = {}
    for event in heard:
        by_item.setdefault(event["nodeid"].partition("::")[2], []).append(event)
    loads = Counter(event["model"] for event in by_item.pop(""))
    assert loads["house"] == (2 if workers else 1)
    kinds = {nodeid: [event["kind"] for event in events] for nodeid, events in by_item.items()}
    once = ["queued", "called", "judged", "recorded"]
    assert kinds.pop("test_twice[balanced]") == [*once[:2], *once]
    assert len(kinds) == 13
    assert all(found == once for found in kinds.values())
    first = by_item["test_ahead[house-0]"]
    assert [event["outcome"] for event in first] == ["", "", "missed", "missed"]
    assert (first[1]["model"], first[1]["completion_tokens"], first[1]["seconds"] > 0.004) == ("house", 7, True)
    assert first[3]["completion_tokens"] == 7
    assert [event["outcome"] for event in by_item["test_fails[balanced]"]] == ["", "timeout", "error", "error"]


BACKEND = """
from pytest_llmroute import BackendType, ModelCard, Reply
from pytest_llmroute.core.replies import Timings, Tokens
import time

class House:
    def __init__(self, card): self.card = card
    def generate(self, call):
        time.sleep(0.005)
        return Reply("ok", self.card.name, Tokens(3, 7), Timings(total=0.005))
    def close(self): pass

def llmroute_backends(): return [BackendType("house", House)]
def llmroute_models(): return [ModelCard("house", "house")]
"""
