"""The built-in tables: valid by the published schemas, and as the systems that they come from have them."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from pytest_llmroute.config.catalog import build_catalog, builtin_catalog, builtin_tables
from pytest_llmroute.config.detect import detected_card
from pytest_llmroute.config.files import ConfigFile
from pytest_llmroute.config.merge import merge
from pytest_llmroute.config.schema import PUBLISHED, as_text, made, published
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.models import CAPABILITIES
from pytest_llmroute.core.requests import Request
from pytest_llmroute.routing.classify import Classifier
from pytest_llmroute.routing.router import Router
from pytest_llmroute.routing.strategies import strategy_of


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(published(name))
    assert published(name)["$id"] == f"urn:pytest-llmroute:{name}:1"


@pytest.mark.parametrize("name", list(made()))
def test_a_schema_that_follows_from_the_tables_is_current(name: str) -> None:
    """`python tests/renew` writes them anew."""
    assert as_text(made()[name]) == as_text(published(name))


def test_the_built_in_tables_fit_the_schema_that_users_files_must_fit() -> None:
    tables = {section: dict(entries) for section, entries in builtin_tables().items()}
    assert list(jsonschema.Draft202012Validator(published("config")).iter_errors(tables)) == []
    assert list(jsonschema.Draft202012Validator(published("cards")).iter_errors(tables["models"])) == []


def test_every_figure_of_a_card_has_its_source_and_date() -> None:
    for card in builtin_catalog().models.values():
        for key in ("context", "max_output"):
            if getattr(card, key) is not None:
                assert card.sources[key].source, card.name
                assert card.sources[key].date, card.name
        expected, price = card.expected, card.price
        if expected.ram_gb or expected.tokens_per_second or expected.download_gb:
            assert expected.source, card.name
            assert expected.date, card.name
        if price:
            assert price.source, card.name
            assert price.date, card.name


@pytest.mark.parametrize(
    ("name", "gb", "speed"),
    [("qwen2.5-coder:14b", 8.5, 3), ("deepseek-coder:16b", 9.2, 2.5), ("codellama:13b", 7.4, 3.5), ("gemma2:2b", 1.6, 15),
     ("gemma2:9b", 5.5, 5), ("gemma2:27b", 16, None), ("llama3.2:1b", 1.3, 20), ("llama3.2:3b", 2.0, 12),
     ("DialoGPT-small", 0.5, None), ("DialoGPT-medium", 1.5, None), ("DialoGPT-large", 3.0, None),
     ("Xenova/LaMini-Flan-T5-783M", 1.5, None), ("Xenova/TinyLlama-1.1B-Chat-v1.0", 2, None), ("Xenova/Phi-2", 5, None)],
)  # fmt: skip
def test_the_expected_figures_of_systems_a_c_and_e(name: str, gb: float, speed: float | None) -> None:
    expected = builtin_catalog().model(name).expected
    assert (expected.ram_gb, expected.tokens_per_second) == (gb, speed)


@pytest.mark.parametrize(
    ("name", "context", "iterations", "parallel"),
    [("gpt-4", 128_000, 15, 5), ("gpt-4-turbo", 128_000, 20, 10), ("gpt-3.5-turbo", None, 10, 3),
     ("claude-3-opus", 200_000, 15, 5), ("claude-3-sonnet", 200_000, 12, 4), ("claude-3-haiku", 200_000, 8, 2),
     ("glm-4", 32_000, 8, 2), ("llama-2", 4096, 6, 1), ("mistral", 8192, 8, 2), ("gemini-pro", 32_000, 12, 4),
     ("gemini-ultra", 32_000, 15, 5)],
)  # fmt: skip
def test_the_models_of_system_b(name: str, context: int | None, iterations: int, parallel: int) -> None:
    card = builtin_catalog().model(name)
    assert (card.context, card.max_iterations, card.max_parallel_calls) == (context, iterations, parallel)


@pytest.mark.parametrize(
    "family", ["qwen", "llama", "gemma", "mistral", "phi", "deepseek", "gpt-oss", "glm", "gpt", "claude", "gemini"]
)
def test_every_family_has_todays_models(family: str) -> None:
    cards = [card for card in builtin_catalog().models.values() if card.family == family]
    assert len(cards) >= 2
    assert any(card.context for card in cards)
    assert all(card.best_for for card in cards)


@pytest.mark.parametrize(
    ("name", "family", "has"),
    [("qwen9-coder:3b", "qwen", "code_generation"), ("gpt-7-mini", "gpt", "tool_calling"), ("claude-x", "claude", "reasoning"),
     ("some-llava-7b", "", "multimodal"), ("my-r1-distill", "", "reasoning"), ("org/Phi-9", "phi", "reasoning"),
     ("unheard-of", "", None), ("gpt-oss:999b", "gpt-oss", "reasoning")],
)  # fmt: skip
def test_a_name_without_a_card_says_what_it_can(name: str, family: str, has: str | None) -> None:
    card = detected_card(name)
    assert card.family == family
    assert card.capabilities <= set(CAPABILITIES)
    assert (has in card.capabilities) if has else not card.capabilities
    assert card.context is None


def test_detection_agrees_with_the_family_on_most_cards() -> None:
    cards = [card for card in builtin_catalog().models.values() if card.family and not card.scripted]
    wrong = [card.name for card in cards if detected_card(card.name).family not in (card.family, "")]
    assert len(wrong) <= len(cards) // 10, wrong


@pytest.mark.parametrize(
    ("table", "profile", "small", "large"),
    [
        ({"extends": "branching", "stop": "fixed"}, "ollama", "tinyllama:1.1b", "codellama:13b"),
        ({"extends": "cascade", "small": "medium"}, "ollama", "llama3.2:3b", "codellama:13b"),
        ({"extends": "branching", "small": "small"}, "embedded", "nano", "micro"),
        ({"small": "small", "large": "coder"}, "ollama", "gemma2:2b", "qwen2.5-coder:14b"),
    ],
)
def test_a_ladder_has_the_models_of_what_it_extends_where_it_names_none(
    table: dict[str, str], profile: str, small: str, large: str
) -> None:
    """Also where the profile says which these are."""
    file = ConfigFile(Path("llmroute.toml"), "llmroute.toml", {"strategies": {"mine": table}})
    catalog = build_catalog(merge(builtin_tables(), file)[0])
    strategies = {"mine": strategy_of(catalog.tables["mine"])}
    router = Router(catalog, strategies, catalog.profile(profile), {}, Classifier)
    decision = router.decide(Request(()), Column("strategy", "mine"))
    assert (decision.model, decision.then) == (small, (large,))


def test_what_a_file_says_of_a_built_in_ladder_stands_above_the_profile() -> None:
    file = ConfigFile(Path("llmroute.toml"), "llmroute.toml", {"strategies": {"branching": {"small": "medium"}}})
    catalog = build_catalog(merge(builtin_tables(), file)[0])
    strategies = {"branching": strategy_of(catalog.tables["branching"])}
    router = Router(catalog, strategies, catalog.profile("ollama"), {}, Classifier)
    decision = router.decide(Request(()), Column("strategy", "branching"))
    assert (decision.model, decision.then) == ("llama3.2:3b", ("codellama:13b",))
