"""The shipped models: whole, small, and the same in the engine as in the framework that trained them."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path

import pytest

import pytest_llmroute
from pytest_llmroute.backends.embedded.backend import EmbeddedModel
from pytest_llmroute.backends.embedded.files import manifest
from pytest_llmroute.backends.embedded.gguf import read_head
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.tasks.files import load_tasks

pytest.importorskip("xllamacpp")
FOLDER = Path(pytest_llmroute.__file__).parent / "models"
ROOT = Path(__file__).parents[2]
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", list(manifest()))
def test_the_manifest_tells_the_truth(name: str) -> None:
    entry = manifest()[name]
    data = (FOLDER / entry["file"]).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry["sha256"], entry["bytes"])
    head = read_head(FOLDER / entry["file"])
    assert (head.architecture, head.context, head.chat_template) == ("llama", 512, True)


def test_three_models_are_small_together() -> None:
    assert set(manifest()) == {"pico", "nano", "micro"}
    assert 3_000_000 < sum(entry["bytes"] for entry in manifest().values()) < 7_000_000


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


def test_the_examples_are_exercises_that_training_left_out() -> None:
    """`training/data.py` makes the sets again; training compares by the text of the prompt."""
    made = runpy.run_path(str(ROOT / "training" / "data.py"))
    left_out = {item.prompt for part in made["left_out"]() for item in part}
    tasks = [task for path in (ROOT / "tasks").glob("*.llm.yaml") for task in load_tasks(path)]
    prompts = [task.messages[-1].content for task in tasks]
    assert len(set(prompts)) == len(prompts) >= 80
    python = runpy.run_path(str(ROOT / "tasks" / "test_repair.py"))
    prompts += [f"fix c\n{message}\n{code}" for message, code, _ in python["C"]]
    for name in ("test_the_repair_parses", "test_names_the_class"):
        marks = {mark.name: mark for mark in python[name].pytestmark}
        names, rows = marks["parametrize"].args
        prompts += [marks["llm"].kwargs["prompt"].format(**dict(zip(names, row, strict=True))) for row in rows]
    assert set(prompts) <= left_out
    assert len(set(prompts)) == len(prompts) == 98


def test_names_of_the_unseen_set_never_occur_in_training() -> None:
    made = runpy.run_path(str(ROOT / "training" / "data.py"))
    source = made["items"](made["SEED"])
    seen = {
        word for _, item in zip(range(3000), source, strict=False) for word in item.prompt.replace("_", " ").split()
    }
    assert not seen & set(made["UNSEEN"])
