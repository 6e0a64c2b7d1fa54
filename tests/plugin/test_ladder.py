"""`--llm-strategy=branching,cascade`: a small model tries, a large one rescues; and `llm.solve` in a test."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .conftest import WORKERS, Run

CONFTEST = '''
import json, os, signal
from pathlib import Path
from pytest_llmroute import BackendType, ModelCard, Reply
from pytest_llmroute.core.replies import Timings

GOOD, WRONG, FOUR = "def twice(a):\\n    return 2 * a", "def twice(a):\\n    return a", "def twice(a):\\n    return 4"
RAISES, BROKEN = "def twice(a):\\n    return a + 'x'", "def twice(a: return a"
PUP = {
    "first": [GOOD], "third": [RAISES, WRONG, GOOD], "large": [WRONG], "never": [BROKEN], "seen": [FOUR, GOOD],
    "plain": ["no", "yes"], "rows": [WRONG], "These": [WRONG], "Python": [GOOD],
}
DOG = {"never": WRONG, "plain": "yes"}

class Toy:
    """Pup answers by the number of its attempt; dog knows most things."""
    def __init__(self, card): self.card = card
    def generate(self, call):
        prompt = call.messages[-1].content
        name = prompt.split()[0]
        asked = Path("asked.jsonl")
        with asked.open("a") as file:
            file.write(json.dumps([self.card.name, call.settings.temperature, call.settings.seed, prompt]) + "\\n")
        if len(asked.read_text().splitlines()) == int(os.environ.get("KILL_AT", 0)):
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt.startswith("Task:"):
            text = "Yes." if "2 * a" in prompt or "return 4" in prompt else "I think no"
        elif self.card.name == "dog":
            text = DOG.get(name, GOOD)
        else:
            text = (PUP[name] * 9)[call.attempt - 1] if len(PUP[name]) > 1 else PUP[name][0]
        return Reply(text, self.card.name, timings=Timings(total=10.0 if self.card.name == "dog" else 1.0))
    def close(self): pass

def llmroute_backends(): return [BackendType("toy", Toy)]
def llmroute_models(): return [ModelCard("pup", backend="toy"), ModelCard("dog", backend="toy", temperature=0)]
'''
TOML = """
[profiles.toys]
extends = "embedded"
roles = { tiny = "pup", small = "pup", medium = "pup", large = "dog", coder = "dog" }
[strategies.visible]
extends = "branching"
feedback = "visible"
[strategies.syntax]
extends = "cascade"
verifier = "syntax"
[strategies.word]
extends = "cascade"
verifier = "model"
[strategies.cold]
extends = "branching"
temperatures = [0, 0, 0.5]
hints = "none"
"""
CHECK = "check: {unit_tests: {tests: [assert twice(2) == 4, assert twice(5) == 10]}}"
CODE = ("first", "third", "large", "never")


def tasks(*names: str) -> str:
    return "".join(f"- {{id: {name}, task: fix, prompt: {name} doubles, {CHECK}}}\n" for name in names)


@pytest.fixture
def toys(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    suite.makeconftest(CONFTEST)
    monkeypatch.setenv("LLMROUTE_PROFILE", "toys")
    Path(suite.path / "llmroute.toml").write_text(TOML)
    return suite


def asked(suite: pytest.Pytester, name: str = "") -> list[list[Any]]:
    """What models were asked, in order: model, temperature, seed, prompt."""
    lines = Path(suite.path / "asked.jsonl").read_text().splitlines()
    return [call for line in lines if (call := json.loads(line))[3].startswith(name)]


def record(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next(one for one in data["records"] if f"::{name}[" in one["nodeid"])


def shown(calls: Sequence[Mapping[str, Any]], *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(call[key] for key in keys) for call in calls]


@WORKERS
def test_the_small_model_tries_warmer_and_with_hints_before_the_large_one_is_asked(
    toys: pytest.Pytester, run_json: Callable[..., Mapping[str, Any]], run: Run, workers: tuple[str, ...]
) -> None:
    Path(toys.path / "t.llm.yaml").write_text(tasks(*CODE))
    output = run(*workers, "--llm-strategy=branching", "--llm-json=out.json").outlines
    data = json.loads((toys.path / "out.json").read_text())
    text = "\n".join(output)
    assert "1 failed, 3 passed" in output[-1]
    assert "solved by attempt 1 to 3: 1, 0, 1; by the large model: 1; unsolved: 1" in text
    assert "asked the small model ×12 in 12.0 s, the large ×2 in 20.0 s" in text

    third = record(data, "third")
    keys = ("model", "rung", "role", "hint", "accepted", "passed", "temperature", "seed")
    assert shown(third["calls"], *keys) == [
        ("pup", 1, "small", "none", False, False, 0.1, 1),
        ("pup", 2, "small", "class", False, False, 0.3, 1001),
        ("pup", 3, "small", "shape", True, True, 0.5, 2001),
    ]
    assert [call[1:] for call in asked(toys, "third")] == [
        [0.1, 1, "third doubles"],
        [0.3, 1001, "third doubles\n\nYour last answer raised TypeError."],
        [0.5, 2001, "third doubles\n\nYour last answer ran, but gave a wrong result. It was called as twice(int)."],
    ]
    assert {call["verifier"] for call in third["calls"]} == {"check"}
    assert {call["feedback"] for call in third["calls"]} == {"all"}
    large = record(data, "large")
    assert shown(large["calls"], "model", "role", "rung", "passed", "temperature")[-1] == ("dog", "large", 5, True, 0)
    assert asked(toys, "large")[-1][3] == "large doubles"
    outcomes = {name: (one["outcome"], one["first_attempt"]) for name in CODE if (one := record(data, name))}
    assert outcomes == {
        "first": ("passed", True), "third": ("passed", False), "large": ("passed", False), "never": ("missed", False),
    }  # fmt: skip
    with sqlite3.connect(toys.path / ".llmroute" / "results.db") as store:
        kept = [json.loads(line)["call"] for (line,) in store.execute("SELECT data FROM calls")]
    assert sum(call["accepted"] for call in kept) == 3
    assert not any(call["passed"] is None for call in kept)
    (column,) = data["columns"]
    assert column["attempts"]["solved_at"] == {"1": 1, "3": 1}
    assert column["first_attempt"] == 1


def test_a_cascade_asks_once_and_its_verifier_is_measured(toys: pytest.Pytester, run: Run) -> None:
    Path(toys.path / "t.llm.yaml").write_text(tasks(*CODE, "seen"))
    text = run("--llm-strategy=cascade,syntax,word,visible", "--llm-json=out.json").stdout.str()
    data = json.loads((toys.path / "out.json").read_text())
    columns = {column["column"]: column for column in data["columns"]}
    assert {name: column["passed"] for name, column in columns.items()} == {
        "cascade": 4, "syntax": 1, "word": 3, "visible": 3
    }  # fmt: skip
    measured = {name: column["attempts"]["verified"] for name, column in columns.items()}
    figures = ("accepted_right", "accepted_wrong", "rejected_right", "rejected_wrong", "sensitivity", "specificity")
    assert shown(measured["cascade"], *figures) == [(1, 0, 0, 4, 1.0, 1.0)]
    assert shown(measured["syntax"], *figures) == [(1, 3, 0, 1, 1.0, 0.25)]
    assert shown(measured["word"], *figures) == [(1, 1, 0, 3, 1.0, 0.75)]
    assert "verifier syntax accepts 1/1 right, 3/4 wrong: sensitivity 100%, specificity 25%" in text
    assert "verifier model accepts 1/1 right, 1/4 wrong: sensitivity 100%, specificity 75%" in text
    word = next(one for one in data["records"] if one["nodeid"].endswith("::large[word]"))
    assert shown(word["calls"], "model", "role", "rung") == [
        ("pup", "small", 1), ("dog", "verifier", 1), ("dog", "large", 2)
    ]  # fmt: skip
    seen = next(one for one in data["records"] if one["nodeid"].endswith("::seen[visible]"))
    assert shown(seen["calls"], "rung", "accepted", "passed", "feedback") == [(1, True, False, "visible")]
    assert seen["outcome"] == "missed"


def test_what_is_known_is_not_asked_and_a_check_without_code_gives_no_hint(toys: pytest.Pytester, run: Run) -> None:
    """Two attempts at temperature 0 are one; a plain check says only that an answer was not right."""
    Path(toys.path / "t.llm.yaml").write_text(
        tasks("large") + "- {id: plain, task: fix, prompt: plain text, check: {exact: yes}}\n"
        .replace("exact: yes", 'exact: "yes"')
    )  # fmt: skip
    run("--llm-strategy=cold").assert_outcomes(passed=2)
    assert [call[:2] for call in asked(toys, "large")] == [["pup", 0], ["pup", 0.5], ["dog", 0]]
    (toys.path / "asked.jsonl").unlink()
    run("--llm-strategy=branching", "-k", "plain").assert_outcomes(passed=1)
    assert [call[3] for call in asked(toys)] == ["plain text"] * 2


def test_attempts_take_formulations_in_turn_and_tell_less(toys: pytest.Pytester, run: Run) -> None:
    """As far as a task has the parts that templates are made of; the record names the template of each call."""
    tests = ["assert twice(2) == 4", "assert twice(5) == 10"]
    Path(toys.path / "mbpp.jsonl").write_text(json.dumps({"task_id": 7, "text": "rows double.", "test_list": tests}))
    run("--llm-strategy=branching", "mbpp.jsonl", "--llm-json=out.json").assert_outcomes(passed=1)
    (one,) = json.loads((toys.path / "out.json").read_text())["records"]
    assert [(call["formulation"], (call["template"] or "").partition("@")[0]) for call in one["calls"]] == [
        ("own", ""), ("tests_first", "tests_first"), ("steps", "steps"), ("concise", "concise"),
    ]  # fmt: skip
    prompts = [call[3] for call in asked(toys)]
    assert [prompt.count("assert twice") for prompt in prompts] == [2, 2, 1, 1]
    assert "What went wrong before: Your last answer ran, but gave a wrong result." in prompts[1]


def test_a_forced_model_is_asked_once(toys: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(toys.path / "t.llm.yaml").write_text(tasks("large"))
    monkeypatch.setenv("LLM_MODEL_OVERRIDE", "pup")
    run("--llm-strategy=branching").assert_outcomes(failed=1)
    assert [call[0] for call in asked(toys)] == ["pup"]


SOLVES = """
import pytest

