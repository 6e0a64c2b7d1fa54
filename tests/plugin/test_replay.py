"""`--llm-replay` and `cache`: what is asked, what is recorded, what comes back, and what the gate makes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ..backends.rough import Asked, Planned, Rough, said, streamed
from .broken_off import TOML
from .conftest import WORKERS, Run

Json = Callable[..., Mapping[str, Any]]
OTHER = """
[models.other]
extends = "house"
id = "other"
"""
NO_SOCKETS = """
import socket
def refused(*address): raise AssertionError(f"a connection to {address}")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refused
"""
TWO = """
import pytest
@pytest.mark.parametrize("n", range(2))
def test_a(llm, n): assert llm.generate(f"prompt {n}").text == f"1: prompt {n}"
"""


@pytest.fixture
def house(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rough]:
    """A server that numbers its answers to each prompt, and a profile that it plays alone."""
    monkeypatch.setenv("LLMROUTE_PROFILE", "house")
    suite.makeconftest("")
    asked: dict[str, int] = {}

    def answer(request: Asked) -> Planned:
        if request.path == "/v1/models":
            return said({"data": [{"id": "house"}, {"id": "other"}]})
        prompt = request.body["messages"][-1]["content"]
        asked[prompt] = asked.get(prompt, 0) + 1
        return spoken(f"{asked[prompt]}: {prompt}")

    with Rough() as running:
        running.plan = answer
        configure(suite, running.url)
        yield running


def configure(suite: pytest.Pytester, url: str, top: str = "", more: str = "") -> None:
    (suite.path / "llmroute.toml").write_text(top + TOML.format(url=url) + OTHER + more)


def spoken(text: str) -> Planned:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    return streamed(
        {"choices": [choice]}, {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}, "[DONE]"
    )


def prompts(house: Rough) -> list[str]:
    """What the model was asked so far."""
    return [asked.body["messages"][-1]["content"] for asked in house.asked if asked.body]


def recordings(suite: pytest.Pytester) -> list[Path]:
    return sorted((suite.path / ".llmroute" / "recordings").glob("*/*"))


@WORKERS
def test_what_was_recorded_is_replayed_without_a_connection(
    suite: pytest.Pytester, run: Run, run_json: Json, house: Rough, workers: tuple[str, ...]
) -> None:
    """Not even to ask what the server has: it may be gone, its key too, and `offline` holds."""
    suite.makepyfile(test_it=TWO)
    first = run_json("--llm-replay=auto", *workers)
    assert sorted(prompts(house)) == ["prompt 0", "prompt 1"]
    assert len(recordings(suite)) == 2
    configure(suite, "https://models.example.org")
    suite.makeconftest(NO_SOCKETS)
    result = run("--llm-replay=only", "--llm-offline", "--llm-json=out.json", *workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["balanced*2/2*replayed", "replayed: replies were recorded before*"])
    again = json.loads((suite.path / "out.json").read_text())
    jsonschema.validate(
        again, json.loads((resources.files("pytest_llmroute.config") / "schemas/run.schema.json").read_text())
    )
    for old, new in zip(by_name(first), by_name(again), strict=True):
        (before,), (now,) = old["calls"], new["calls"]
        for name in ("total_s", "first_s"):
            assert now.pop(name) == pytest.approx(before.pop(name), abs=1e-6)
        moved = {name: (before[name], now[name]) for name in now if before[name] != now[name]}
        assert moved.pop("replayed") == (False, True)
        assert {name for name in moved if not name.startswith(("server_", "ram_"))} <= {
            "decode_s",
            "policy_id",
            "queue_s",
        }
        assert (now["usd"], now["prompt_tokens"], new["replayed"]) == (9e-6, 7, True)
        assert len(now["recording"]) == 32


def by_name(data: Mapping[str, Any]) -> list[Any]:
    return sorted(data["records"], key=lambda record: str(record["nodeid"]))


@WORKERS
def test_what_is_not_recorded_is_an_error_that_tells_the_closest(
    suite: pytest.Pytester, run: Run, house: Rough, workers: tuple[str, ...]
) -> None:
    suite.makepyfile(test_it=TWO)
    run("--llm-replay=auto")
    suite.makepyfile(test_it=TWO.replace("prompt {n}", "prompt {n + 1}"))
    suite.makeconftest(NO_SOCKETS)
    result = run("--llm-replay=only", *workers)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E *house: not recorded: .llmroute/recordings/*.json; the closest, *…, differs: prompt: message 1 (user),"
            ' line 1: "prompt 2", recorded "prompt 1"*',
            "*1 not recorded*",
            "test_it.py::test_a?balanced-1?",
            "  house: .llmroute/recordings/??/*.json",
            "  the closest, *…, differs: prompt: message 1 (user), line 1:*",
            "--llm-replay=auto asks the models for these, and records them",
        ]
    )
    assert "(recording ×1)" in result.stdout.str()
    assert len(house.asked) == 3


def test_each_repeat_and_each_equal_call_of_a_test_has_a_recording_of_its_own(
    suite: pytest.Pytester, run: Run, house: Rough
) -> None:
    suite.makepyfile(test_it="def test_a(llm): print('got', [llm.generate('x', seed=4).text for _ in range(2)])\n")
    run("--llm-replay=auto", "--llm-repeat=2", "-s").stdout.fnmatch_lines(["*got*1: x*2: x*", "*got*3: x*4: x*"])
    assert len(recordings(suite)) == 4
    result = run("--llm-replay=only", "--llm-repeat=2", "-s")
    result.stdout.fnmatch_lines(["*got*1: x*2: x*", "*got*3: x*4: x*"])
    assert len(prompts(house)) == 4
    requests = [json.loads(path.read_text())["request"] for path in recordings(suite)]
    found = {(one["repeat"], one["settings"]["seed"], one.get("occurrence")) for one in requests}
    assert found == {(1, 5, None), (1, 5, 2), (2, 6, None), (2, 6, 2)}


@pytest.mark.slow
def test_a_rerun_asks_anew(suite: pytest.Pytester, run_json: Json, house: Rough) -> None:
    """A plugin that reruns a miss wants another reply; both are recorded, and replayed in their order."""
    suite.makeconftest("""
        def pytest_runtest_protocol(item, nextitem):
            from _pytest.runner import runtestprotocol
            runtestprotocol(item, nextitem=nextitem, log=False)
            item.funcargs = {}
            item._initrequest()
            runtestprotocol(item, nextitem=nextitem)
            return True
    """)
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('x').text == '2: x'\n")
    run_json("--llm-replay=auto")
    assert prompts(house) == ["x", "x"]
    (record,) = run_json("--llm-replay=only")["records"]
    assert (record["outcome"], record["replayed"]) == ("passed", True)


def test_two_workers_record_one_call_at_once(suite: pytest.Pytester, run: Run, house: Rough) -> None:
    both = threading.Barrier(2, timeout=20)

    def together(asked: Asked) -> Planned:
        if not asked.body:
            return said({"data": [{"id": "house"}]})
        return spoken(f"x{both.wait()}")

    house.plan = together
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("n", range(2))
        def test_a(llm, n): assert llm.generate("same").text[0] == "x"
        """
    )
    run("--llm-replay=auto", "-n2").assert_outcomes(passed=2)
    assert len(prompts(house)) == 2
    assert len(recordings(suite)) == 1
    run("--llm-replay=only", "-n2").assert_outcomes(passed=2)


