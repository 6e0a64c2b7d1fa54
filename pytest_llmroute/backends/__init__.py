"""Ways to reach models: one contract, one file per way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pytest_llmroute.backends.anthropic_api import backend as claude
from pytest_llmroute.backends.anthropic_api import wire as claude_wire
from pytest_llmroute.backends.contract import BackendType, Surroundings
from pytest_llmroute.backends.embedded.backend import MOST_TOKENS, EmbeddedModel, expected_memory, missing_engine
from pytest_llmroute.backends.ollama.backend import Loads, OllamaModel, endpoint_of, missing_ollama, parallel_of, pull
from pytest_llmroute.backends.ollama.survey import survey_ollama
from pytest_llmroute.backends.openai_compatible import backend as openai
from pytest_llmroute.backends.openai_compatible.presets import address_of
from pytest_llmroute.backends.scripted import ScriptedBackend
from pytest_llmroute.backends.transformers_local.backend import MOST_TOKENS as TRANSFORMERS_TOKENS
from pytest_llmroute.backends.transformers_local.backend import TransformersModel
from pytest_llmroute.backends.transformers_local.fetch import fetch
from pytest_llmroute.backends.transformers_local.files import expected_size
from pytest_llmroute.backends.transformers_local.missing import missing


def llmroute_backends(around: Surroundings) -> Sequence[BackendType]:
    """The hook's implementation."""
    loads: Loads = {}
    return [
        BackendType("scripted", ScriptedBackend, slots=lambda card: 0, most=512),
        BackendType(
            "embedded", EmbeddedModel, missing_engine, slots=lambda card: 1, memory=expected_memory, most=MOST_TOKENS
        ),
        BackendType(
            "ollama",
            partial(OllamaModel, around=around, loads=loads),
            partial(missing_ollama, around=around),
            endpoint=partial(endpoint_of, around=around),
            pull=partial(pull, around=around),
            parallel=lambda card: parallel_of(around),
            memory=lambda card: None,
            survey=partial(survey_ollama, around=around),
        ),
        BackendType(
            "openai",
            partial(openai.OpenAIModel, around=around),
            partial(openai.missing_key, around=around),
            endpoint=address_of,
            survey=partial(openai.survey, around),
        ),
        BackendType(
            "anthropic",
            partial(claude.AnthropicModel, around=around),
            partial(claude.missing, around=around),
            endpoint=claude.endpoint_of,
            survey=partial(claude.survey, around),
            most=claude_wire.MOST_TOKENS,
        ),
        BackendType(
            "transformers",
            partial(TransformersModel, around=around),
            partial(missing, around=around),
            pull=lambda card, progress: fetch(card, around, progress),
            slots=lambda card: 1,
            memory=partial(expected_size, around=around),
            most=TRANSFORMERS_TOKENS,
        ),
    ]