TASK = {"prompt": "third doubles", "check": {"unit_tests": {"tests": ["assert twice(2) == 4"]}}}

@pytest.mark.llm(task="fix")
def test_solves(llm):
    solved = llm.solve(TASK)
    ladder = llm.column == "branching"
    assert solved.passed and not solved.message
    assert [one.accepted for one in solved.attempts] == ([False, False, True] if ladder else [])
    assert [one.error_class for one in solved.attempts][:1] == (["TypeError"] if ladder else [])
    assert solved.reply.model == ("pup" if ladder else "dog")

def test_misses(llm):
    solved = llm.solve({**TASK, "prompt": "never doubles"})
    assert not solved.passed and "did not hold" in solved.message

def test_is_wrong(llm):
    llm.solve({"prompt": "x", "chekc": 1})

def test_asks(llm):
    assert "a + 'x'" in llm.generate("third time").text
"""


def test_solve_runs_the_same_plan_in_a_test(toys: pytest.Pytester, run: Run) -> None:
    toys.makepyfile(test_it=SOLVES)
    result = run("--llm-strategy=branching,single", "-rf")
    text = result.stdout.str()
    assert "3 failed, 5 passed" in text.splitlines()[-1], text
    assert 'unknown key "chekc" (did you mean "check"?)' in text
    assert "test_it.py::test_asks[single]" in text.split("short test summary")[1]


@pytest.mark.parametrize(
    "at",
    [
        4,
        pytest.param(2, marks=pytest.mark.slow),
        pytest.param(8, marks=pytest.mark.slow),
        pytest.param(13, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_killed_in_the_middle_of_a_ladder_asks_nothing_twice(
    toys: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The call during which it was killed had no answer: that one is asked again."""
    Path(toys.path / "t.llm.yaml").write_text(tasks(*CODE))
    monkeypatch.setenv("KILL_AT", str(at))
    assert run("--llm-strategy=branching", "--llm-concurrency=1").ret == -signal.SIGKILL
    monkeypatch.delenv("KILL_AT")
    before = asked(toys)
    result = run("--llm-strategy=branching", "--llm-concurrency=1", "--llm-resume=last", "--llm-json=out.json")
    result.assert_outcomes(passed=3, failed=1)
    assert len(before) == at
    calls = asked(toys)
    assert calls[at] == before[-1]
    del calls[at]
    assert len(set(map(str, calls))) == len(calls) == 1 + 3 + 5 + 5
    data = json.loads((toys.path / "out.json").read_text())
    third = record(data, "third")
    assert shown(third["calls"], "rung", "accepted") == [(1, False), (2, False), (3, True)]


