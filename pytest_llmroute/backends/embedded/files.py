"""From a card to its GGUF file: one of ours, a path, or a model that Ollama has pulled."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_llmroute.backends.embedded.gguf import Head, NotGGUF, read_head
from pytest_llmroute.backends.memory import gigabytes
from pytest_llmroute.backends.pulled import models_folder, weights
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import Cause, ModelCallError

OLLAMA = "ollama:"
ENGINE = 64_000_000
"""Bytes of the engine itself, about."""
LEAST_CONTEXT = 256


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that can be opened."""

    path: Path
    head: Head
    digest: str | None = None
    """sha256 where it is known without reading the whole of a large file."""


@cache
def manifest() -> dict[str, Any]:
    """The shipped models by name: file, sha256, size."""
    path = resources.files("pytest_llmroute") / "models" / "manifest.json"
    if not path.is_file():
        return {}
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def needed(file: ModelFile, context: int) -> int:
    """About the bytes that a model takes when it is loaded."""
    return file.head.size + file.head.cache * context + ENGINE


def what_fits(file: ModelFile, context: int, free: int) -> str:
    """What could be loaded in place of a model that needs too much: itself with less context, or a file beside it."""
    if file.head.cache and (room := free - needed(file, 0)) >= LEAST_CONTEXT * file.head.cache:
        return f"context = {min(context, room // file.head.cache) // 256 * 256} on its card would fit"
    sizes = {path.name: path.stat().st_size for path in file.path.parent.glob("*.gguf") if path != file.path}
    small = sorted((size, name) for name, size in sizes.items() if size + ENGINE < free)
    if small:
        size, name = small[-1]
        return f"{name} beside it would fit ({gigabytes(size)})"
    return "it takes a smaller model, or one with fewer bits for each weight"


def find_file(card: ModelCard) -> ModelFile:
    """The file of a card; what is wrong with it is said with its cause."""
    if card.path.startswith(OLLAMA):
        path, digest = _ollama_blob(card)
    elif card.path:
        path, digest = Path(card.path).expanduser(), None
    else:
        path, digest = _shipped(card)
    if not path.is_file():
        raise _missing(card, f"{path} is not there")
    try:
        head = read_head(path)
    except NotGGUF as error:
        raise ModelCallError(
            Cause.BACKEND, f"{path} is no GGUF file that can be used: {error}", model=card.name
        ) from None
    except OSError as error:
        raise ModelCallError(Cause.BACKEND, f"{path} can't be read: {error.strerror}", model=card.name) from None
    return ModelFile(path, head, digest)


def _shipped(card: ModelCard) -> tuple[Path, str]:
    entry = manifest().get(card.served_as)
    if entry is None:
        known = ", ".join(manifest()) or "none"
        raise _missing(
            card, f"no path on its card, and no model of this name comes with the package (those that do: {known})"
        )
    path = Path(str(resources.files("pytest_llmroute") / "models" / entry["file"]))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != entry["sha256"]:
        raise ModelCallError(
            Cause.BACKEND, f"{path.name} is damaged; pip install --force-reinstall pytest-llmroute", model=card.name
        )
    return path, found


def _ollama_blob(card: ModelCard) -> tuple[Path, str]:
    name = card.path.removeprefix(OLLAMA)
    found = weights(name, os.environ)
    if found is None:
        raise _missing(card, f"Ollama has not pulled {name} into {models_folder(os.environ)}: ollama pull {name}")
    return found


def _missing(card: ModelCard, text: str) -> ModelCallError:
    return ModelCallError(Cause.MISSING_MODEL, text, model=card.name)
