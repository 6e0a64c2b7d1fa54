"""Models within a memory budget, from the command line: a server that loads by Ollama's rules counts what happens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mock_server import MockServer

from .conftest import Run

GB = 1_000_000_000
MODELS = {"one": 4 * GB, "two": 5 * GB, "three": 3 * GB}
WORKERS = pytest.mark.parametrize(
    "workers", [(), ("-n2",), pytest.param(("-n4",), marks=pytest.mark.slow)], ids=["n0", "n2", "n4"]
)
HEAD = """
profile = "mock"
[profiles.mock]
roles = { tiny = "one", small = "one", medium = "two", coder = "two", large = "three", remote = "three" }
[strategies.dealt]
extends = "single"
rules = [{ user = "one", use = "one" }, { user = "two", use = "two" }, { user = "three", use = "three" }]
"""
CARD = """
[models.{name}]
backend = "ollama"
base_url = "{url}"
{expected}
"""
EXPECTED = """[models.{name}.expected]
ram_gb = {size}
source = "us"
date = "2026-11-21"
"""


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer(models=MODELS, latency=0.01, slots=4, room=9 * GB, load_seconds=0.05) as running:
        yield running


@pytest.fixture
def dealt(suite: pytest.Pytester, server: MockServer, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose models are on the server, dealt to by the user that a test names."""
    monkeypatch.delenv("LLMROUTE_PROFILE")
    suite.makeconftest("")
    configure(suite, server)
    return suite


def configure(suite: pytest.Pytester, server: MockServer, *, expected: bool = True, pin: str = "") -> None:
    cards = [
        CARD.format(name=name, url=server.url, expected=EXPECTED.format(name=name, size=size / GB) if expected else "")
        for name, size in MODELS.items()
    ]
    (suite.path / "llmroute.toml").write_text(HEAD + "".join(cards) + (f'[machine]\npin = ["{pin}"]\n' if pin else ""))


def tasks(suite: pytest.Pytester, count: int, name: str = "made") -> None:
    users = list(MODELS)
    lines = [
        {"id": f"t{number}", "prompt": f"Say ok: {number}", "user": users[number % 3], "check": {"contains": "ok"}}
        for number in range(count)
    ]
    (suite.path / f"{name}.llm.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def shown_ids(result: pytest.RunResult) -> list[str]:
    return [line.split()[0] for line in result.outlines if "PASSED" in line]


@WORKERS
def test_models_that_take_turns_are_each_loaded_once_and_slots_are_never_more(
    dealt: pytest.Pytester, run: Run, server: MockServer, workers: tuple[str, ...]
) -> None:
    tasks(dealt, 48)
    run("--llm-strategy=dealt", "--llm-concurrency=4", "--llm-ram-budget=8GB", *workers).assert_outcomes(passed=48)
    stats = server.stats()
    assert (sorted(stats.loaded), stats.answers) == (sorted(MODELS), 48)
    assert 2 <= stats.max_in_flight <= 4
    assert not list(Path(dealt.path / ".llmroute").glob("leases-*"))


def test_tests_run_model_by_model_unless_the_ini_says_otherwise(
    dealt: pytest.Pytester, run: Run, server: MockServer
) -> None:
    tasks(dealt, 6)
    dealt.makepyfile(test_plain="def test_plain(): pass\n")
    args = ("--llm-strategy=dealt", "--llm-ram-budget=5GB", "-v")
    result = run(*args)
    result.assert_outcomes(passed=7)
    shown = [name.partition("::")[2].partition("[")[0] for name in shown_ids(result)]
    assert shown == ["t0", "t3", "t2", "t5", "t1", "t4", "test_plain"]
    assert server.stats().loads == {"one": 1, "two": 1, "three": 1}
    server.reset()
    dealt.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nllm_order = file\n")
    shown = [name.partition("::")[2].partition("[")[0] for name in shown_ids(run(*args))]
    assert shown == ["t0", "t1", "t2", "t3", "t4", "t5", "test_plain"]
    assert max(server.stats().loads.values()) == 1, "the calls are made model by model all the same"


FIXTURES = """
import pytest
from pathlib import Path
LOG = Path(__file__).with_name("log.txt")
def say(text):
    with LOG.open("a") as file: file.write(text + "\\n")
@pytest.fixture(scope="module", autouse={autouse})
def shared(): say("up {name}"); yield; say("down {name}")
@pytest.mark.parametrize("user", ["one", "two", "three"])
def test_{name}(llm, user{uses}): say(f"{name} " + llm.generate("ok", user=user).model)
@pytest.mark.llm(user="three", prompt="ok")
def test_last_{name}(llm_reply): say("{name} declared")
"""


def test_fixtures_of_a_module_are_never_set_up_twice(dealt: pytest.Pytester, run: Run) -> None:
    dealt.makepyfile(
        test_a=FIXTURES.format(name="a", autouse=True, uses=", shared"),
        test_b=FIXTURES.format(name="b", autouse=False, uses=", shared"),
    )
    tasks(dealt, 3)
    run("--llm-strategy=dealt", "--llm-ram-budget=5GB").assert_outcomes(passed=11)
    log = (dealt.path / "log.txt").read_text().split("\n")
    assert [log.count(text) for text in ("up a", "down a", "up b", "down b")] == [1, 1, 1, 1]


@WORKERS
def test_calls_in_bodies_get_their_models_too(
    dealt: pytest.Pytester, run: Run, server: MockServer, workers: tuple[str, ...]
) -> None:
    dealt.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("user", ["one", "two", "three", "one"])
        def test_body(llm, user):
            assert llm.generate("ok", user=user).model == user
            assert [reply.model for reply in llm.batch(["ok", "ok"], user="two")] == ["two", "two"]
        """
    )
    tasks(dealt, 6)
    args = ("--llm-strategy=dealt", "--llm-concurrency=4", "--llm-ram-budget=5GB")
    run(*args, *workers).assert_outcomes(passed=10)
    assert server.stats().answers == 18


def test_who_waits_for_a_model_keeps_no_slot_from_whoever_has_the_room(
    dealt: pytest.Pytester, run: Run, server: MockServer
) -> None:
    """Else each of two workers would wait for what the other has."""
    dealt.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("turn", range(6))
        def test_turns(llm, turn):
            for user in ("one", "two", "three"):
                assert llm.generate(f"ok {turn}", user=user).model == user
        """
    )
    run("--llm-strategy=dealt", "--llm-concurrency=1", "--llm-ram-budget=5GB", "-n2").assert_outcomes(passed=6)
    assert (server.stats().answers, server.stats().max_in_flight) == (18, 1)


