"""What came back from a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Message, Sampling

Link = Literal["primary", "fallback", "canned"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens in and out; `exact` is False where they were estimated."""

    prompt: int = 0
    completion: int = 0
    exact: bool = True
    cached: int = 0
    """Those of the prompt that came from the server's cache."""

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of one call by part; a part that is not known is 0 and lies within total."""

    queue: float = 0.0
    """Waiting: for a slot of ours before anything was sent, which total leaves out, then in the server."""
    load: float = 0.0
    prefill: float = 0.0
    decode: float = 0.0
    total: float = 0.0
    first: float = 0.0
    """Until the first token, from sending; 0 where the reply came in one piece."""


@dataclass(frozen=True, slots=True)
class LinkFailure:
    """Why an earlier link of the chain did not answer."""

    model: str
    cause: str
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One question to one model: what a backend gets."""

    card: ModelCard
    messages: tuple[Message, ...]
    settings: Sampling
    role: str | None = None
    """The role that the model plays in the profile, if it plays one."""
    case_id: str = ""
    column: str = ""
    repeat: int = 1
    attempt: int = 1
    """Which step of a ladder asks, counted from 1."""
    task: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    timeout: float | None = None
    logprobs: bool = False
    script: Any = None
    """Scripted answers that the case itself brings; only the scripted backend looks at them."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer with what it cost and how it came about."""

    text: str
    model: str
    tokens: Tokens = Tokens()
    timings: Timings = Timings()
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """Each with id, name, and arguments as a table."""
    parsed: Any = None
    finish: str = ""
    """Why the text ends: stop, length, tool_calls, or a server's own word."""
    thinking: str = ""
    """What a thinking model wrote before its answer, where the server parts the two."""
    logprobs: Any = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The settings that the server was sent, by its own names."""
    link: Link = "primary"
    failures: tuple[LinkFailure, ...] = ()
    scripted: bool = False
    """True where no model was asked: the text was written beforehand."""
    decision: Decision | None = None
    retries: int = 0
    """Tries beyond the first one of each model that was asked."""
    resident: int | None = None
    """Peak bytes of the process that ran the model, where it has one of its own: measured, by the kernel."""
    reported: int | None = None
    """Bytes that a server says the model takes."""
    reported_gpu: int | None = None
    """Those of them on a GPU."""
    digest: str | None = None
    """What identifies the model's weights."""
    cold: bool | None = None
    """Whether the model had to be loaded for this call; None = not known."""
    usd: float | None = None
    """Cost by the card's price; None where no price is known."""
    replayed: bool = False
    """True where no model was asked: the reply was recorded before, and tokens, times and cost are of then."""
    reused: bool = False
    """True where the run had made the same request before: the reply is the one that came then."""
    recording: str = ""
    """The recording that it is from, or is kept in."""

    @property
    def content(self) -> str:
        return self.text

    @property
    def processing_time(self) -> float:
        """Milliseconds from sending to the last byte."""
        return self.timings.total * 1000

    def priced(self, card: ModelCard | None) -> Reply:
        """With its cost by the card's price of today; a replayed one keeps the cost that was recorded."""
        if self.replayed:
            return self
        price = None if card is None or self.scripted else card.price
        if price is None and self.usd is None:
            return self
        used = self.tokens
        return replace(self, usd=price.cost(used.prompt, used.completion, used.cached) if price else None)

    def with_(self, **changes: Any) -> Reply:
        return replace(self, **changes)

    def whole(self) -> Reply:
        """Its texts without halves of characters, which JSON can write: no file and no pipe of xdist's takes them."""
        text, thinking = whole(self.text), whole(self.thinking)
        return self if text is self.text and thinking is self.thinking else replace(self, text=text, thinking=thinking)

    def waited(self, seconds: float) -> Reply:
        """The same after so long a wait for its slot."""
        if not seconds:
            return self
        return replace(self, timings=replace(self.timings, queue=self.timings.queue + seconds))


def whole(text: str) -> str:
    """Without halves of characters, which a reply's JSON can write: no file and no pipe of xdist's takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
