"""What is asked of a model, before anybody decides which one answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.templates import Parts
from pytest_llmroute.errors import UserError

if TYPE_CHECKING:
    from pytest_llmroute.core.attempts import Rung

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: str
    content: str
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """Of an assistant: what it asked for, each with id, name and arguments."""
    tool_call_id: str = ""
    """Of a tool: which of them it answers."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling settings; None leaves the choice to the next lower level."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning: bool | None = None
    """Whether a model that can think before it answers shall do so."""

    def over(self, lower: Sampling) -> Sampling:
        """These settings where they are set, else those of `lower`."""
        return Sampling(
            temperature=lower.temperature if self.temperature is None else self.temperature,
            max_tokens=lower.max_tokens if self.max_tokens is None else self.max_tokens,
            top_p=lower.top_p if self.top_p is None else self.top_p,
            seed=lower.seed if self.seed is None else self.seed,
            stop=self.stop or lower.stop,
            reasoning=lower.reasoning if self.reasoning is None else self.reasoning,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One question with everything that routing may look at."""

    messages: tuple[Message, ...]
    task: str | None = None
    phase: str | None = None
    agent: str | None = None
    user: str | None = None
    model: str | None = None
    """The model that the test itself names; it wins over any strategy."""
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    sampling: Sampling = Sampling()
    timeout: float | None = None
    logprobs: bool = False
    template: str | None = None
    """The type of the template that the prompt is put into; None leaves it to task and model."""
    parts: Parts = field(default_factory=dict)
    """What a template can make the prompt of."""
    hint: str = ""
    """What was wrong with an earlier attempt, for the model to read."""
    share: float = 1.0
    """How much of each part that is a list is told."""
    rung: Rung | None = None
    """The step of a ladder that asks; None for what is asked once."""

    @property
    def text(self) -> str:
        """The last user message: what classification reads."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.content
        return ""

    @property
    def characters(self) -> int:
        return sum(len(message.content) for message in self.messages)


def as_messages(prompt: str | Iterable[Any], system: str | None = None) -> tuple[Message, ...]:
    """A prompt or a list of messages (dicts, pairs or Message) as values."""
    head = (Message("system", system),) if system is not None else ()
    if isinstance(prompt, str):
        return (*head, Message("user", prompt))
    return (*head, *(_as_message(item) for item in prompt))


def _as_message(item: Any) -> Message:
    if isinstance(item, Message):
        return item
    more: dict[str, Any] = {}
    if isinstance(item, Mapping):
        role, content = item.get("role"), item.get("content")
        more = {"tool_calls": tuple(item.get("tool_calls") or ()), "tool_call_id": str(item.get("tool_call_id") or "")}
    elif isinstance(item, tuple) and len(item) == 2:
        role, content = item
    else:
        raise UserError(
            f"a message must be a mapping with role and content, not {type(item).__name__}",
            code=Code.CALL,
            fix='llm.generate([{"role": "user", "content": "…"}])',
        )
    if role not in ROLES or not isinstance(content, str):
        raise UserError(
            f"a message needs a role of {', '.join(ROLES)} and a text as content; got role {role!r}"
            f" and content of type {type(content).__name__}",
            code=Code.CALL,
            fix='{"role": "user", "content": "…"}',
        )
    return Message(role, content, **more)
