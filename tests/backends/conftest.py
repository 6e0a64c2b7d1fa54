"""One loopback server for all tests of the backend `ollama`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_llmroute.testing.ollama_server import LoopbackOllama, Quirks

from .ollama_servers import MODELS


@pytest.fixture(scope="module")
def running() -> Iterator[LoopbackOllama]:
    with LoopbackOllama(MODELS) as server:
        yield server


@pytest.fixture
def server(running: LoopbackOllama) -> LoopbackOllama:
    """The same one for all tests, as new."""
    running.quirks = Quirks()
    running.requests.clear()
    return running
