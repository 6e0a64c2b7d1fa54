"""The built-in backends keep the promises that every backend makes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_llmroute.backends.embedded.backend import EmbeddedModel
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.testing import BackendConformance, Opened


class TestEmbedded(BackendConformance):
    """llama.cpp in a process of its own."""

    @pytest.fixture
    def opened(self) -> Iterator[Opened]:
        pytest.importorskip("xllamacpp")
        card = ModelCard("nano", "embedded")
        model = EmbeddedModel(card)
        yield Opened(model, card)
        model.close()
