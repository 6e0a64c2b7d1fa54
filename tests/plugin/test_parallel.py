"""`mode = "parallel"`: the small model's attempts and the large model at the same time, over a server that takes its
time and sees who hangs up.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.testing.loopback import Loopback, QuietHandler

from .conftest import WORKERS, Run

RIGHT, WRONG, LONG = "right", "wrong", 20.0
"""Seconds of an answer that nobody should wait for."""
ANSWERS: dict[str, dict[str, tuple[Any, ...]]] = {
    "first": {"pup": (0.3, RIGHT), "dog": (LONG, RIGHT)},
    "quick": {"pup": (0.3, WRONG, RIGHT), "dog": (LONG, RIGHT)},
    "large": {"pup": (LONG, RIGHT), "dog": (0.3, RIGHT)},
    "never": {"pup": (0.0, WRONG, WRONG), "dog": (1.0, WRONG)},
    "solve": {"pup": (LONG, RIGHT), "dog": (0.1, RIGHT)},
    "later": {"pup": (LONG, RIGHT), "dog": (0.1, RIGHT)},
}
"""By the first word of a prompt and by model: seconds of each call, and what is said then."""
TASKS = ("first", "quick", "large", "never")
TOML = """
[models.pup]
backend = "openai"
stream = false
price = {{ input = 1, output = 10 }}
max_output = 100
base_url = "{url}/v1"
[models.dog]
backend = "openai"
stream = false
price = {{ input = 10, output = 100 }}
max_output = 100
base_url = "{url}/v1"
[strategies.eager]
extends = "branching"
small = "pup"
large = "dog"
mode = "parallel"
stop = "fixed"
temperatures = [0.1, 0.3]
"""


class Patient(Loopback):
    """A server: what it was asked, and whether somebody was there for the answer."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        """Task and model, as they were asked."""
        self.hung_up: list[tuple[str, str]] = []
        super().__init__(_handler(self))

    def answer(self, task: str, model: str) -> tuple[float, str]:
        wait, *texts = ANSWERS[task][model]
        self.came.append((task, model))
        return wait, texts[min(self.came.count((task, model)), len(texts)) - 1]


def _handler(server: Patient) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            task, model = body["messages"][-1]["content"].split()[0], body["model"]
            wait, text = server.answer(task, model)
            until = time.monotonic() + wait
            while time.monotonic() < until:
                if select.select([self.connection], [], [], 0.02)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                    server.hung_up.append((task, model))
                    self.close_connection = True
                    return
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            said = {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}
            data = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.send_error(404)

    return Handler


@pytest.fixture
def server() -> Iterator[Patient]:
    with Patient() as found:
        yield found


@pytest.fixture
def eager(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, server: Patient) -> pytest.Pytester:
    suite.makeconftest("")
    monkeypatch.setenv("LLMROUTE_PROFILE", "embedded")
    Path(suite.path / "llmroute.toml").write_text(TOML.format(url=server.url))
    return suite


def write(suite: pytest.Pytester, *names: str) -> None:
    one = "- {{id: {0}, task: fix, prompt: {0} and so on, check: {{exact: right}}}}\n"
    Path(suite.path / "t.llm.yaml").write_text("".join(map(one.format, names)))


def records(suite: pytest.Pytester) -> dict[str, Mapping[str, Any]]:
    data = json.loads((suite.path / "out.json").read_text())
    return {one["nodeid"].split("::")[-1].split("[")[0]: one for one in data["records"]}


def calls(record: Mapping[str, Any], *keys: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(call[key] for key in keys) for call in record["calls"])


@WORKERS
def test_the_first_accepted_answer_counts_and_the_other_call_is_given_up(
    eager: pytest.Pytester, run: Run, server: Patient, workers: tuple[str, ...]
) -> None:
    write(eager, *TASKS)
    began = time.monotonic()
    args = *workers, "--llm-strategy=eager", "--llm-concurrency=16"
    result = run(*args, "--llm-json=out.json", "--llm-replay=rewrite", "--llm-budget=$1")
    took = time.monotonic() - began
    result.assert_outcomes(passed=3, failed=1)
    assert took < LONG
    assert sorted(server.hung_up) == [("first", "dog"), ("large", "pup"), ("quick", "dog")]
    found = records(eager)

    quick, large, never = (found[name] for name in ("quick", "large", "never"))
    keys = ("role", "rung", "accepted", "error_class")
    assert sorted(calls(quick, *keys), key=str) == sorted(
        [("large", 3, None, "cancelled"), ("small", 1, False, None), ("small", 2, True, None)], key=str
    )
    assert calls(large, *keys) == [("large", 3, True, None), ("small", 1, None, "cancelled")]
    assert calls(never, *keys) == [("large", 3, False, None), ("small", 1, False, None), ("small", 2, False, None)]
    assert {name: (one["outcome"], one["first_attempt"]) for name, one in found.items()} == {
        "first": ("passed", True), "quick": ("passed", False), "large": ("passed", False), "never": ("missed", False),
    }  # fmt: skip
    assert "wrong" in never["message"]

    cancelled = next(call for call in large["calls"] if call["error_class"])
    assert 0 < cancelled["total_s"] < LONG
    assert cancelled["usd"] >= 100 * 10 / 1e6  # all that it might have written
    assert not cancelled["tokens_exact"]
    assert large["usd"] > cancelled["usd"]
    assert all("both models at the same time" in call["reason"] for call in large["calls"])
    text = result.stdout.str()
    assert "solved by attempt 1 to 2: 1, 1; by the large model: 1; unsolved: 1" in text
    assert "cancelled ×3 of these calls, after" in text
    assert "3 failed or cancelled calls are counted with the most that they may have taken" in " ".join(text.split())

    asked = len(server.came)
    again = run(*args, "--llm-replay=only")
    again.assert_outcomes(passed=3, failed=1)
    assert "solved by attempt 1 to 2: 1, 1; by the large model: 1; unsolved: 1" in again.stdout.str()
    assert "not recorded" not in again.stdout.str()
    assert len(server.came) == asked


SOLVES = """
def test_solves(llm):
    solved = llm.solve({"prompt": "solve it", "check": {"exact": "right"}})
    assert solved.passed and [one.role for one in solved.attempts] == ["large"]
