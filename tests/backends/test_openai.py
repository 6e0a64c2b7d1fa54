"""The backend `openai` against llama.cpp's own server, and against a server whose every misbehaviour is planned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_llmroute
from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.openai_compatible.backend import OpenAIModel
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.testing import BackendConformance, Opened
from pytest_llmroute.testing.llama_server import LlamaServer

NANO = Path(pytest_llmroute.__file__).parent / "models" / "nano.gguf"


@pytest.fixture(scope="module")
def server() -> Iterator[LlamaServer]:
    pytest.importorskip("xllamacpp")
    with LlamaServer(NANO, "nano") as running:
        yield running


class TestOpenAI(BackendConformance):
    """Real inference behind a real server."""

    tools = True

    @pytest.fixture
    def opened(self, server: LlamaServer) -> Iterator[Opened]:
        card = ModelCard("house", "openai", id="nano", base_url=f"{server.url}/v1")
        model = OpenAIModel(card, Surroundings(os.environ))
        yield Opened(model, card)
        model.close()