def test_failures_are_not_recorded_and_a_fallback_is_replayed_as_one(
    suite: pytest.Pytester, run_json: Json, house: Rough
) -> None:
    answers = house.plan
    house.plan = lambda asked: Planned(500) if asked.body and asked.body["model"] == "house" else answers(asked)
    configure(suite, house.url, more='[strategies.safe]\nextends = "balanced"\nfallback = ["other"]\n')
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('x').model == 'other'\n")
    for mode in ("auto", "only"):
        (record,) = run_json(f"--llm-replay={mode}", "--llm-strategy=safe")["records"]
        (call,) = record["calls"]
        assert (record["outcome"], call["link"], len(recordings(suite))) == ("passed", "fallback", 1)
        assert call["failures"][0][:2] == ["house", "server" if mode == "auto" else "recording"]


def test_secrets_reach_no_recording(
    suite: pytest.Pytester, run: Run, house: Rough, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSE_API_KEY", "correct-horse-battery")
    suite.makepyfile(test_it="import os\ndef test_a(llm): llm.generate('my key is ' + os.environ['HOUSE_API_KEY'])\n")
    run("--llm-replay=auto").assert_outcomes(passed=1)
    assert prompts(house) == ["my key is correct-horse-battery"]
    (text,) = (path.read_text() for path in recordings(suite))
    assert "correct-horse" not in text
    assert text.count("my key is [HOUSE_API_KEY]") == 2
    monkeypatch.setenv("HOUSE_API_KEY", "another-one-elsewhere")
    run("--llm-replay=only").assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_broken_recording_is_named_and_nobody_is_asked_instead(
    suite: pytest.Pytester, run: Run, house: Rough
) -> None:
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    run("--llm-replay=auto")
    (path,) = recordings(suite)
    path.write_text("{")
    result = run("--llm-replay=auto")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"llmroute: the recording .llmroute/recordings/??/{path.name} is no JSON*LLR604*"])
    assert prompts(house) == ["x"]


