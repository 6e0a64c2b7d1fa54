"""Servers for tests of backends: Ollama's protocol and llama.cpp's own over real models, and one that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_llmroute
from pytest_llmroute.testing.llama_server import LlamaServer
from pytest_llmroute.testing.ollama_server import LoopbackOllama, Quirks

from .ollama_servers import MODELS
from .rough import Rough

NANO = Path(pytest_llmroute.__file__).parent / "models" / "nano.gguf"


@pytest.fixture(scope="module")
def llama() -> Iterator[LlamaServer]:
    """Real inference behind a real server."""
    pytest.importorskip("xllamacpp")
    with LlamaServer(NANO, "nano") as running:
        yield running


@pytest.fixture
def rough() -> Iterator[Rough]:
    with Rough() as running:
        yield running


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