"""


def test_a_test_that_solves_races_and_a_resumed_run_takes_over_what_was_answered(
    eager: pytest.Pytester, run: Run, server: Patient
) -> None:
    """The first failure stops the run, while the races of the tests behind it are decided."""
    eager.makepyfile(test_it=SOLVES)
    write(eager, "large", "never", "later")
    args = "test_it.py", "t.llm.yaml", "--llm-strategy=eager", "--llm-concurrency=16"
    run(*args, "-x").assert_outcomes(passed=2, failed=1)
    assert sorted(server.hung_up) == [("large", "pup"), ("later", "pup"), ("solve", "pup")]
    before = [one for one in server.came if one[1] == "dog"]
    result = run(*args, "--llm-resume=last", "--llm-json=out.json")
    result.assert_outcomes(passed=3, failed=1)
    assert "3 of 4 tests are finished" in result.stdout.str()
    assert [one for one in server.came if one[1] == "dog"] == before
    later = records(eager)["later"]
    assert [call["model"] for call in later["calls"] if not call["error_class"]] == ["dog"]


MEMORY = """
from pytest_llmroute import BackendType, ModelCard, Reply

class Toy:
    def __init__(self, card): self.card = card
    def generate(self, call): return Reply("right", self.card.name)
    def close(self): pass

def llmroute_backends(): return [BackendType("toy", Toy, memory=lambda card: 3_000_000_000)]
def llmroute_models(): return [ModelCard("cub", backend="toy"), ModelCard("cat", backend="toy")]
"""
CATS = """
[strategies.cats]
extends = "cascade"
small = "cub"
large = "cat"
mode = "parallel"
[strategies.tiny]
extends = "cascade"
mode = "parallel"
"""


def test_models_that_share_a_slot_or_may_not_fit_into_memory_together_are_asked_one_after_the_other(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makeconftest(MEMORY)
    monkeypatch.setenv("LLMROUTE_PROFILE", "embedded")
    Path(suite.path / "llmroute.toml").write_text(CATS)
    write(suite, "any")
    args = "--llm-strategy=cats,tiny", "--llm-plan", "--llm-ram-budget=5GB"
    crowded = " ".join(run(*args).stdout.str().split())
    assert "then cat (one after the other: the two models may not fit into memory together)" in crowded
    assert "then micro (one after the other: the two models share one slot)" in crowded
    assert "at the same time cat" in " ".join(run(*args, "--llm-ram-budget=8GB").stdout.str().split())
    run("--llm-strategy=cats", "--llm-ram-budget=5GB", "--llm-json=out.json").assert_outcomes(passed=1)
    (call,) = records(suite)["any"]["calls"]
    assert "one after the other" in call["reason"]
