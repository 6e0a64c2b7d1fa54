"""What goes wrong under a run that calls ahead: nothing is lost, nothing waits for ever, no model is blamed."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from mock_server import MockServer

from .conftest import Run

TOML = """
profile = "mock"
[models.m]
backend = "openai"
base_url = "{url}"
{card}
[profiles.mock]
extends = "embedded"
roles = {{ tiny = "m", small = "m", medium = "m", coder = "m", large = "m" }}
"""


@pytest.fixture
def server(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    monkeypatch.delenv("LLMROUTE_PROFILE")
    with MockServer(latency=0.05) as running:
        yield running


def project(suite: pytest.Pytester, server: MockServer, tasks: int, card: str = "") -> None:
    (suite.path / "llmroute.toml").write_text(TOML.format(url=server.v1, card=card))
    lines = [{"id": f"t{n}", "prompt": f"Say ok: {n}", "check": {"contains": "ok"}} for n in range(tasks)]
    (suite.path / "made.llm.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def records(suite: pytest.Pytester) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads((suite.path / "out.json").read_text())["records"]
    return found


def when_answered(server: MockServer, answers: int) -> None:
    until = time.monotonic() + 20
    while server.stats().answers < answers:
        assert time.monotonic() < until, "nobody asks"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("gap", "rest"), [(0.6, 0.3), pytest.param(4.0, 5.0, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_a_server_that_is_killed_and_started_again_loses_no_item(
    suite: pytest.Pytester, run: Run, server: MockServer, gap: float, rest: float
) -> None:
    """Tries carry over the gap, of those that were on their way and of those that came meanwhile."""
    project(suite, server, 60)
    suite.makeconftest(f"from pytest_llmroute.backends import breaker\nbreaker.FIRST_REST = {rest}\n")
    fell: list[int] = []

    def fall() -> None:
        when_answered(server, 12)
        fell.append(server.stats().answers)
        server.kill()
        time.sleep(gap)
        server.start()

    falls = threading.Thread(target=fall)
    falls.start()
    result = run("--llm-gate=record", "--llm-concurrency=4", "--llm-json=out.json")
    falls.join()
    assert 12 <= fell[0] < 60, "the server was there all the time"
    made = records(suite)
    assert Counter(record["outcome"] for record in made) == {"passed": 60}
    assert result.ret == 0
    assert any(call["retries"] for record in made for call in record["calls"])
    assert sum(len(record["calls"]) for record in made) == 60
    assert server.stats().answers <= 60 - fell[0] + 4  # its counters began anew; few answers fell with it


def test_a_server_that_is_killed_for_good_makes_errors_with_their_cause_and_no_miss(
    suite: pytest.Pytester, run: Run, server: MockServer
) -> None:
    project(suite, server, 150, "retry = { attempts = 2, first_wait = 0.1, longest_wait = 0.2 }")

    def fall() -> None:
        when_answered(server, 12)
        server.kill()

    falls = threading.Thread(target=fall)
    falls.start()
    result = run("--llm-gate=record", "--llm-concurrency=4", "--llm-json=out.json")
    falls.join()
    assert result.ret == 1
    made = records(suite)
    outcomes = Counter(record["outcome"] for record in made)
    assert outcomes.keys() == {"passed", "error"}
    assert outcomes.total() == 150
    assert {record["error_class"] for record in made if record["outcome"] == "error"} <= {"refused", "server"}
    # Whether anybody still gets as far as a new connection depends on how the calls fell.
    result.stdout.re_match_lines([r".*m: .*(refused|broke off)", r".*failed \d+ times in a row"])
    assert "missed" not in result.outlines[-1]


@pytest.mark.parametrize("kind", ["endless", "silent"])
def test_a_reply_that_never_ends_is_ended_by_its_limit_and_its_slot_is_free_again(
    suite: pytest.Pytester, run: Run, server: MockServer, kind: str
) -> None:
    project(suite, server, 16, "timeout = 0.6\nretry = { attempts = 1 }")
    server.fault(kind, count=3, after=2)  # type: ignore[arg-type]
    started = time.monotonic()
    result = run("--llm-gate=record", "--llm-concurrency=2", "--llm-json=out.json")
    assert time.monotonic() - started < 15
    made = records(suite)
    assert Counter((record["outcome"], record["error_class"]) for record in made) == {
        ("passed", None): 13,
        ("error", "timeout"): 3,
    }
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*13 passed, 3 errors*"])


ENDS = """
from pytest_llmroute import BackendType, ModelCard, Reply

class Ends:
    def __init__(self, card): self.card = card
    def generate(self, call):
        text = call.messages[-1].content
        if text.endswith(("1", "4", "7")):
            raise {"1": SystemExit(3), "4": KeyboardInterrupt("not theirs"), "7": GeneratorExit()}[text[-1]]
        return Reply("ok", self.card.name)
    def close(self): pass

def llmroute_backends(): return [BackendType("ends", Ends)]
def llmroute_models(): return [ModelCard("ends", "ends")]
"""


def test_a_backend_that_ends_its_thread_is_an_error_of_that_item(
    suite: pytest.Pytester, run: Run, server: MockServer
) -> None:
    """Made ahead, and in a test's own body; the others are answered by the same slots."""
    project(suite, server, 30)
    suite.makeconftest(ENDS)
    suite.makepyfile(test_it="def test_body(llm): llm.generate('call 4')\ndef test_fine(llm): llm.generate('call 5')\n")
    result = run("--llm-model=ends", "--llm-gate=record", "--llm-concurrency=2", "--llm-json=out.json")
    assert result.ret == 1
    made = records(suite)
    assert Counter((record["outcome"], record["error_class"]) for record in made) == {
        ("passed", None): 22,
        ("error", "backend"): 10,
    }
    for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
        result.stdout.fnmatch_lines([f"*{name} instead of an answer*"])
