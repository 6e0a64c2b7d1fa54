"""Brings a model and its tokenizer into memory; never from the network."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.memory import gigabytes
from pytest_llmroute.backends.transformers_local.files import ModelFolder, what_fits
from pytest_llmroute.backends.transformers_local.watching import Clock
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.processes import available_ram
from pytest_llmroute.errors import Cause, ModelCallError

UNBOUNDED = 1_000_000_000
"""From here on, a tokenizer's limit means that it knows none."""
KEPT = ("bos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id")
"""What a model's own settings of generation say about its marks; the rest of them is for the caller to choose."""
LOADING = threading.Lock()
"""While it loads a model, transformers changes settings of the whole process: one model at a time."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that can be asked."""

    model: Any
    tokenizer: Any
    device: str
    dtype: str
    context: int | None
    ends: tuple[int, ...]
    """Tokens that end a reply, by the model's own settings."""
    clock: Clock = field(default_factory=Clock)

    @property
    def two_sided(self) -> bool:
        """Whether an encoder reads the prompt and a decoder writes the reply."""
        return bool(self.model.config.is_encoder_decoder)

    def decode(self, ids: Any) -> str:
        """The text of tokens, without marks; nothing is tidied up, so that pieces make the whole."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def load(card: ModelCard, folder: ModelFolder, around: Surroundings) -> Loaded:
    """The model of a folder, on the card's device and with the card's types."""
    with LOADING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers
    device = pick_device(card)
    dtype = pick_dtype(card, folder, device)
    if device == "cpu" and card.quantization == "none":
        check_memory(card, folder, around, dtype)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with LOADING, _quiet():
        config = transformers.AutoConfig.from_pretrained(folder.path, **local)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder.path, **local)
        kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
        model = kind.from_pretrained(folder.path, dtype=dtype, **_packing(card, device), **local)
    model = (model if card.quantization != "none" else model.to(device)).eval()
    ends = _numbers(model.generation_config.eos_token_id) or _numbers(tokenizer.eos_token_id)
    loaded = Loaded(model, tokenizer, device, dtype, context_of(card, config, tokenizer), ends)
    own = model.generation_config
    model.generation_config = transformers.GenerationConfig(**{key: getattr(own, key, None) for key in KEPT})
    loaded.clock.hang_into(model)
    return loaded


def pick_device(card: ModelCard) -> str:
    """The card's, or the best that torch sees."""
    import torch

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if card.device == "auto":
        return next(name for name, there in here.items() if there)
    if not here[card.device]:
        text = f'its card says device = "{card.device}", and torch sees none; device = "cpu" goes on without'
        raise ModelCallError(Cause.BACKEND, text, model=card.name)
    return card.device


def pick_dtype(card: ModelCard, folder: ModelFolder, device: str) -> str:
    """The card's; else float32 on a CPU, where narrow types are slow or imprecise, and elsewhere the stored one."""
    if card.dtype != "auto":
        return card.dtype
    return "float32" if device == "cpu" else folder.stored


def check_memory(card: ModelCard, folder: ModelFolder, around: Surroundings, dtype: str) -> None:
    """Says before loading what can't be loaded: the system would end the process, or swap for minutes."""
    needed, free = folder.needed(dtype), available_ram()
    if needed > free:
        text = (
            f"its weights take about {gigabytes(needed)} as {dtype}, {gigabytes(free)} are free;"
            f" {what_fits(card, around, folder, dtype, free)}"
        )
        raise ModelCallError(Cause.OUT_OF_MEMORY, text, model=card.name)


def context_of(card: ModelCard, config: Any, tokenizer: Any) -> int | None:
    """The least of what the card, the model and its tokenizer say; None where nobody knows."""
    text = config.get_text_config()
    said = [getattr(text, key, None) for key in ("max_position_embeddings", "n_positions")]
    sizes = [size for size in (card.context, *said, tokenizer.model_max_length) if size and size < UNBOUNDED]
    return min(sizes, default=None)


def free_memory() -> None:
    """After the last reference to a model is gone, or after memory ran out."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _packing(card: ModelCard, device: str) -> dict[str, Any]:
    """The settings that pack the weights into 8 or 4 bits."""
    if card.quantization == "none":
        return {}
    from transformers import BitsAndBytesConfig

    packed = BitsAndBytesConfig(load_in_8bit=card.quantization == "8bit", load_in_4bit=card.quantization == "4bit")
    return {"quantization_config": packed, "device_map": {"": device}}


def _numbers(value: int | list[int] | None) -> tuple[int, ...]:
    return () if value is None else (value,) if isinstance(value, int) else tuple(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar, and no warning that a suite with warnings as errors would trip over."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
