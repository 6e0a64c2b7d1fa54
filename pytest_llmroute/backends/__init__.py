"""Ways to reach models: one contract, one file per way. A way is loaded when it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from typing import Any

from pytest_llmroute.backends.contract import CLAUDE_MOST_TOKENS, MOST_TOKENS, BackendType, Surroundings


def _of(module: str, name: str, *first: Any, **given: Any) -> Callable[..., Any]:
    """A function or class of one of the ways; its module is imported by the first call."""

    @cache
    def found() -> Callable[..., Any]:
        return partial(getattr(import_module(f"pytest_llmroute.backends.{module}"), name), *first, **given)

    def call(*args: Any) -> Any:
        return found()(*args)

    return call


def llmroute_backends(around: Surroundings) -> Sequence[BackendType]:
    """The hook's implementation."""
    return [
        BackendType("scripted", _of("scripted", "ScriptedBackend"), slots=lambda card: 0, most=MOST_TOKENS),
        BackendType(
            "embedded",
            _of("embedded.backend", "EmbeddedModel"),
            _of("embedded.backend", "missing_engine"),
            slots=lambda card: 1,
            memory=_of("embedded.backend", "expected_memory"),
            most=MOST_TOKENS,
        ),
        BackendType(
            "ollama",
            _of("ollama.backend", "OllamaModel", around=around, loads={}),
            _of("ollama.backend", "missing_ollama", around=around),
            endpoint=_of("ollama.backend", "endpoint_of", around=around),
            pull=_of("ollama.backend", "pull", around=around),
            parallel=lambda card: _of("ollama.backend", "parallel_of")(around),
            memory=lambda card: None,
            survey=_of("ollama.survey", "survey_ollama", around=around),
            waits=True,
        ),
        BackendType(
            "openai",
            _of("openai_compatible.backend", "OpenAIModel", around=around),
            _of("openai_compatible.backend", "missing_key", around=around),
            endpoint=_of("openai_compatible.presets", "address_of"),
            survey=_of("openai_compatible.backend", "survey", around),
            waits=True,
        ),
        BackendType(
            "anthropic",
            _of("anthropic_api.backend", "AnthropicModel", around=around),
            _of("anthropic_api.backend", "missing", around=around),
            endpoint=_of("anthropic_api.backend", "endpoint_of"),
            survey=_of("anthropic_api.backend", "survey", around),
            most=CLAUDE_MOST_TOKENS,
        ),
        BackendType(
            "transformers",
            _of("transformers_local.backend", "TransformersModel", around=around),
            _of("transformers_local.missing", "missing", around=around),
            pull=lambda card, progress: _of("transformers_local.fetch", "fetch")(card, around, progress),
            slots=lambda card: 1,
            memory=_of("transformers_local.files", "expected_size", around=around),
            most=MOST_TOKENS,
        ),
    ]