def test_a_folder_that_cant_be_written_is_told_and_stops_nothing(
    suite: pytest.Pytester, run: Run, house: Rough
) -> None:
    configure(suite, house.url, 'recordings = "tests/kept"\nreplay = "auto"\n')
    suite.makepyfile(test_it="def test_a(llm): llm.generate('x')\n")
    (suite.path / "tests").write_text("a file")
    result = run("-n2")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["llmroute: the recording tests/kept/* can't be written: *LLR604*"])


class TestTheGate:
    SUITE = """
        import pytest
        @pytest.mark.parametrize("n", range(2))
        def test_a(llm, n): assert llm.generate(f"prompt {n}", temperature=0.5).text
    """

    def test_replayed_tries_are_refused_unless_they_are_allowed(
        self, suite: pytest.Pytester, run: Run, house: Rough
    ) -> None:
        suite.makepyfile(test_it=self.SUITE)
        run("--llm-replay=auto", "--llm-repeat=2", "--llm-save").assert_outcomes(passed=4)
        refused = run("--llm-replay=only", "--llm-repeat=2", "--llm-gate=fail")
        assert refused.ret == 1
        refused.stdout.fnmatch_lines(["*4 of its tries were replayed from recordings, which says nothing new*"])
        configure(suite, house.url, "[gate]\nallow_replayed = true\n")
        allowed = run("--llm-replay=only", "--llm-repeat=2", "--llm-gate=fail", "--llm-json=out.json")
        assert allowed.ret == 0
        (column,) = json.loads((suite.path / "out.json").read_text())["gate"]["columns"]
        assert column["stats"]["candidate_repeats"] == {"least": 1, "most": 1, "total": 2}, "repeats count once"

    @pytest.mark.slow
    def test_no_baseline_is_made_of_them(self, suite: pytest.Pytester, run: Run, house: Rough) -> None:
        suite.makepyfile(test_it=self.SUITE)
        run("--llm-replay=auto")
        result = run("--llm-replay=auto", "--llm-save")
        result.stdout.fnmatch_lines(["*no baseline is written: 2 of 2 tries were replayed*"])
        assert not (suite.path / "llmroute-baseline.json").exists()


class TestTheCache:
    SUITE = """
        import pytest
        @pytest.mark.parametrize("n", range(2))
        def test_a(llm, n): assert llm.generate("same").text
    """

    def test_an_identical_request_is_sent_once(self, suite: pytest.Pytester, run_json: Json, house: Rough) -> None:
        configure(suite, house.url, "cache = true\n")
        suite.makepyfile(test_it=self.SUITE)
        data = run_json("--llm-strategy=balanced,fast")
        assert prompts(house) == ["same"]
        assert [record["reused"] for record in data["records"]].count(True) == 3
        assert [(column["reused"], column["replayed"]) for column in data["columns"]] == [(1, 0), (2, 0)]
        assert recordings(suite) == []

    @pytest.mark.slow
    def test_repeats_and_equal_calls_of_a_test_are_requests_of_their_own(
        self, suite: pytest.Pytester, run: Run, house: Rough
    ) -> None:
        configure(suite, house.url, "cache = true\n")
        suite.makepyfile(
            test_it="def test_a(llm): assert len({llm.generate('x', temperature=1).text for _ in '12'}) == 2\n"
        )
        run("--llm-repeat=3").assert_outcomes(passed=3)
        assert len(prompts(house)) == 6
