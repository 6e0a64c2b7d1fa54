"""From a card to the folder that holds its model: a path, the cache of MODEL_CACHE_DIR, or Hugging Face's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.memory import gigabytes
from pytest_llmroute.config.hub import hub_cache, snapshot
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import Cause, ModelCallError

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}
"""Bytes of one weight."""
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
"""Files of weights; where the first kind is there, the second is not needed."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that holds a whole model."""

    path: Path
    digest: str | None = None
    """The hub's commit; None for a folder of the user's."""

    @property
    def config(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        return read

    @property
    def bytes(self) -> int:
        """Of its weights as they are stored."""
        return sum(path.stat().st_size for path in weights(self.path))

    @property
    def stored(self) -> str:
        """The type of its weights as they are stored."""
        config = self.config
        name = str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")
        return name if name in WIDTHS else "float32"

    def needed(self, dtype: str) -> int:
        """About the bytes that its weights take as this type."""
        return self.bytes * WIDTHS[dtype] // WIDTHS[self.stored]


def find_folder(card: ModelCard, around: Surroundings) -> ModelFolder:
    """The folder of a card; what is wrong with it is said with its cause. Nothing is downloaded."""
    found = ModelFolder(Path(card.path).expanduser()) if card.path else _cached(card, around)
    if found is None:
        raise _missing(card, f"it is not in {around.cache_dir}; {get_it(card, around)}")
    if not found.path.is_dir():
        raise _missing(card, f"{found.path} is no folder")
    if lacking := _lacking(found.path):
        again = "" if card.path else f"; {get_it(card, around)}"
        raise _missing(card, f"{found.path} lacks {lacking}{again}")
    try:
        _ = found.config
    except (OSError, ValueError) as error:
        text = f"{found.path / 'config.json'} can't be read: {error}"
        raise ModelCallError(Cause.BACKEND, text, model=card.name) from None
    return found


def expected_size(card: ModelCard, around: Surroundings) -> int | None:
    """About the bytes that a model will take, by its files; None where they are not here."""
    try:
        folder = find_folder(card, around)
        return folder.needed(card.dtype if card.dtype in WIDTHS else folder.stored)
    except (ModelCallError, OSError, ValueError):
        return None


def hub_id(card: ModelCard) -> str:
    return card.served_as


def get_it(card: ModelCard, around: Surroundings) -> str:
    """The command that brings the model."""
    return f"hf download {hub_id(card)} --cache-dir {around.cache_dir}"


def weights(folder: Path) -> list[Path]:
    """The files that are loaded: safetensors where there are any."""
    for pattern in WEIGHTS:
        if found := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return found
    return []


def caches(around: Surroundings) -> Iterator[Path]:
    """Ours, then the one that Hugging Face's own tools fill."""
    yield Path(around.cache_dir).expanduser()
    yield hub_cache(around.env)


def what_fits(card: ModelCard, around: Surroundings, found: ModelFolder, dtype: str, free: int) -> str:
    """What could be loaded in place of a model that needs too much."""
    if WIDTHS[dtype] == 4 and found.needed("bfloat16") < free:
        return 'dtype = "bfloat16" on its card would fit'
    own = next(caches(around))
    sizes = {}
    for folder in own.glob("models--*"):
        other = _snapshot(folder)
        if other is not None and not _lacking(other.path) and (size := other.needed("float32")) < free:
            sizes[folder.name.removeprefix("models--").replace("--", "/")] = size
    sizes.pop(hub_id(card), None)
    if sizes:
        name, size = max(sizes.items(), key=lambda item: item[1])
        return f"{name}, which is here, would fit ({gigabytes(size)})"
    return "a smaller model would fit, as microsoft/DialoGPT-small (about 0.5 GB)"


def _cached(card: ModelCard, around: Surroundings) -> ModelFolder | None:
    for cache in caches(around):
        found = _snapshot(cache / f"models--{hub_id(card).replace('/', '--')}")
        if found is not None:
            return found
    return None


def _snapshot(folder: Path) -> ModelFolder | None:
    path = snapshot(folder)
    return ModelFolder(path, path.name) if path else None


def _lacking(folder: Path) -> str:
    """The first thing that a whole model has and this folder lacks."""
    if not (folder / "config.json").is_file():
        return "config.json"
    if not any((folder / name).is_file() for name in TOKENIZERS):
        return "its tokenizer (" + " or ".join(TOKENIZERS[:3]) + ")"
    if not weights(folder):
        return "its weights (*.safetensors)"
    for index in folder.glob("*.index.json"):
        for part in sorted(set(_parts(index))):
            if not (folder / part).is_file():
                return part
    return ""


def _parts(index: Path) -> list[str]:
    """The files that an index names; one for another kind of weights than those here counts for nothing."""
    try:
        parts = list(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError):
        return []
    kind = weights(index.parent)[0].suffix
    return [part for part in parts if str(part).endswith(kind)]


def _missing(card: ModelCard, text: str) -> ModelCallError:
    return ModelCallError(Cause.MISSING_MODEL, text, model=card.name)
