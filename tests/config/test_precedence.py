"""Who sets a value: every pair of neighbours in the documented order, by an example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_llmroute.config.resolve import Level
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.requests import Request, Sampling, as_messages
from pytest_llmroute.engine.setup import make_router
from pytest_llmroute.extensions import Extensions

from .conftest import Find

PLACES: dict[str, dict[str, Any]] = {
    "--llm-strategy": {"cli": {"strategy": "quality"}},
    "LLMROUTE_STRATEGY": {"env": {"LLMROUTE_STRATEGY": "fast"}},
    "LLM_STRATEGY": {"env": {"LLM_STRATEGY": "low_ram"}},
    "ini llm_strategy": {"files": {"pytest.ini": "[pytest]\nllm_strategy = single\n"}},
    "llmroute.toml:1": {"toml": 'strategy = ["balanced", "fast"]\n'},
    "built in": {},
}
"""From the nearest place to the user to the furthest."""
LEVELS = (Level.COMMAND_LINE, Level.ENVIRONMENT, Level.ENVIRONMENT, Level.INI, Level.PROJECT, Level.BUILT_IN)
VALUES = (("quality",), ("fast",), ("low_ram",), ("single",), ("balanced", "fast"), None)


@pytest.mark.parametrize("nearest", range(len(PLACES)))
def test_the_nearest_place_wins_over_all_that_are_further(find: Find, nearest: int) -> None:
    given: dict[str, Any] = {"env": {}, "files": {}, "cli": {}}
    for place in list(PLACES.values())[nearest:]:
        for key, value in place.items():
            given[key] = {**given[key], **value} if isinstance(value, Mapping) else value
    settings = find(given.pop("toml", None), **given).settings
    assert settings["strategy"] == VALUES[nearest]
    assert settings.origin("strategy") == list(PLACES)[nearest]
    assert settings.level("strategy") is LEVELS[nearest]


def test_machine_facts_go_project_user_built_in(find: Find) -> None:
    user = {"home/llmroute/config.toml": '[machine]\nollama_host = "user:1"\ncache_dir = "user"\n'}
    found = find('[machine]\nollama_host = "project:1"\n', files=user)
    assert (found.settings["ollama_host"], found.settings["cache_dir"]) == ("project:1", "user")
    assert found.settings.level("cache_dir") is Level.USER
    found = find('[machine]\nollama_host = "project:1"\n', files=user, env={"OLLAMA_HOST": "env:1"})
    assert found.settings["ollama_host"] == "env:1"


def test_an_empty_variable_counts_as_unset(find: Find) -> None:
    assert find('strategy = "fast"', env={"LLM_STRATEGY": ""}).settings["strategy"] == ("fast",)


def test_the_real_environment_stands_before_an_env_file(find: Find) -> None:
    files = {".env": "LLM_STRATEGY=fast\nexport LOCAL_MODEL_NAME='gemma2:2b' # comment\nQ=\"a b\"\n"}
    toml = 'env_file = ".env"'
    found = find(toml, files=files)
    assert (found.settings["strategy"], found.env["LOCAL_MODEL_NAME"], found.env["Q"]) == (
        ("fast",),
        "gemma2:2b",
        "a b",
    )
    assert find(toml, files=files, env={"LLM_STRATEGY": "single"}).settings["strategy"] == ("single",)


def test_an_env_file_is_read_only_when_asked_for(find: Find) -> None:
    assert find(files={".env": "LLM_STRATEGY=fast\n"}).settings["strategy"] is None


# Which model


def decide(find: Find, toml: str | None = None, *, env: Mapping[str, str] | None = None, column: str = "balanced",
           kind: str = "strategy", profile: str = "ollama", **request: Any) -> Decision:  # fmt: skip
    found = find(toml, env=env)
    router = make_router(found.project, Extensions(), profile, found.env)
    asked = Request(as_messages("hello"), **request)
    return router.decide(asked, Column("model" if kind == "model" else "strategy", column))


ORDER: list[tuple[dict[str, Any], str, str]] = [
    ({"env": {"LLM_MODEL_OVERRIDE": "gemma2:9b"}}, "gemma2:9b", "forced"),
    ({"model": "llama3.2:3b"}, "llama3.2:3b", "marker"),
    ({"column": "gemma2:2b", "kind": "model"}, "gemma2:2b", "column"),
    ({"env": {"FIXER_AGENT_MODEL": "llama3.2:1b"}, "agent": "fixer_agent"}, "llama3.2:1b", "agent-env"),
    ({"task": "fix"}, "qwen2.5-coder:14b", "strategy"),
]


@pytest.mark.parametrize("nearest", range(len(ORDER)))
def test_who_decides_the_model(find: Find, nearest: int) -> None:
    given: dict[str, Any] = {"env": {}}
    for place, _, _ in ORDER[nearest:]:
        for key, value in place.items():
            given[key] = {**given[key], **value} if key == "env" else value
    if nearest > 2:
        given |= {"column": "balanced", "kind": "strategy"}
    decision = decide(find, **given)
    assert (decision.model, decision.decided_by) == ORDER[nearest][1:]


def test_a_rule_of_the_file_stands_before_the_table_and_the_first_one_that_fits_wins(find: Find) -> None:
    toml = """
        [strategies.mine]
        extends = "balanced"
        tasks = { document = "large" }
        rules = [
          { user = ["ann", "bo"], task = "fix", use = "small" },
          { agent = "FixerAgent", use = "tiny" },
          { phase = "planning", use = "gemma2:27b" },
        ]
    """

    def model(**request: Any) -> str:
        return decide(find, toml, column="mine", **request).model

    assert model(task="fix") == "qwen2.5-coder:14b"
    assert model(task="document") == "gemma2:9b"
    assert model(task="fix", user="ann", agent="fixer_agent") == "gemma2:2b"
    assert model(task="fix", user="cy", agent="fixer_agent") == "llama3.2:1b"
    assert model(task="analyze", phase="planning") == "gemma2:27b"
    assert "rule 3 (phase=planning)" in decide(find, toml, column="mine", phase="planning").reason


def test_a_built_in_strategy_profile_or_card_is_changed_by_its_name(find: Find) -> None:
    toml = """
        [strategies.balanced.tasks]
        fix = "tiny"
        [profiles.ollama.roles]
        tiny = "mini"
        [models.mini]
        extends = "llama3.2:1b"
        temperature = 0.4
    """
    decision = decide(find, toml, task="fix")
    assert (decision.model, decision.settings.temperature) == ("mini", 0.4)
    card = find(toml).project.catalog.model("mini")
    assert (card.backend, card.id, card.expected.ram_gb, card.family) == ("ollama", "llama3.2:1b", 1.3, "llama")
    assert decide(find, toml, task="document").model == "llama3.2:3b"


def test_a_fallback_chain_can_be_configured(find: Find) -> None:
    toml = '[strategies.safe]\nextends = "balanced"\nfallback = ["small", "tiny"]\ncanned = true\n'
    decision = decide(find, toml, column="safe", task="fix")
    assert (decision.chain, decision.canned) == (("gemma2:2b", "llama3.2:1b"), True)
    assert decide(find, toml, column="safe", task="analyze").chain == ("llama3.2:1b",)


def test_tasks_of_ones_own_are_declared_once(find: Find) -> None:
    toml = 'task_names = ["translate"]\n[strategies.mine]\nextends = "fast"\ntasks = { translate = "large" }\n'
    assert decide(find, toml, column="mine", task="translate").model == "gemma2:9b"


# Which settings

CARD = '[models.m]\nbackend = "ollama"\ntemperature = 0.1\n'
PHASE = "[phases.planning]\ntemperature = 0.2\n"
CARD_PHASE = "[models.m.phases.planning]\ntemperature = 0.35\n"
AGENT = '[agents.reviewer]\nmodel = "small"\ntemperature = 0.45\nmax_tokens = 99\n'


@pytest.mark.parametrize(
    ("toml", "request_", "env", "temperature"),
    [
        (CARD, {}, {}, 0.1),
        (CARD + PHASE, {"phase": "planning"}, {}, 0.2),
        (CARD + PHASE + CARD_PHASE, {"phase": "planning"}, {}, 0.35),
        (CARD + PHASE + CARD_PHASE + AGENT, {"phase": "planning", "agent": "reviewer"}, {}, 0.45),
        (CARD + PHASE + CARD_PHASE + AGENT, {"phase": "planning", "agent": "reviewer"},
         {"VIBEAGENT_MODEL_TEMPERATURE_PLANNING": "0.55"}, 0.55),
        (CARD + PHASE + CARD_PHASE + AGENT,
         {"phase": "planning", "agent": "reviewer", "sampling": Sampling(temperature=0.65)},
         {"VIBEAGENT_MODEL_TEMPERATURE_PLANNING": "0.55"}, 0.65),
        (CARD, {}, {"VIBEAGENT_MODEL_TEMPERATURE_PLANNING": "0.55"}, 0.1),
    ],
)  # fmt: skip
def test_call_environment_agent_cards_phase_phase_card(
    find: Find, toml: str, request_: dict[str, Any], env: dict[str, str], temperature: float
) -> None:
    decision = decide(find, toml, env=env, column="m", kind="model", **request_)
    assert decision.settings.temperature == temperature


def test_max_tokens_come_from_the_same_places_and_are_fitted_to_card_and_context(find: Find) -> None:
    toml = CARD + "context = 2000\nmax_output = 500\n"
    asked = decide(find, toml, column="m", kind="model", sampling=Sampling(max_tokens=900))
    assert (asked.settings.max_tokens, asked.clamped_from) == (500, 900)
    small = decide(find, CARD + "context = 100\n", column="m", kind="model", phase="planning")
    assert small.settings.max_tokens is not None
    assert 0 < small.settings.max_tokens < 100
    assert small.clamped_from == 3000
    by_env = decide(find, CARD, column="m", kind="model", phase="planning", env={"VIBEAGENT_MODEL_MAX_TOKENS": "77"})
    assert by_env.settings.max_tokens == 77


@pytest.mark.parametrize(
    ("name", "value"),
    [("VIBEAGENT_MODEL_TEMPERATURE_PLANNING", "hot"), ("VIBEAGENT_MODEL_TEMPERATURE_PLANNING", "9"),
     ("VIBEAGENT_MODEL_MAX_TOKENS", "0"), ("VIBEAGENT_MODEL_MAX_TOKENS", "nan")],
)  # fmt: skip
def test_a_broken_setting_in_the_environment_names_its_variable(find: Find, name: str, value: str) -> None:
    with pytest.raises(Exception, match=name):
        decide(find, column="gemma2:2b", kind="model", phase="planning", env={name: value})


def test_agents_of_the_file_hold_in_every_profile_and_profiles_may_differ(find: Find) -> None:
    toml = (
        '[agents.fixer_agent]\nmodel = "large"\n[profiles.local.agents.fixer_agent]\nmodel = "tiny"\n'
        '[agents.reviewer]\nmodel = "large"\ntemperature = 0.9\n'
    )
    assert decide(find, toml, column="agents", agent="fixer_agent").model == "gemma2:9b"
    assert decide(find, toml, column="agents", agent="fixer_agent", profile="local").model == "microsoft/DialoGPT-small"
    reviewer = decide(find, toml, column="agents", agent="Reviewer")
    assert (reviewer.model, reviewer.settings.temperature) == ("gemma2:9b", 0.9)
    assert (
        decide(find, toml, column="agents", agent="reviewer", env={"REVIEWER_MODEL": "gemma2:2b"}).model == "gemma2:2b"
    )
