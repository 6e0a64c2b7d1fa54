"""The tables of strategies and profiles, who decides the model, and which settings the call gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llmroute.config.catalog import builtin_catalog
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.requests import Request, Sampling, as_messages
from pytest_llmroute.errors import UserError
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.routing.classify import Classifier
from pytest_llmroute.routing.router import Router

CATALOG = builtin_catalog()
STRATEGIES = Extensions().strategies()


def router(profile: str = "ollama", **env: str) -> Router:
    return Router(CATALOG, STRATEGIES, CATALOG.profile(profile), env, Classifier)


def ask(text: str = "x", **fields: object) -> Request:
    return replace(Request(as_messages(text)), **fields)  # type: ignore[arg-type]


def model(strategy: str, request: Request, profile: str = "ollama", **env: str) -> str:
    return router(profile, **env).decide(request, Column("strategy", strategy)).model


@pytest.mark.parametrize(
    ("strategy", "analyze", "fix", "validate", "document"),
    [
        ("balanced", "gemma2:2b", "qwen2.5-coder:14b", "gemma2:2b", "llama3.2:3b"),
        ("quality", "gemma2:9b", "qwen2.5-coder:14b", "gemma2:9b", "gemma2:9b"),
        ("fast", "gemma2:2b", "gemma2:2b", "gemma2:2b", "llama3.2:1b"),
        ("low_ram", "llama3.2:1b", "gemma2:2b", "llama3.2:1b", "llama3.2:1b"),
        ("single", "qwen2.5-coder:14b", "qwen2.5-coder:14b", "qwen2.5-coder:14b", "qwen2.5-coder:14b"),
    ],
)
def test_the_profile_ollama_gives_the_table_of_system_e(
    strategy: str, analyze: str, fix: str, validate: str, document: str
) -> None:
    wanted = {"analyze": analyze, "fix": fix, "validate": validate, "document": document}
    assert {task: model(strategy, ask(task=task)) for task in wanted} == wanted


@pytest.mark.parametrize("profile", list(CATALOG.profiles))
@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_built_in_pair_gives_a_decision_for_every_task(strategy: str, profile: str) -> None:
    for task in (None, *CATALOG.tasks):
        decision = router(profile).decide(ask(task=task), Column("strategy", strategy))
        assert decision.model in CATALOG.models
        assert decision.reason.startswith(f"{strategy}:") or decision.reason == "tools required"
        assert decision.rejected
        assert all(item.reason for item in decision.rejected)
        assert decision.model not in {item.model for item in decision.rejected}


def test_a_known_task_without_a_cell_is_served_by_default() -> None:
    decision = router().decide(ask(task="code_generation"), Column("strategy", "fast"))
    assert (decision.model, decision.reason) == ("gemma2:2b", "fast: no cell for code_generation, default → small")


def test_a_profile_may_override_a_single_cell() -> None:
    base = router("scripted")
    changed = replace(base, profile=replace(base.profile, overrides={"balanced.fix": "large", "fast.fix": "pico"}))
    assert changed.decide(ask(task="fix"), Column("strategy", "balanced")).model == "scripted-large"
    assert changed.decide(ask(task="fix"), Column("strategy", "fast")).model == "pico"
    assert changed.decide(ask(task="analyze"), Column("strategy", "balanced")).model == "scripted-small"


class TestWhoDecides:
    """Forced, then the marker, then the column, then the agent's variable, then the strategy."""

    env = {"LLM_MODEL_OVERRIDE": "micro", "FIXER_AGENT_MODEL": "nano"}  # noqa: RUF012
    request = ask(task="fix", agent="FixerAgent", model="gemma2:9b")

    def decide(self, request: Request, column: Column, **env: str) -> tuple[str, str]:
        decision = router("ollama", **env).decide(request, column)
        return decision.model, decision.decided_by

    def test_a_forced_model_beats_everything(self) -> None:
        for column in (Column("strategy", "fast"), Column("model", "pico")):
            assert self.decide(self.request, column, **self.env) == ("micro", "forced")

    def test_the_markers_model_comes_next(self) -> None:
        env = {"FIXER_AGENT_MODEL": "nano"}
        assert self.decide(self.request, Column("model", "pico"), **env) == ("gemma2:9b", "marker")

    def test_a_column_of_one_model_beats_the_agents_variable(self) -> None:
        request = replace(self.request, model=None)
        assert self.decide(request, Column("model", "pico"), FIXER_AGENT_MODEL="nano") == ("pico", "column")

    def test_the_agents_variable_beats_the_strategy(self) -> None:
        request = replace(self.request, model=None)
        assert self.decide(request, Column("strategy", "fast"), FIXER_AGENT_MODEL="nano") == ("nano", "agent-env")

    def test_the_variable_of_another_agent_decides_nothing(self) -> None:
        request = replace(self.request, model=None)
        assert self.decide(request, Column("strategy", "fast"), DB_AGENT_MODEL="nano") == ("gemma2:2b", "strategy")

    def test_what_was_overruled_is_among_the_rejected(self) -> None:
        decision = router("ollama", LLM_MODEL_OVERRIDE="micro").decide(ask(task="fix"), Column("strategy", "fast"))
        assert [item.model for item in decision.rejected] == ["gemma2:2b"]
        assert "overruled" in decision.rejected[0].reason

    def test_an_unknown_model_names_the_place_that_asked_for_it(self) -> None:
        with pytest.raises(UserError, match=r'LLM_MODEL_OVERRIDE: no model "gema2:2b" \(did you mean "gemma2:2b"'):
            router("ollama", LLM_MODEL_OVERRIDE="gema2:2b").decide(ask(), Column("strategy", "fast"))