def test_a_replayed_ladder_asks_nobody(toys: pytest.Pytester, run: Run) -> None:
    Path(toys.path / "t.llm.yaml").write_text(tasks(*CODE))
    run("--llm-strategy=branching", "--llm-replay=rewrite").assert_outcomes(passed=3, failed=1)
    (toys.path / "asked.jsonl").unlink()
    result = run("--llm-strategy=branching", "--llm-replay=only")
    result.assert_outcomes(passed=3, failed=1)
    assert not (toys.path / "asked.jsonl").exists()
    assert "solved by attempt 1 to 3: 1, 0, 1; by the large model: 1; unsolved: 1" in result.stdout.str()


def test_the_next_run_tries_as_often_as_this_one_says_is_worth_it(
    toys: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hopeless tasks teach that the small model need not be asked; the plan says so, and all workers do."""
    Path(toys.path / "t.llm.yaml").write_text(
        "".join(f"- {{id: n{n}, task: fix, prompt: large {n}, check: {{contains: 2 *}}}}\n" for n in range(25))
    )
    plan = ("--llm-strategy=branching", "--llm-plan")
    assert "ladder: 4 attempts: nobody has measured pup and dog yet" in run(*plan).stdout.str()
    run("--llm-strategy=branching", "-q")
    assert len(asked(toys)) == 25 * 5
    assert "ladder: 0 attempts: large costs 10.0 × small, first chance" in run(*plan).stdout.str()
    run("--llm-strategy=branching", "-n2", "-q")
    assert [call[0] for call in asked(toys)[25 * 5 :]] == ["dog"] * 25
    monkeypatch.setenv("KILL_AT", str(25 * 6 + 10))
    run("--llm-strategy=branching", "--llm-concurrency=1", "-q")
    monkeypatch.delenv("KILL_AT")
    resumed = run("--llm-strategy=branching", "--llm-concurrency=1", "--llm-resume=last")
    assert "9 of 25 tests are finished" in resumed.stdout.str()
    assert [call[0] for call in asked(toys)[25 * 6 :]] == ["dog"] * (25 + 1)


PLANTED = """
def llmroute_scripted(call):
    number = int(call.messages[-1].content.split()[1])
    solves = (1, 1, 1, 1, 2, 2, 3, 4, "large", "nobody")[number % 10]
    return "right" if solves == (call.attempt if call.role == "small" else "large") else "wrong"
"""


def test_planted_chances_come_out_exactly(suite: pytest.Pytester, run: Run) -> None:
    """Of ten tasks four are solved at once, two by the second attempt, one by each further one, one by the large."""
    suite.makeconftest(PLANTED)
    one = {"task": "fix", "check": {"exact": "right"}}
    tasks = [{"id": f"n{number}", "prompt": f"task {number}", **one} for number in range(200)]
    Path(suite.path / "t.llm.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    run("--llm-strategy=single,branching,cascade", "--llm-json=out.json", "-q")
    columns = {each["column"]: each for each in json.loads((suite.path / "out.json").read_text())["columns"]}
    assert {name: (each["passed"], each["first_attempt"]) for name, each in columns.items()} == {
        "single": (20, 20), "branching": (180, 80), "cascade": (100, 80),
    }  # fmt: skip
    ladder = columns["branching"]["attempts"]
    assert ladder["solved_at"] == {"1": 80, "2": 40, "3": 20, "4": 20}
    assert (ladder["solved_by_large"], ladder["unsolved"], ladder["large_calls"]) == (20, 20, 40)
    assert ladder["small_calls"] == 80 + 2 * 40 + 3 * 20 + 4 * (20 + 40)
    assert columns["cascade"]["attempts"]["large_calls"] == 120
    assert columns["single"]["attempts"] is None
