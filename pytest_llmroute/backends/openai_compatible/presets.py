"""What is known of single servers that speak OpenAI's format: where they listen, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_llmroute.core.models import ModelCard


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of server."""

    base_url: str
    key_env: str = ""
    """The variable that holds its key; empty for servers that need none."""
    limit_name: str = "max_tokens"
    """What it calls the limit on the reply's tokens."""
    seed: bool = True
    template_thinking: bool = False
    """Whether thinking is switched by an argument of the chat template."""
    effort: bool = False
    """Whether thinking is switched by `reasoning_effort`."""
    start: str = ""
    """The command that starts it."""
    slots_at: str = ""
    """Where, beside its API, it says how many calls it answers at once, as `total_slots`."""
    lists: bool = False
    """Whether a model that it does not list is one that it does not have."""


PRESETS = {
    "openai": Preset("https://api.openai.com/v1", "OPENAI_API_KEY", limit_name="max_completion_tokens", effort=True),
    "gemini": Preset(
        "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", seed=False, effort=True
    ),
    "llama.cpp": Preset(
        "http://127.0.0.1:8080/v1",
        template_thinking=True,
        start="llama-server -m MODEL.gguf --port 8080",
        slots_at="/props",
    ),
    "vllm": Preset("http://127.0.0.1:8000/v1", template_thinking=True, start="vllm serve MODEL", lists=True),
    "lm-studio": Preset("http://127.0.0.1:1234/v1", start="lms server start", lists=True),
    "llama-swap": Preset(
        "http://127.0.0.1:8080/v1", template_thinking=True, start="llama-swap --config config.yaml --listen :8080"
    ),
}
PLAIN = Preset("")
"""A server of which nothing is known."""


def preset_of(card: ModelCard) -> Preset:
    """The one that the card names, else the one whose address the card has."""
    if card.server:
        return PRESETS[card.server]
    return next((preset for preset in PRESETS.values() if preset.base_url == card.base_url.rstrip("/")), PLAIN)


def address_of(card: ModelCard) -> str:
    """Where the card's server is."""
    return (card.base_url or preset_of(card).base_url).rstrip("/")


def key_name_of(card: ModelCard) -> str:
    return card.api_key_env or preset_of(card).key_env