def test_two_runs_that_want_each_others_room_take_turns(
    dealt: pytest.Pytester, server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks for models that do not fit beside those of the other, again and again."""
    for name, turns in (("here", ("one", "two")), ("there", ("two", "three"))):
        lines = [
            {"id": f"{name}{n}", "prompt": f"Say ok {name} {n}", "user": turns[n % 2], "check": {"contains": "ok"}}
            for n in range(8)
        ]
        (dealt.path / f"{name}.llm.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    args = ("--llm-strategy=dealt", "--llm-ram-budget=5GB", "-p", "no:cacheprovider", "-q")
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", f"{name}.llm.jsonl", *args],
            cwd=dealt.path,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("here", "there")
    ]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert server.stats().answers == 16


def test_the_plan_prints_waves_loads_and_the_bound(dealt: pytest.Pytester, run: Run, server: MockServer) -> None:
    tasks(dealt, 12)
    args = ("--llm-strategy=dealt", "--llm-ram-budget=8GB")
    result = run(*args, "--llm-plan")
    result.stdout.fnmatch_lines(
        [
            "memory of this machine: models may take 8.0 GB (ram_budget, --llm-ram-budget)",
            "*1*4*4.0 GB*5.5*4.0 GB  one",
            "*2*4*3.0 GB*4.5*7.0 GB  three",
            "*3*4*5.0 GB*6.5*8.0 GB  two  (makes way: one)",
            "  3 loads, 16.5 s of loading; no order does with fewer than 3 (16.5 s): no job comes back*",
            "expected: 16.5 s of loading; calls of one, three, two not known: no run has measured them",
        ]
    )
    assert server.stats().answers == 0
    run(*args).assert_outcomes(passed=12)
    result = run(*args, "--llm-plan")
    result.stdout.fnmatch_lines(["expected: 0.* s of loading; 0.* s of calls in one slot, as earlier runs measured"])


def test_a_size_is_asked_for_where_no_card_has_it(dealt: pytest.Pytester, run: Run, server: MockServer) -> None:
    configure(dealt, server, expected=False)
    tasks(dealt, 6)
    result = run("--llm-strategy=dealt", "--llm-ram-budget=5GB")
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*model "two" is expected to need 6.0 GB of RAM, models may take 5.0 GB*LLR408*'])
    run("--llm-strategy=dealt", "--llm-ram-budget=6GB").assert_outcomes(passed=6)
    run("--llm-strategy=dealt", "--llm-ram-budget=5GB").assert_outcomes(passed=6)  # measured by now


def test_a_model_of_unknown_size_is_in_memory_alone_or_refused_with_a_budget(dealt: pytest.Pytester, run: Run) -> None:
    tasks(dealt, 3)
    with MockServer(models=dict.fromkeys(MODELS, 0), room=1) as server:
        configure(dealt, server, expected=False)
        result = run("--llm-strategy=dealt", "--llm-ram-budget=8GB")
        run("--llm-strategy=dealt").assert_outcomes(passed=3)
        assert server.stats().answers == 3
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            '*nobody knows how much memory the model "one" takes*LLR408*',
            "*--llm-ram-budget can't be kept with it",
            '*to fix it:        expected = { ram_gb = * } on the card of "one", or one run of it alone*',
            "*go on without:    leave --llm-ram-budget out: then it is in memory alone",
        ]
    )


def test_a_model_that_is_pinned_stays(dealt: pytest.Pytester, run: Run, server: MockServer) -> None:
    configure(dealt, server, pin="one")
    tasks(dealt, 6)
    args = ("--llm-strategy=dealt", "--llm-ram-budget=9GB")
    run(*args).assert_outcomes(passed=6)
    assert server.stats().loads == {"one": 1, "two": 1, "three": 1}
    configure(dealt, server, pin="on")
    result = run(*args)
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*no model "on" (did you mean "one"?)*'])


def test_a_load_that_fails_is_told_by_the_calls_that_wanted_it(
    dealt: pytest.Pytester, run: Run, server: MockServer
) -> None:
    tasks(dealt, 6)
    server.fault("status", count=0, model="two", status=400)
    run("--llm-strategy=dealt", "--llm-ram-budget=5GB").assert_outcomes(passed=4, errors=2)
