"""What Ollama has pulled, read from its own files: no server is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

MODEL_LAYER = "application/vnd.ollama.image.model"


def models_folder(env: Mapping[str, str]) -> Path:
    return Path(env.get("OLLAMA_MODELS") or "~/.ollama/models").expanduser()


def listing(name: str, env: Mapping[str, str]) -> Path:
    """Ollama's manifest of a model; there where it has been pulled."""
    name, _, tag = name.partition(":")
    space = name if "/" in name else f"library/{name}"
    return models_folder(env) / "manifests" / "registry.ollama.ai" / space / (tag or "latest")


def weights(name: str, env: Mapping[str, str]) -> tuple[Path, str] | None:
    """The GGUF file of a pulled model and its sha256; None where it has not been pulled."""
    try:
        layers = json.loads(listing(name, env).read_text(encoding="utf-8"))["layers"]
        digest = next(layer["digest"] for layer in layers if layer["mediaType"] == MODEL_LAYER)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
    return models_folder(env) / "blobs" / digest.replace(":", "-"), digest.partition(":")[2]
