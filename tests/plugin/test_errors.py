"""What can't be is said once, cleanly, before any test runs."""

from __future__ import annotations

import pytest

from .conftest import WORKERS, Run

TEST = "def test_a(llm): open('ran', 'w')\n"


@WORKERS
@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--llm-strategy=balanse", '*--llm-strategy: no strategy "balanse" (did you mean "balanced"?)*'),
        ("--llm-profile=scriptd", '*--llm-profile: no profile "scriptd" (did you mean "scripted"?)*'),
        ("--llm-model=gemma2:2", '*--llm-model: no model "gemma2:2" (did you mean "gemma2:2b"?)*'),
        ("--llm-phase=plannig", '*--llm-phase: no phase "plannig" (did you mean "planning"?)*'),
        ("--llm-repeat=0", '*--llm-repeat: "0" is not a whole number from 1 to 1000*'),
        ("--llm-repeat=many", '*--llm-repeat: "many" is not a whole number*'),
        ("--llm-gate=recrod", '*--llm-gate: "recrod" is not one of off, record, warn, fail (did you mean "record"?)*'),
        ("--llm-strategy=a,,b", "*--llm-strategy: an empty name in*"),
        ("--llm-model=claude-3-opus", '*no key for the model "claude-3-opus": ANTHROPIC_API_KEY is not set*'),
    ],
)
def test_a_wrong_option_is_one_clean_usage_error(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...], option: str, text: str
) -> None:
    suite.makepyfile(test_it=TEST)
    result = run(option, *workers)
    assert result.ret == 4
    both = result.stdout.str() + result.stderr.str()
    result.stderr.fnmatch_lines([text])
    assert both.count("did you mean") <= 1
    assert "Traceback" not in both
    assert not (suite.path / "ran").exists()
    assert not (suite.path / ".llmroute").exists()


WRONG_USE = {
    'taks="fix"': '*the marker llm has no argument "taks" (did you mean "task"?)*',
    '"fix"': "*the marker llm takes keyword arguments only*",
    "repeat=0": "*marker llm: repeat=0 must be a whole number of at least 1*",
    "repeat=2, min_pass=3": "*min_pass=3 can't be reached in repeat=2 tries*",
    "min_pass=3": "*min_pass=3 can't be reached in 1 tries*",
    'model="a", models=["b"]': "*names model and models*",
    "timeout=-1": "*timeout=-1 must be a number from 0*",
    "must_pass=1": "*must_pass=1 must be True or False*",
}
WRONG_NAMES = {
    'task="fxi"': '*test_it.py::test_a: no task "fxi" (did you mean "fix"?)*',
    'model="qwen"': '*test_it.py::test_a: no model "qwen"*',
    'agent="fixr_agent"': '*no agent "fixr_agent" (did you mean "fixer_agent"?)*',
    'phase="plan"': '*no phase "plan"*',
}


@pytest.mark.parametrize("wrong", [WRONG_USE, WRONG_NAMES], ids=["use", "names"])
def test_wrong_markers_are_told_together(suite: pytest.Pytester, run: Run, wrong: dict[str, str]) -> None:
    files = {f"test_{at}": f"import pytest\n@pytest.mark.llm({marker})\n{TEST}" for at, marker in enumerate(wrong)}
    suite.makepyfile(**files)
    result = run()
    assert result.ret == 4
    for at, text in enumerate(wrong.values()):
        result.stderr.fnmatch_lines([text.replace("test_it", f"test_{at}")])
    assert not (suite.path / "ran").exists()


@pytest.mark.slow
@WORKERS
@pytest.mark.parametrize(("marker", "text"), (WRONG_USE | WRONG_NAMES).items())
def test_a_wrong_marker_is_one_clean_usage_error(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...], marker: str, text: str
) -> None:
    suite.makepyfile(test_it=f"import pytest\n@pytest.mark.llm({marker})\n{TEST}")
    result = run(*workers)
    assert result.ret == 4
    result.stderr.fnmatch_lines([text])
    assert not (suite.path / "ran").exists()


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["n0", "n2"])
def test_all_mistakes_are_told_at_once(suite: pytest.Pytester, run: Run, workers: tuple[str, ...]) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(taks="fix")
        def test_a(llm): pass
        @pytest.mark.llm(repeat="x")
        def test_b(llm): pass
        """
    )
    result = run("--llm-strategy=balanse", "--llm-phase=plannig", *workers)
    assert result.ret == 4
    text = result.stderr.str()
    for wrong in ("taks", "repeat='x'", "balanse", "plannig"):
        assert wrong in text


def test_llm_reply_needs_a_prompt_whose_names_are_parameters(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        def test_none(llm_reply): pass
        @pytest.mark.parametrize("message", ["x"])
        @pytest.mark.llm(prompt="say {mesage}")
        def test_typo(llm_reply, message): pass
        """
    )
    result = run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*test_none: llm_reply needs the prompt*", '*no parameter "mesage" (did you mean "message"?)*']
    )


def test_local_only_without_local_models_is_a_set_up_error(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_LLM_ENABLED", "false")
    suite.makepyfile(test_it=TEST)
    result = run("--llm-strategy=local_only")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*local_only has no model: LOCAL_LLM_ENABLED is false*", "*to fix it:*unset*"])


def test_a_misspelt_hook_of_ours_is_named(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest("def llmroute_stratgies(): return []")
    suite.makepyfile(test_it=TEST)
    result = run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*no hook "llmroute_stratgies" (did you mean "llmroute_strategies"?)*'])


def test_an_environment_variable_is_named_when_it_is_wrong(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMROUTE_REPEAT", "lots")
    suite.makepyfile(test_it=TEST)
    result = run("--llm-strategy=fast")
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*LLMROUTE_REPEAT: "lots" is not a whole number*'])


def test_a_suite_that_uses_nothing_of_ours_hears_nothing(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LLM_STRATEGY", "nonsense"), ("LLMROUTE_REPEAT", "x"), ("FIXER_AGENT_MODEL", "y")):
        monkeypatch.setenv(name, value)
    suite.makepyfile(test_it="def test_a(): pass\n")
    for args in ((), ("-n2",)):
        result = run(*args)
        assert result.ret == 0
        output = [line for line in result.outlines if not line.startswith("plugins:")]
        assert not any("llm" in line for line in output)
    assert not (suite.path / ".llmroute").exists()


def test_blocking_the_plugin_leaves_no_trace_of_it(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it="def test_a(): pass\n")
    result = run("-p", "no:llmroute")
    result.assert_outcomes(passed=1)
    assert run("-p", "no:llmroute", "--llm-strategy=fast").ret == 4
