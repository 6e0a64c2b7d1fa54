"""Model cards: what is known of a model before it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Expected:
    """Somebody's estimates, shown as expected and never as a result; None = unknown."""

    ram_gb: float | None = None
    tokens_per_second: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, with the source and date of the figure."""

    input: float
    output: float
    source: str
    date: str

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1_000_000


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model: how it is reached, its limits and its defaults."""

    name: str
    backend: str
    remote: bool = False
    aliases: tuple[str, ...] = ()
    context: int | None = None
    capabilities: frozenset[str] = frozenset()
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    best_for: str = ""
    expected: Expected = field(default_factory=Expected)
    price: Price | None = None

    @property
    def scripted(self) -> bool:
        return self.backend == "scripted"
