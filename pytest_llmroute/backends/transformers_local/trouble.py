"""What an error of torch, transformers or the hub means, and what to do about it."""

from __future__ import annotations

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import Cause

MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "bad alloc")
SMALLER = "a smaller model (as microsoft/DialoGPT-small) or fewer tokens take less"
LOGIN = "hf auth login, or the environment variable HF_TOKEN, after its page on the hub has granted access"


def cause_of(error: Exception, card: ModelCard) -> tuple[Cause, str]:
    """The cause and one line for people."""
    name = type(error).__name__
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), name)
    lowered = str(error).lower()
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or any(words in lowered for words in MEMORY):
        return Cause.OUT_OF_MEMORY, f"memory ran out {_where(lowered, card)}; {SMALLER}"
    if name == "GatedRepoError" or "401 client error" in lowered or "403 client error" in lowered:
        return Cause.AUTH, f"the hub does not give it to everybody: {LOGIN}"
    if "bitsandbytes" in lowered:
        return Cause.BACKEND, f'{text[:200]}; pip install bitsandbytes, or quantization = "none" on its card'
    if "cuda" in lowered or "cudnn" in lowered:
        return Cause.BACKEND, f'{text[:200]}; device = "cpu" on its card goes on without the GPU'
    return Cause.BACKEND, f"{name}: {text[:300]}"


def _where(lowered: str, card: ModelCard) -> str:
    if "cuda" in lowered:
        return 'on the GPU; device = "cpu" on its card uses the RAM'
    return "in RAM" if card.device in ("auto", "cpu") else f"on {card.device}"
