"""OpenAI's chat format: from a call to a body, from chunks to a reply, from an error to its cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_llmroute.backends.openai_compatible.presets import Preset
from pytest_llmroute.backends.wire import Refusal
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message


def body_of(call: Call, preset: Preset, *, stream: bool) -> dict[str, Any]:
    """The request; what nobody set is not sent."""
    card, settings = call.card, call.settings
    body: dict[str, Any] = {
        "model": card.served_as,
        "messages": [_message(message) for message in call.messages],
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        preset.limit_name: settings.max_tokens,
        "seed": settings.seed if preset.seed else None,
        "stop": list(settings.stop) or None,
    }
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    if call.tools:
        body["tools"] = [dict(tool) for tool in call.tools]
    if call.schema is not None:
        schema = {"name": "reply", "schema": dict(call.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if call.logprobs:
        body["logprobs"] = True
    body.update(_thinking(card, settings.reasoning, preset))
    return {key: value for key, value in body.items() if value is not None}


def _thinking(card: ModelCard, wanted: bool | None, preset: Preset) -> dict[str, Any]:
    """How this server is told to think or not to; nothing where the model can't choose."""
    if wanted is None or card.thinking not in ("optional", "always"):
        return {}
    if preset.template_thinking:
        return {"chat_template_kwargs": {"enable_thinking": wanted}}
    if preset.effort:
        return {"reasoning_effort": "medium" if wanted else "none" if card.thinking == "optional" else "low"}
    return {}


def _message(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [
            {
                "id": item.get("id", ""),
                "type": "function",
                "function": {"name": item["name"], "arguments": json.dumps(item.get("arguments", {}))},
            }
            for item in message.tool_calls
        ]
    if message.tool_call_id:
        found["tool_call_id"] = message.tool_call_id
    return found


@dataclass(slots=True)
class Gathered:
    """A reply as it grows, from chunks or from one whole answer."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    finish: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    """llama.cpp's own."""
    logprobs: list[Any] = field(default_factory=list)
    tools: dict[int, dict[str, Any]] = field(default_factory=dict)
    begun: bool = False
    """Whether anything of the reply is there: the first chunk of many servers names a role only."""

    def take(self, chunk: Any) -> str:
        """Adds one chunk, or a whole answer; the text that it brought. An error in it is raised."""
        if not isinstance(chunk, Mapping):
            return ""
        if chunk.get("error"):
            error = chunk["error"]
            status = error.get("code") if isinstance(error, Mapping) else None
            raise Refusal(status if isinstance(status, int) else 500, chunk)
        self.usage = chunk.get("usage") or self.usage
        self.timings = chunk.get("timings") or self.timings
        new = ""
        for choice in (chunk.get("choices") or ())[:1]:
            part = choice.get("delta") or choice.get("message") or {}
            new = part.get("content") or ""
            self.text.append(new)
            self.thinking.append(part.get("reasoning_content") or part.get("reasoning") or "")
            self.begun = self.begun or bool(new or self.thinking[-1] or part.get("tool_calls"))
            self.finish = choice.get("finish_reason") or self.finish
            self.logprobs += ((choice.get("logprobs") or {}).get("content")) or ()
            for place, item in enumerate(part.get("tool_calls") or ()):
                self._tool(item.get("index", place), item)
        return new

    def _tool(self, place: int, item: Mapping[str, Any]) -> None:
        """Arguments come in pieces of text."""
        kept = self.tools.setdefault(place, {"id": "", "name": "", "arguments": ""})
        function = item.get("function") or {}
        kept["id"] = item.get("id") or kept["id"]
        kept["name"] = function.get("name") or kept["name"]
        arguments = function.get("arguments")
        kept["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""

    @property
    def tool_calls(self) -> tuple[dict[str, Any], ...]:
        return tuple({**kept, "arguments": _table(kept["arguments"])} for _, kept in sorted(self.tools.items()))


def _table(text: str) -> dict[str, Any]:
    """A tool's arguments; what is no table is kept as it was written."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {"": text}
    return found if isinstance(found, dict) else {"": text}
