"""System B by its names: the same values as the router uses, and never a second set."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytest_llmroute as api
from pytest_llmroute.api import model_configs
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.requests import Request

PHASES = {
    "planning": (0.3, 3000), "execution": (0.7, 2000), "reflection": (0.8, 2500), "summarization": (0.2, 1000),
    "error_recovery": (0.5, 1500), "validation": (0.1, 1000),
}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A registry of its own, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    model_configs._registry.cache_clear()


def test_parameters_for_a_phase_are_exactly_these() -> None:
    params = api.get_llm_params_for_phase("gpt-4", api.ExecutionPhase.PLANNING)
    assert params == {"model": "gpt-4", "temperature": 0.3, "max_tokens": 3000, "top_p": 0.9}
    more = api.get_llm_params_for_phase("gpt-4", "planning", {"top_p": 0.5, "stop": ["x"]})
    assert more == {"model": "gpt-4", "temperature": 0.3, "max_tokens": 3000, "top_p": 0.5, "stop": ["x"]}


@pytest.mark.parametrize("phase", PHASES)
def test_the_defaults_of_the_phases(phase: str) -> None:
    temperature, max_tokens = PHASES[phase]
    assert api.get_temperature_for_phase("gpt-4", phase) == temperature
    assert api.get_max_tokens_for_phase("gpt-4", api.ExecutionPhase(phase)) == max_tokens


def test_every_card_in_every_phase_has_the_settings_that_the_router_sends() -> None:
    registry = api.get_registry()
    router = registry.router
    for name in router.catalog.models:
        for phase in PHASES:
            decision = router.decide(Request((), phase=phase), Column("model", name))
            params = api.get_llm_params_for_phase(name, phase)
            assert params["temperature"] == decision.settings.temperature
            assert params["max_tokens"] == decision.settings.max_tokens
            assert params["top_p"] == decision.settings.top_p


def test_max_tokens_are_fitted_to_the_context() -> None:
    assert api.get_max_tokens_for_phase("TinyLlama-1.1B-Chat-v1.0", "planning") == 2048
    assert api.get_max_tokens_for_phase("llama-2", "planning") == 3000


def test_a_model_config_tells_all_that_is_known() -> None:
    config = api.get_model_config("gpt-4")
    assert (config.model_name, config.model_family, config.display_name) == ("gpt-4", "gpt", "GPT-4")
    assert (config.max_iterations, config.max_parallel_calls, config.context_window) == (15, 5, 128_000)
    assert api.ModelCapability.TOOL_CALLING in config.capabilities
    assert config.phase_settings[api.ExecutionPhase.PLANNING].temperature == 0.3
    assert isinstance(config.retry_policy, api.RetryPolicy)
    assert (
        "ReAct" in api.get_model_config("llama-2").optimization_tips[0]
        or api.get_model_config("llama-2").special_instructions
    )
    assert api.get_model_config("mistral").max_iterations == 8


def test_a_name_without_a_card_is_detected() -> None:
    config = api.get_model_config("qwen9-coder:3b")
    assert config.model_family == "qwen"
    assert api.ModelCapability.CODE_GENERATION in api.detect_model_capabilities("qwen9-coder:3b")
    assert config.phase_settings["planning"].max_tokens == 3000
    assert api.detect_model_capabilities("unheard-of") == set()


def test_templates_render_strictly() -> None:
    template = api.get_prompt_template("llama-2", "react")
    assert "Thought:" in template.render(prompt="Sum up", tools="none")
    assert "Thought:" not in api.get_prompt_template("gpt-4", "react").text
    with pytest.raises(api.UserError, match="no value for prompt"):
        template.render(tools="none")
    with pytest.raises(api.UserError, match="no place for"):
        api.get_prompt_template("gpt-4", "planning").render(prompt="x", tone="y")


def test_a_custom_configuration_is_checked_registered_and_used() -> None:
    config = api.ModelConfig(
        "mine", "custom", "Mine", {api.ModelCapability.REASONING}, max_iterations=4, backend="scripted",
        phase_settings={api.ExecutionPhase.PLANNING.value: api.PhaseSettings(temperature=0.15, max_tokens=400)},
    )  # fmt: skip
    assert api.validate_config(config) == []
    registry = api.get_registry()
    registry.register(config)
    assert registry.has("mine")
    assert api.get_model_config("mine") is config
    assert api.get_llm_params_for_phase("mine", "planning") == {
        "model": "mine", "temperature": 0.15, "max_tokens": 400, "top_p": 0.9,
    }  # fmt: skip
    assert api.get_temperature_for_phase("mine", "execution") == 0.7
    card = config.card()
    assert (card.name, card.backend, card.phases["planning"].max_tokens) == ("mine", "scripted", 400)
    registry.unregister("mine")
    assert not registry.has("mine")


def test_every_mistake_of_a_configuration_is_told() -> None:
    config = api.ModelConfig(
        " ", max_iterations=0, phase_settings={"plannin": api.PhaseSettings(temperature=9)}, backend="scripted"
    )
    told = "; ".join(api.validate_config(config))
    for part in ("model_name: is empty", "max_iterations: 0", "9 won't do", "no phase 'plannin'"):
        assert part in told
    with pytest.raises(api.UserError, match="can't be used"):
        api.ModelConfigRegistry().register(config)


def test_the_environment_sets_model_temperature_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.load_config_from_env().model_name == "gpt-4"
    monkeypatch.setenv("VIBEAGENT_MODEL_DEFAULT", "claude-3-haiku")
    monkeypatch.setenv("VIBEAGENT_MODEL_TEMPERATURE_PLANNING", "0.05")
    monkeypatch.setenv("VIBEAGENT_MODEL_MAX_TOKENS", "700")
    config = api.load_config_from_env()
    assert config.model_name == "claude-3-haiku"
    assert config.phase_settings["planning"] == api.PhaseSettings(0.05, 700, 0.9)
    assert config.phase_settings["execution"].temperature == 0.7


def test_the_projects_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "llmroute.toml").write_text(
        '[models.house]\nextends = "llama-2"\n[models.house.phases.planning]\ntemperature = 0.01\n'
    )
    assert api.get_temperature_for_phase("house", "planning") == 0.01
    assert api.get_model_config("house").max_iterations == 6


def test_an_unknown_phase_is_an_error_with_the_nearest() -> None:
    with pytest.raises(api.UserError, match='no phase "plannin" \\(did you mean "planning"\\?\\)'):
        api.get_llm_params_for_phase("gpt-4", "plannin")
