"""`--llm-budget`: the run stops before the call that would exceed it, says so, and is never judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mock_server import MockServer

from .conftest import WORKERS, Run

TOML = """
profile = "mock"
[models.m]
backend = "openai"
base_url = "{url}"
max_tokens = 50
price = {{ input = 100.0, output = 100.0 }}
retry = {{ attempts = 1 }}
[profiles.mock]
extends = "embedded"
roles = {{ tiny = "m", small = "m", medium = "m", coder = "m", large = "m" }}
"""
TASKS = 40


@pytest.fixture
def server(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    """Answers 40 tasks with few of the 50 tokens that each may take."""
    monkeypatch.delenv("LLMROUTE_PROFILE")
    lines = [{"id": f"t{n}", "prompt": f"Say ok: {n}", "check": {"contains": "ok"}} for n in range(TASKS)]
    (suite.path / "made.llm.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with MockServer(latency=0.02) as running:
        (suite.path / "llmroute.toml").write_text(TOML.format(url=running.v1))
        yield running


def written(suite: pytest.Pytester) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((suite.path / "out.json").read_text())
    return loaded


@pytest.mark.parametrize(
    ("args", "limit", "unit"),
    [
        (("--llm-budget=$0.05", "--llm-concurrency=10"), 0.05, "usd"),
        (("--llm-budget=600 tokens, 10 min", "-n2"), 600, "tokens"),
    ],
    ids=["slots", "n2"],
)
def test_the_run_stops_before_the_call_that_would_exceed_it(
    suite: pytest.Pytester, run: Run, server: MockServer, args: tuple[str, ...], limit: float, unit: str
) -> None:
    result = run(*args, "--llm-gate=fail", "--llm-save", "--llm-json=out.json")
    assert result.ret == 2
    made = server.stats().answers
    records = written(suite)["records"]
    spent = sum(
        call["usd"] if unit == "usd" else call["prompt_tokens"] + call["completion_tokens"]
        for record in records
        for call in record["calls"]
    )
    assert 0.8 * limit < spent <= limit  # in vain is no call: the records hold what the server answered
    assert made == sum(len(record["calls"]) for record in records)
    done = [record for record in records if record["outcome"] != "interrupted"]
    assert len(done) == made
    assert {record["outcome"] for record in done} == {"passed"}
    result.stdout.fnmatch_lines(
        [
            f"budget: * of * spent; the next call would *; {TASKS - made} of {TASKS} items were not run",
            "llmroute: the run was stopped: the gate does not judge it, and no baseline is written",
            "llmroute: cut short; *, and this goes on: pytest *--llm-resume=last   (the budget counts anew)",
            "*Interrupted: the budget of the run is spent*",
            f"*{made} passed, * not run*",
        ]
    )
    assert written(suite)["run"]["status"] == "interrupted"
    assert not (suite.path / "llmroute-baseline.json").exists()


def test_a_budget_that_holds_all_is_told_and_changes_nothing_and_replayed_calls_take_nothing_of_it(
    suite: pytest.Pytester, run: Run, server: MockServer
) -> None:
    first = run("--llm-budget=$5", "--llm-replay=rewrite")
    assert first.ret == 0
    first.stdout.fnmatch_lines(["budget: $0.0* of $5.00 spent"])
    again = run("--llm-budget=1 token", "--llm-replay=only")
    assert again.ret == 0
    again.stdout.fnmatch_lines(["budget: 0 of 1 tokens spent"])
    assert server.stats().answers == TASKS


BODIES = """
import pytest

@pytest.fixture
def asks(llm): return llm.generate("in a fixture")

def test_fits(llm): assert llm.generate("x").text
def test_swallows(llm):
    assert llm.generate("x").text
    for _ in range(9):
        try: last = llm.generate("x")
        except Exception: last = None
    assert last is not None
