"""Ways to reach models: one contract, one file per way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pytest_llmroute.backends.contract import BackendType, Surroundings
from pytest_llmroute.backends.embedded.backend import EmbeddedModel, missing_engine
from pytest_llmroute.backends.ollama.backend import Loads, OllamaModel, missing_ollama
from pytest_llmroute.backends.ollama.survey import survey_ollama
from pytest_llmroute.backends.scripted import ScriptedBackend


def llmroute_backends(around: Surroundings) -> Sequence[BackendType]:
    """The hook's implementation."""
    loads: Loads = {}
    return [
        BackendType("scripted", ScriptedBackend),
        BackendType("embedded", EmbeddedModel, missing_engine),
        BackendType(
            "ollama",
            partial(OllamaModel, around=around, loads=loads),
            partial(missing_ollama, around=around),
            partial(survey_ollama, around=around),
        ),
    ]