class TestProviders:
    """hybrid, local_fallback, local_only, claude_only."""

    def test_the_log_lines_are_those_of_system_c(self) -> None:
        def line(text: str, **fields: object) -> str:
            return router().decide(ask(text, **fields), Column("strategy", "hybrid")).log_line

        assert line("Hello!") == "[Router] Using local model (hybrid: simple task) taskType=simple_chat"
        assert (
            line("Write a function that sorts a list")
            == "[Router] Using Claude (hybrid: complex task) taskType=code_generation"
        )
        assert line("x", tools=({"name": "search"},)) == "[Router] Using Claude (tools required)"

    def test_the_local_model_can_be_named(self) -> None:
        found = model("local_only", ask("hi"), LOCAL_MODEL_NAME="Xenova/TinyLlama-1.1B-Chat-v1.0")
        assert found == "TinyLlama/TinyLlama-1.1B-Chat-v1.0"

    def test_local_fallback_has_claude_behind_the_local_model(self) -> None:
        decision = router().decide(ask("hi"), Column("strategy", "local_fallback"))
        assert (decision.model, decision.chain) == ("gemma2:2b", ("claude-sonnet-5-5",))

    @pytest.mark.parametrize("strategy", ["hybrid", "local_fallback"])
    def test_disabled_local_models_are_rejected_with_that_reason(self, strategy: str) -> None:
        decision = router(LOCAL_LLM_ENABLED="false").decide(ask("hi"), Column("strategy", strategy))
        assert decision.model == "claude-sonnet-5-5"
        assert [(i.model, i.reason) for i in decision.rejected] == [("gemma2:2b", "LOCAL_LLM_ENABLED is false")]
        assert decision.chain == ()

    def test_local_only_fails_closed(self) -> None:
        with pytest.raises(UserError, match="local_only has no model: LOCAL_LLM_ENABLED is false"):
            model("local_only", ask("hi"), LOCAL_LLM_ENABLED="0")
        with pytest.raises(UserError, match="local_only offers no tools"):
            model("local_only", ask("hi", tools=({"name": "search"},)))
        assert router().decide(ask("hi"), Column("strategy", "local_only")).chain == ()
        with pytest.raises(UserError, match='never leaves this machine, and the model "claude-sonnet-5-5" is remote'):
            model("local_only", ask("hi"), LOCAL_MODEL_NAME="claude-sonnet-5-5")
        with pytest.raises(UserError, match=r"is remote .LLM_MODEL_OVERRIDE: forced"):
            model("local_only", ask("hi"), LLM_MODEL_OVERRIDE="claude-sonnet-5-5")
        decision = router().decide(ask("hi"), Column("strategy", "local_only"))
        router().check_place(decision, "http://127.0.0.1:11434")
        with pytest.raises(UserError, match=r"is at http://10\.0\.0\.7:11434"):
            router().check_place(decision, "http://10.0.0.7:11434")

    def test_a_flag_that_is_neither_true_nor_false_is_an_error(self) -> None:
        with pytest.raises(UserError, match='LOCAL_LLM_ENABLED: "maybe" is neither true nor false'):
            model("hybrid", ask("hi"), LOCAL_LLM_ENABLED="maybe")

    def test_a_declared_task_wins_over_the_message(self) -> None:
        assert model("hybrid", ask("Hello!", task="code_generation")) == "claude-sonnet-5-5"
        assert model("hybrid", ask("Write a function", task="simple_chat")) == "gemma2:2b"


