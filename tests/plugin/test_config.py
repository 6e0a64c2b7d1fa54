"""pytest with a configuration: what the file says reaches routing, calls and records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import WORKERS, Run

TEST = """
import pytest

@pytest.mark.llm(task="fix", phase="planning", agent="fixer_agent")
def test_a(llm):
    reply = llm.generate("hello")
    role, model, temperature, repeat, prompt = reply.text.split("|")
    open("seen", "a").write(f"{llm.column} {model} {temperature}\\n")
"""


def configured(suite: pytest.Pytester, toml: str) -> None:
    (suite.path / "llmroute.toml").write_text(toml)


def seen(suite: pytest.Pytester) -> list[str]:
    return sorted((suite.path / "seen").read_text().splitlines())


@WORKERS
def test_columns_rules_cards_and_agents_come_from_the_file(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    configured(
        suite,
        """
        strategy = ["mine", "fast"]
        repeat = 2
        [strategies.mine]
        extends = "balanced"
        rules = [{ agent = "FixerAgent", use = "house" }]
        [models.house]
        extends = "scripted-large"
        [agents.fixer_agent]
        temperature = 0.25
        [gate]
        mode = "record"
        """,
    )
    suite.makepyfile(test_it=TEST)
    result = run(*workers)
    result.assert_outcomes(passed=4)
    assert seen(suite) == ["fast scripted-small 0.25"] * 2 + ["mine house 0.25"] * 2


def test_command_line_environment_ini_and_file_in_this_order(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(suite, 'strategy = "quality"\n')
    suite.makepyfile(test_it="def test_a(llm): open('seen', 'a').write(llm.column + '\\n')\n")
    run()
    suite.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nllm_strategy = low_ram\n")
    run()
    monkeypatch.setenv("LLM_STRATEGY", "single")
    run()
    run("--llm-strategy=fast")
    assert (suite.path / "seen").read_text().split() == ["quality", "low_ram", "single", "fast"]


@WORKERS
@pytest.mark.parametrize("options", [(), ("--llm-strategy=fast",)], ids=["found while collecting", "found at once"])
def test_a_broken_file_is_one_clean_usage_error(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...], options: tuple[str, ...]
) -> None:
    configured(suite, 'stratgy = "x"\n[strategies.s]\nextends = "ballanced"\n')
    suite.makepyfile(test_it="def test_a(llm): open('ran', 'w')\n")
    result = run(*workers, *options)
    both = result.stdout.str() + result.stderr.str()
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*llmroute.toml:1: stratgy: unknown key*", '*no strategy table "ballanced" (did you mean "balanced"?)*']
    )
    assert "Traceback" not in both
    assert not (suite.path / "ran").exists()


def test_a_traceback_shows_only_on_demand(suite: pytest.Pytester, run: Run) -> None:
    configured(suite, 'stratgy = "x"\n')
    suite.makepyfile(test_it="def test_a(llm): pass\n")
    result = run("--llm-debug")
    assert result.ret == 4
    assert "Traceback" in result.stderr.str()
    assert "load_project" in result.stderr.str()


def test_a_name_that_a_conftest_brings_may_stand_in_the_file(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMROUTE_PROFILE")
    configured(suite, 'profile = "mine"\n[profiles.mine]\nextends = "scripted"\nroles = { coder = "parrot" }\n')
    suite.makeconftest(
        """
        from pytest_llmroute import ModelCard
        def llmroute_models(): return [ModelCard("parrot", backend="scripted")]
        def llmroute_scripted(call): return call.card.name
        """
    )
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('x', task='fix').text == 'parrot'\n")
    run().assert_outcomes(passed=1)
    suite.makeconftest("def llmroute_scripted(call): return 'x'")
    result = run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*llmroute.toml:4: profiles.mine.roles.coder: no model "parrot"*'])


def test_a_suite_that_does_not_use_us_is_left_alone_whatever_the_file_holds(suite: pytest.Pytester, run: Run) -> None:
    configured(suite, "this is no TOML")
    suite.makepyfile(test_it="def test_a(): pass\n")
    suite.makefile(".json", data='{"x": 1}')
    result = run()
    result.assert_outcomes(passed=1)
    assert "llmroute:" not in result.stdout.str()


def test_task_files_can_be_listed_in_the_file(suite: pytest.Pytester, run: Run) -> None:
    configured(suite, 'tasks = ["cases/*.json"]\n')
    suite.mkdir("cases")
    task = {"id": "a", "prompt": "p", "task": "fix", "check": {"exact": "x"}, "scripted": "x"}
    (suite.path / "cases" / "mine.json").write_text(json.dumps({"tasks": [task]}))
    run().assert_outcomes(passed=1)


def test_the_store_can_be_elsewhere(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it="def test_a(llm): pass\n")
    result = run("--llm-store=sqlite:///kept/runs.db")
    assert (suite.path / "kept" / "runs.db").is_file()
    result.stdout.fnmatch_lines(["run * is kept in kept/runs.db*"])
    for url in ("mongodb://h/x", "sqlite://x", "sqlite:///", "x"):
        bad = run(f"--llm-store={url}")
        assert bad.ret == 4
        bad.stderr.fnmatch_lines(["*--llm-store: *[[]LLR001[]]*"])


def test_template_retry_and_clamping_reach_the_call_and_the_record(suite: pytest.Pytester, run: Run) -> None:
    configured(
        suite,
        """
        [models.scripted-small]
        context = 100
        [models.scripted-small.retry]
        attempts = 3
        first_wait = 0
        causes = ["rate"]
        [templates.mine]
        type = "planning"
        models = ["scripted-small"]
        text = "PLAN: {prompt}"
        """,
    )
    suite.makeconftest(
        """
        from pytest_llmroute import Cause, ScriptedAnswer
        tries = []
        def llmroute_scripted(call):
            tries.append(call)
            if len(tries) < 3:
                return ScriptedAnswer(fail=Cause.RATE)
            return f"{call.messages[-1].content}|{call.settings.max_tokens}|{call.settings.reasoning}"
        """
    )
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(task="analyze", phase="planning", template="planning")
        def test_a(llm):
            reply = llm.generate("sort it", reasoning=True)
            assert reply.text.startswith("PLAN: sort it|9"), reply.text
            assert reply.text.endswith("|True")
            assert reply.retries == 2
        """
    )
    run("--llm-json=out.json").assert_outcomes(passed=1)
    (record,) = json.loads(Path(suite.path / "out.json").read_text())["records"]
    (call,) = record["calls"]
    assert call["template"].startswith("mine@")
    assert (call["retries"], call["clamped_from"], call["reasoning"]) == (2, 3000, True)
    assert call["max_tokens"] < 100


def test_an_unknown_template_is_told_before_any_test(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it="import pytest\n@pytest.mark.llm(template='plannin')\ndef test_a(llm): open('ran', 'w')\n")
    result = run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*no template "plannin" (did you mean "planning"?)*'])


def test_secrets_of_an_env_file_are_kept_out_of_everything(suite: pytest.Pytester, run: Run) -> None:
    configured(suite, 'env_file = ".env"\n')
    (suite.path / ".env").write_text("HOUSE_API_KEY=hunter2hunter2\n")
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('key hunter2hunter2').text == 'no'\n")
    result = run("--llm-gate=record", "--llm-json=out.json")
    assert "hunter2" not in (suite.path / "out.json").read_text()
    journal_and_store = b"".join(path.read_bytes() for path in (suite.path / ".llmroute").rglob("*") if path.is_file())
    assert b"hunter2" not in journal_and_store
    assert "hunter2" not in result.stdout.str()
