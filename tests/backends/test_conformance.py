"""The built-in backends keep the promises that every backend makes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.embedded.backend import EmbeddedModel
from pytest_llmroute.backends.ollama.backend import OllamaModel
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.testing import BackendConformance, Opened
from pytest_llmroute.testing.ollama_server import LoopbackOllama


class TestEmbedded(BackendConformance):
    """llama.cpp in a process of its own."""

    @pytest.fixture
    def opened(self) -> Iterator[Opened]:
        pytest.importorskip("xllamacpp")
        card = ModelCard("nano", "embedded")
        model = EmbeddedModel(card)
        yield Opened(model, card)
        model.close()


@pytest.fixture(scope="module")
def ollama_url() -> Iterator[str]:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("ollama")
    with LoopbackOllama() as server:
        yield server.url


class TestOllama(BackendConformance):
    """The protocol of an Ollama server, spoken by a loopback server over a real model."""

    tools = True

    @pytest.fixture
    def opened(self, ollama_url: str) -> Iterator[Opened]:
        card = ModelCard("nano", "ollama")
        model = OllamaModel(card, Surroundings(ollama_host=ollama_url))
        yield Opened(model, card)
        model.close()