AGENTS = {
    "detection_agent": ("small", 512, "medium", 1024, 0.3),
    "requirements_agent": ("medium", 1024, "large", 2048, 0.4),
    "setup_agent": ("medium", 1024, "large", 2048, 0.3),
    "db_agent": ("medium", 1024, "large", 2048, 0.3),
    "runner_agent": ("medium", 1024, "large", 2048, 0.3),
    "health_agent": ("small", 512, "medium", 1024, 0.2),
    "fixer_agent": ("medium", 1024, "large", 2048, 0.4),
    "orchestrator": ("medium", 1024, "large", 2048, 0.3),
}


@pytest.mark.parametrize("agent", AGENTS)
def test_the_agents_of_system_a_have_their_models_and_settings(agent: str) -> None:
    local, local_tokens, production, production_tokens, temperature = AGENTS[agent]
    for profile, size, tokens in (("local", local, local_tokens), ("production", production, production_tokens)):
        decision = router(profile).decide(ask(agent=agent), Column("strategy", "agents"))
        assert decision.model == f"microsoft/DialoGPT-{size}"
        assert (decision.settings.max_tokens, decision.settings.temperature) == (tokens, temperature)
        assert decision.canned
        assert decision.chain == (() if size == "small" else ("microsoft/DialoGPT-small",))


def test_without_an_agent_the_orchestrator_answers() -> None:
    decision = router("embedded").decide(ask(), Column("strategy", "agents"))
    assert decision.reason == "agents: orchestrator → nano"
    assert router("embedded").decide(ask(agent="HealthAgent"), Column("strategy", "agents")).model == "nano"


class TestSettings:
    """The call's own, the agent's, the phase's, the card's — in this order."""

    def settings(self, **fields: object) -> Sampling:
        return router("ollama").decide(ask(**fields), Column("strategy", "single"), repeat=2).settings  # type: ignore[arg-type]

    def test_without_a_phase_the_card_decides(self) -> None:
        assert router("embedded").decide(ask(), Column("strategy", "single")).settings.temperature == 0

    def test_a_phase_sets_temperature_tokens_and_top_p(self) -> None:
        found = self.settings(phase="planning")
        assert (found.temperature, found.max_tokens, found.top_p) == (0.3, 3000, 0.9)

    def test_an_agent_stands_above_the_phase_and_the_call_above_both(self) -> None:
        assert self.settings(phase="planning", agent="fixer_agent").temperature == 0.4
        own = self.settings(phase="planning", agent="fixer_agent", sampling=Sampling(temperature=1.5))
        assert (own.temperature, own.max_tokens) == (1.5, 1024)

    def test_repeat_k_sends_seed_plus_k(self) -> None:
        assert self.settings().seed == 2
        assert self.settings(sampling=Sampling(seed=40)).seed == 42

    def test_max_tokens_are_fitted_to_the_context_and_said_to_be(self) -> None:
        small = replace(CATALOG, models={**CATALOG.models, "micro": replace(CATALOG.models["micro"], context=1000)})
        found = replace(router("embedded"), catalog=small).decide(
            ask("x" * 400, phase="planning"), Column("strategy", "single")
        )
        assert (found.settings.max_tokens, found.clamped_from) == (900, 3000)
        assert "clamped" in str(found)