def test_later(asks): pass
def test_never(llm): llm.generate("x")
def test_plain(): pass
"""


@WORKERS
def test_a_test_that_meets_the_end_of_the_budget_says_nothing_whatever_it_makes_of_it(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    """Neither a miss nor a failure; without calls ahead it is the one that stops the run."""
    monkeypatch.setenv("LLMROUTE_BUDGET", "530 tokens")
    suite.makepyfile(test_it=BODIES)
    result = run(*workers, "--llm-gate=record", "--llm-json=out.json", "-rA")
    assert result.ret == 2
    outcomes = {record["nodeid"].partition("::")[2]: record["outcome"] for record in written(suite)["records"]}
    assert outcomes.get("test_swallows[balanced]", "interrupted") == "interrupted"
    assert set(outcomes.values()) <= {"passed", "interrupted"}
    text = result.stdout.str()
    assert "missed" not in text.partition("- llmroute -")[2]
    assert "failed" not in text.splitlines()[-1]
    if not workers:
        assert outcomes == {"test_fits[balanced]": "passed", "test_swallows[balanced]": "interrupted"}
        result.stdout.fnmatch_lines(["test_it.py .-*", "*; 4 of 5 items were not run", "*1 passed, 1 not run*"])


def test_what_was_made_ahead_is_judged_before_the_run_stops(suite: pytest.Pytester, run: Run) -> None:
    """The first call is slow and dear; those beside it are there, and paid, when the budget ends."""
    task = "  - {{id: t{0}, prompt: p, max_tokens: 10, check: {{contains: ok}}, scripted: {{text: ok}}}}\n"
    (suite.path / "t.llm.yaml").write_text("tasks:\n" + "".join(task.format(n) for n in range(6)))
    (suite.path / "conftest.py").write_text(SLOTS)
    result = run("--llm-model=house", "--llm-budget=45 tokens", "--llm-concurrency=4")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*; 2 of 6 items were not run", "*4 passed, ? not run*"])


SLOTS = """
from pytest_llmroute import BackendType, ModelCard, Reply
from pytest_llmroute.core.replies import Tokens

class House:
    def __init__(self, card): self.card = card
    def generate(self, call): return Reply("ok", self.card.name, Tokens(1, 9))
    def close(self): pass

def llmroute_backends(): return [BackendType("house", House)]
def llmroute_models(): return [ModelCard("house", "house")]
"""


def test_lf_keeps_what_was_not_run(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        def test_a(llm): assert llm.generate("x" * 400, max_tokens=9).text == "no"
        def test_b(llm): assert llm.generate("y" * 400, max_tokens=9).text == "no"
        """
    )
    keep = ("-p", "cacheprovider")
    assert run(*keep).ret == 1
    assert run(*keep, "--lf", "--llm-budget=200 tokens").ret == 2
    run(*keep, "--lf", "--co", "-q").stdout.fnmatch_lines(["*test_a*", "*test_b*"])


def test_what_can_not_be_held_is_refused_before_any_test(suite: pytest.Pytester, run: Run) -> None:
    (suite.path / "llmroute.toml").write_text(
        '[models.far]\nbackend = "openai"\nbase_url = "https://llm.example.org/v1"\nremote = true\n'
    )
    suite.makepyfile(
        test_it="""
        import pytest
        def test_a(llm): llm.generate("x")
        @pytest.mark.llm(prompt="x")
        def test_b(llm_reply): pass
        """
    )
    result = run("--llm-model=far", "--llm-budget=$2")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            "*model \"far\" has no price, so --llm-budget='$2' can't be held [[]LLR411[]]",
            "*https://llm.example.org/v1*",
            "*price = { input = …, output = … } on its card*",
            "*--llm-budget='200000 tokens'*",
        ]
    )
    wrong = run("--llm-budget=2 euros")
    assert wrong.ret == 4
    wrong.stderr.fnmatch_lines(
        ['*--llm-budget: "2 euros" is not in $, tokens, s, min or h [[]LLR001[]]', "*a shell takes $2 for a variable"]
    )


def test_the_plan_says_what_the_calls_may_cost(suite: pytest.Pytester, run: Run, server: MockServer) -> None:
    far = '[models.far]\nbackend = "openai"\nbase_url = "https://llm.example.org/v1"\nremote = true\nmax_tokens = 9\n'
    with (suite.path / "llmroute.toml").open("a") as file:
        file.write(far)
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    result = run("--llm-plan", "--llm-strategy=fast", "--llm-model=far")
    # 3 tokens of prompt, 50 of the reply, at 100 dollars per million
    text = " ".join(result.stdout.str().split())
    assert (
        "cost: at most $0.2120 for 40 calls, their prompts estimated; not known for 40 of far;"
        " nor for 2 items whose tests write their prompts"
    ) in text
    assert not server.stats().calls


def test_places_of_a_budget(suite: pytest.Pytester, run: Run) -> None:
    suite.makeini("[pytest]\nllm_budget = $1, 5 min\n")
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    run().stdout.fnmatch_lines(["budget: $0.0000 of $1.00, * of 5 min spent*"])
    assert Path(suite.path / ".llmroute").is_dir()
