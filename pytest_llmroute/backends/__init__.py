"""Ways to reach models: one contract, one file per way."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llmroute.backends.contract import BackendType
from pytest_llmroute.backends.embedded.backend import EmbeddedModel, missing_engine
from pytest_llmroute.backends.scripted import ScriptedBackend


def llmroute_backends() -> Sequence[BackendType]:
    """The hook's implementation."""
    return [BackendType("scripted", ScriptedBackend), BackendType("embedded", EmbeddedModel, missing_engine)]
