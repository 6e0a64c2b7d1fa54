"""Before any test: every server that is needed is asked once, and what is missing is told in one block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_llmroute
from pytest_llmroute.testing.llama_server import LlamaServer
from pytest_llmroute.testing.ollama_server import LoopbackOllama, Served

from ..backends.rough import Planned, Rough, said
from .conftest import WORKERS, Run
from .test_measured import Json

NANO = Path(pytest_llmroute.__file__).parent / "models" / "nano.gguf"

SUITE = """
    import pytest
    @pytest.mark.llm(task="fix")
    @pytest.mark.parametrize("n", range(3))
    def test_fix(llm, n): open("ran", "w")
    @pytest.mark.llm(task="analyze")
    def test_analyze(llm): open("ran", "w")
"""
TOML = """
[models.house]
backend = "openai"
base_url = "{url}/v1"
server = "vllm"
[profiles.house]
extends = "embedded"
roles = {{ tiny = "house", small = "house", medium = "house", large = "house", coder = "house" }}
"""


@pytest.fixture
def rough() -> Iterator[Rough]:
    with Rough() as running:
        yield running


def configured(suite: pytest.Pytester, url: str, more: str = "") -> None:
    suite.makepyfile(test_it=SUITE)
    (suite.path / "llmroute.toml").write_text(TOML.format(url=url) + more)


def lists(*names: str) -> Planned:
    return said({"data": [{"id": name} for name in names]})


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["n0", "n2"])
def test_a_server_that_is_down_is_told_before_any_test(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    configured(suite, "http://127.0.0.1:9")
    result = run("--llm-profile=house", *workers)
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            "*http://127.0.0.1:9/v1 can't be used: no connection to http://127.0.0.1:9/v1*LLR406*",
            "*4 of 4 tests need it (house)",
            "*to fix it:        vllm serve MODEL",
            "*go on without:    --llm-profile=embedded*",
        ]
    )
    assert not (suite.path / "ran").exists()


@WORKERS
def test_a_server_is_asked_once_whoever_collects(
    suite: pytest.Pytester, run: Run, rough: Rough, workers: tuple[str, ...]
) -> None:
    rough.plan = lambda asked: lists("house")
    configured(suite, rough.url)
    run("--llm-profile=house", *workers).assert_outcomes(passed=4)
    assert [asked.path for asked in rough.asked] == ["/v1/models"]
    assert not list((suite.path / ".llmroute").glob("preflight-*"))


def test_nobody_is_asked_for_a_list_of_tests_or_a_plan(suite: pytest.Pytester, run: Run, rough: Rough) -> None:
    configured(suite, rough.url)
    assert run("--llm-profile=house", "--co").ret == 0
    assert run("--llm-profile=house", "--llm-plan").ret == 0
    assert rough.asked == []


def test_a_model_that_the_server_does_not_have_is_told_with_the_nearest(
    suite: pytest.Pytester, run: Run, rough: Rough
) -> None:
    rough.plan = lambda asked: lists("houses", "other")
    configured(suite, rough.url)
    result = run("--llm-profile=house")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            f'*model "house" is not installed at {rough.url}/v1*LLR407*',
            "*4 of 4 tests need it (house); installed: houses, other",
            '*to fix it:        id = "houses" on its card',
        ]
    )


def test_a_slow_server_is_not_waited_for(suite: pytest.Pytester, run: Run, rough: Rough) -> None:
    rough.plan = lambda asked: Planned(200, (b"{}",), wait=30)
    configured(suite, rough.url)
    result = run("--llm-profile=house")
    assert (result.ret, result.duration < 15) == (4, True)
    result.stderr.fnmatch_lines(["*can't be used: no whole answer within * s*"])


def test_offline_nothing_but_this_machine_is_asked(suite: pytest.Pytester, run: Run, rough: Rough) -> None:
    rough.plan = lambda asked: lists("house")
    configured(suite, rough.url)
    run("--llm-profile=house", "--llm-offline").assert_outcomes(passed=4)
    configured(suite, "https://models.example.org")
    result = run("--llm-profile=house", "--llm-offline")
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*offline: the model "house" is at https://models.example.org/v1*'])


def test_a_model_that_would_not_fit_is_told_unless_a_budget_says_otherwise(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('analyze\\nbash: x: unbound variable').text\n")
    Path(suite.path / "llmroute.toml").write_text(
        '[models.house]\nbackend = "ollama"\nid = "house:1b"\n'
        '[models.house.expected]\nram_gb = 9000\nsource = "us"\ndate = "2026-11-21"\n'
    )
    with LoopbackOllama({"house:1b": Served("pico")}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        result = run("--llm-model=house")
        assert result.ret == 4
        result.stderr.fnmatch_lines(
            [
                '*model "house" is expected to need 9000.0 GB of RAM, models may take * GB*',
                "*1 of 1 tests may need it*",
                "*--llm-ram-budget=9001GB*",
            ]
        )
        run("--llm-model=house", "--llm-ram-budget=9001GB").assert_outcomes(passed=1)
        # What was measured replaces what was expected.
        run("--llm-model=house", "--llm-ram-budget=1GB").assert_outcomes(passed=1)


def test_ollamas_models_are_known_before_any_test(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is not pulled, and one that runs on somebody else's machine."""
    pytest.importorskip("xllamacpp")
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('analyze\\nbash: x: unbound variable').text\n")
    models = {"gemma2:2b": Served("pico"), "llama3.2:1b": Served("pico", remote_host="https://cloud.example.org")}
    with LoopbackOllama(models) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        run("--llm-model=gemma2:2b").assert_outcomes(passed=1)
        absent = run("--llm-model=llama3.2:3b")
        cloud = run("--llm-model=llama3.2:1b")
    assert (absent.ret, cloud.ret) == (4, 4)
    absent.stderr.fnmatch_lines(["*is not installed at*", "*1 of 1 tests need it (llama3.2:3b); installed: *",
                                 "*llmroute pull llama3.2:3b"])  # fmt: skip
    cloud.stderr.fnmatch_lines(["*is not run by http://127.0.0.1:* itself but by somebody else's server*"])
    assert {body["model"] for body in server.bodies("/api/generate")} == {"gemma2:2b"}


