"""The shipped models: whole, small, and the same in the engine as in the framework that trained them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import pytest_llmroute
from pytest_llmroute.backends.embedded.backend import EmbeddedModel
from pytest_llmroute.backends.embedded.files import manifest
from pytest_llmroute.backends.embedded.gguf import read_head
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling

pytest.importorskip("xllamacpp")
FOLDER = Path(pytest_llmroute.__file__).parent / "models"
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", list(manifest()))
def test_the_manifest_tells_the_truth(name: str) -> None:
    entry = manifest()[name]
    data = (FOLDER / entry["file"]).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry["sha256"], entry["bytes"])
    head = read_head(FOLDER / entry["file"])
    assert (head.architecture, head.context, head.chat_template) == ("llama", 512, True)


def test_the_models_are_small_together() -> None:
    assert manifest()
    assert sum(entry["bytes"] for entry in manifest().values()) < 7_000_000


@pytest.mark.parametrize("name", list(manifest()))
def test_the_engine_answers_as_the_training_framework_did(name: str) -> None:
    """`python training/golden.py` recorded PyTorch's greedy answers to 40 held-out prompts."""
    assert len(GOLDEN[name]) == 40
    model = EmbeddedModel(ModelCard(name, "embedded"))
    try:
        for prompt, answer in GOLDEN[name].items():
            call = Call(model.card, (Message("user", prompt),), Sampling(0.0, 120))
            assert model.generate(call).text == answer, prompt
    finally:
        model.close()
