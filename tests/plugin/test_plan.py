"""`--llm-plan`, `llm.explain`, and async calls."""

from __future__ import annotations

from importlib import util

import pytest

from .conftest import WORKERS, Run

SUITE = """
    import pytest
    @pytest.mark.llm(task="fix", phase="execution")
    def test_fix(llm): open("ran", "w")
    @pytest.mark.llm(prompt="Good morning!")
    def test_chat(llm_reply): open("ran", "w")
    def test_open(llm): open("ran", "w")
"""


@WORKERS
def test_a_plan_shows_items_decisions_and_rejected_candidates_and_runs_nothing(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    suite.makepyfile(test_it=SUITE)
    result = run("--llm-plan", "--llm-strategy=balanced,hybrid", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "llmroute plan: 6 items in 2 column(s), profile scripted; nothing was called, no test was run",
            "balanced (strategy, 3 items)",
            "*1 × scripted-coder  (balanced: fix → coder, phase execution)",
            "*settings: temperature=0.7, max_tokens=2000, top_p=0.9, seed=1",
            "*not: scripted-tiny (plays tiny; not the role for fix)*",
            "hybrid (strategy, 3 items)",
            "*1 × scripted-remote  (hybrid: complex task, phase execution)",
            "*1 × scripted-small  (hybrid: simple task)",
            "*not: scripted-remote (simple_chat is simple)",
            "*1 × decided when the test makes its call: the strategy reads the message",
            "models: *",
        ]
    )
    assert not (suite.path / "ran").exists()


@pytest.mark.parametrize("profile", ["ollama", "local", "production", "embedded"])
def test_a_plan_answers_for_profiles_whose_backends_are_not_here_yet(
    suite: pytest.Pytester, run: Run, profile: str
) -> None:
    suite.makepyfile(test_it=SUITE)
    result = run("--llm-plan", f"--llm-profile={profile}")
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"llmroute plan: 3 items in 1 column(s), profile {profile}*"])


def test_explain_gives_the_decision_without_a_call(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        def test_a(llm):
            decision = llm.explain("Translate this to French", task="fix", agent="FixerAgent", phase="planning")
            assert decision.model == "scripted-coder"
            assert decision.agent == "fixer_agent"
            # the agent's temperature and limit stand above the phase's
            assert (decision.settings.temperature, decision.settings.max_tokens) == (0.4, 1024)
            assert {item.model for item in decision.rejected} >= {"scripted-tiny", "scripted-remote"}
            assert "balanced: fix → coder" in str(decision) and "rejected" in str(decision)
        """
    )
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["balanced *1/1*0/0*"])


def test_explain_needs_no_answer_to_be_scripted(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest("")
    suite.makepyfile(test_it="def test_a(llm): assert llm.explain('x').model\ndef test_b(llm): llm.generate('x')\n")
    result = run()
    result.stdout.fnmatch_lines(["*no scripted answer for this prompt*", "*1 passed, 1 error*"])


def test_awaiting_a_reply_leaves_the_event_loop_free(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest(
        "from pytest_llmroute import ScriptedAnswer\n"
        "def llmroute_scripted(call): return ScriptedAnswer('hi', latency=0.3)\n"
    )
    suite.makepyfile(
        test_it="""
        import asyncio, time, pytest
        @pytest.mark.asyncio
        async def test_a(llm):
            started = time.perf_counter()
            replies = await asyncio.gather(*(llm.agenerate("x") for _ in range(4)))
            assert [reply.text for reply in replies] == ["hi"] * 4
            assert time.perf_counter() - started < 0.9
            assert len({call.attempt for call in llm._run.calls}) == 4
        @pytest.mark.anyio
        async def test_b(llm):
            import anyio
            replies = []
            async def ask(): replies.append(await llm.agenerate("x"))
            started = time.perf_counter()
            async with anyio.create_task_group() as group:
                for _ in range(4): group.start_soon(ask)
            assert [reply.text for reply in replies] == ["hi"] * 4
            assert time.perf_counter() - started < 0.9
        """
    )
    result = run("-p", "anyio.pytest_plugin")
    result.assert_outcomes(passed=2 + bool(util.find_spec("trio")))  # anyio runs a test on each loop that is there


def test_the_log_has_one_line_a_decision(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import logging
        def test_a(llm, caplog):
            caplog.set_level(logging.INFO)
            llm.generate("Hello there!")
            llm.generate("Write a Python function that sorts a list")
            llm.generate("x", tools=[{"name": "search"}])
            lines = [r.getMessage() for r in caplog.records if r.name == "pytest_llmroute.router"]
            assert lines == [
                "[Router] Using local model (hybrid: simple task) taskType=simple_chat",
                "[Router] Using Claude (hybrid: complex task) taskType=code_generation",
                "[Router] Using Claude (tools required)",
            ]
            opened = [r.getMessage() for r in caplog.records if r.name == "pytest_llmroute.backends"]
            assert len(opened) == 1
            assert opened[0].startswith("[LocalLLM] Model initialized successfully model=scripted-small initTime=")
        """
    )
    run("--llm-strategy=hybrid").assert_outcomes(passed=1)


WRONG = {
    "llm.generate('x', temperature=3)": "temperature=3: must be a number from 0 to 2",
    "llm.generate('x', max_tokens=0)": "max_tokens=0: must be a number of at least 1",
    "llm.generate([{'role': 'robot', 'content': 'x'}])": "a message needs a role of system, user",
    "llm.generate(['x'])": "a message must be a mapping with role and content, not str",
    "llm.generate('x', task='fxi')": 'no task "fxi" (did you mean "fix"?)',
}


def test_a_wrong_argument_is_said_in_a_sentence(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it="".join(f"def test_{at}(llm): {call}\n" for at, call in enumerate(WRONG)))
    result = run("--llm-gate=record")
    assert result.ret == 1
    result.assert_outcomes(failed=len(WRONG))
    for text in WRONG.values():
        assert text in result.stdout.str()


def test_the_header_names_the_models_and_the_real_ones_that_lie_ready(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small models are the default; a laptop with Ollama is told, and nothing is chosen for it."""
    suite.makepyfile(test_it=SUITE)
    pulled = suite.path / "ollama" / "manifests" / "registry.ollama.ai" / "library" / "gemma2" / "2b"
    pulled.parent.mkdir(parents=True)
    pulled.write_text("{}")
    monkeypatch.setenv("OLLAMA_MODELS", str(suite.path / "ollama"))
    monkeypatch.delenv("LLMROUTE_PROFILE")
    result = run("--co")
    assert "llmroute: profile embedded (pico, nano, micro: small models of this package" in result.stdout.str()
    assert "llmroute: Ollama has gemma2:2b: --llm-profile=ollama" in result.stdout.str()
    coder = pulled.parent.parent / "qwen2.5-coder" / "14b"
    coder.parent.mkdir()
    coder.write_text("{}")
    assert "Ollama has gemma2:2b, qwen2.5-coder:14b: " in run("--co").stdout.str()
    chosen = run("--co", "--llm-profile=local", "--llm-strategy=fast,quality").stdout.str()
    assert "profile local (microsoft/DialoGPT-small, microsoft/DialoGPT-medium) · fast, quality" in chosen
    assert "Ollama has" not in chosen