PLUG = """
import os, pathlib, signal, time
import pytest
DONE = pathlib.Path("done")

@pytest.mark.parametrize("n", range(6))
def test_it(llm, n):
    if n == 3:
        until = time.monotonic() + 30
        while len(list(DONE.glob("*"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)  # the other worker may be slower to begin
        os.kill(int(os.environ["SERVER_PID"]), signal.SIGKILL)
    assert llm.generate("analyze\\nbash: x: unbound variable").text
    DONE.mkdir(exist_ok=True)
    (DONE / str(n)).touch()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["n0", "n2"])
def test_a_server_that_dies_in_the_middle_loses_no_finished_record(
    suite: pytest.Pytester, run_json: Json, run: Run, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    """Real inference until somebody pulls the plug."""
    pytest.importorskip("xllamacpp")
    with LlamaServer(NANO, "house") as server:
        monkeypatch.setenv("SERVER_PID", str(server.pid))
        quick = "[models.house.retry]\nfirst_wait = 0.01\n"
        configured(suite, server.url, quick)
        suite.makepyfile(test_it=PLUG)
        data = run_json("--llm-profile=house", *workers)
    outcomes = {record["nodeid"].split("[")[1]: record["outcome"] for record in data["records"]}
    assert len(outcomes) == 6
    passed = [record for record in data["records"] if record["outcome"] == "passed"]
    lost = [record for record in data["records"] if record["outcome"] == "error"]
    assert len(passed) + len(lost) == 6
    assert len(passed) >= 2
    assert {record["error_class"] for record in lost} <= {"refused", "server"}
    assert all(record["completion_tokens"] for record in passed)
    (column,) = data["columns"]
    assert (column["passed"], column["errors"]) == (len(passed), len(lost))
