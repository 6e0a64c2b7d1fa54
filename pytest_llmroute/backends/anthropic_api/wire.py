"""Anthropic's Messages format: from a call to its arguments, from a message to a reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_llmroute.backends.contract import CLAUDE_MOST_TOKENS
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Tokens
from pytest_llmroute.core.requests import Message

OLD_API = "2023-06-01"
LEAST_BUDGET = 1024
FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def arguments_of(call: Call) -> dict[str, Any]:
    """What is sent. Since its version 2026-10-21 the API refuses temperature and top_p, whatever their values."""
    card, settings = call.card, call.settings
    most = settings.max_tokens or min(card.max_output or CLAUDE_MOST_TOKENS, CLAUDE_MOST_TOKENS)
    system = "\n\n".join(message.content for message in call.messages if message.role == "system")
    found: dict[str, Any] = {
        "model": card.served_as,
        "max_tokens": most,
        "messages": _turns([message for message in call.messages if message.role != "system"]),
        "system": system or None,
        "stop_sequences": list(settings.stop) or None,
        "tools": [_tool(tool) for tool in call.tools] or None,
        "thinking": _thinking(card, settings.reasoning, most),
    }
    if call.schema is not None:
        found["output_config"] = {"format": {"type": "json_schema", "schema": dict(call.schema)}}
    if card.api_version == OLD_API:
        sampling = {"temperature": settings.temperature, "top_p": settings.top_p}
        found["extra_body"] = {key: value for key, value in sampling.items() if value is not None}
        found["extra_headers"] = {"anthropic-version": OLD_API}
    return {key: value for key, value in found.items() if value is not None}


def unsent(call: Call) -> list[str]:
    """Settings that somebody chose and this API takes no more."""
    if call.card.api_version == OLD_API:
        return []
    settings = call.settings
    return [name for name in ("temperature", "top_p") if getattr(settings, name) is not None]


def sent_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, for the record."""
    kept = {key: arguments[key] for key in ("model", "max_tokens", "stop_sequences", "thinking") if key in arguments}
    return {**kept, **arguments.get("extra_body", {})}


def _thinking(card: ModelCard, wanted: bool | None, most: int) -> dict[str, Any] | None:
    if wanted is None or card.thinking not in ("optional", "always"):
        return None
    if not wanted:
        return {"type": "disabled"} if card.thinking == "optional" else None
    if card.api_version != OLD_API:
        return {"type": "adaptive"}
    budget = max(LEAST_BUDGET, most // 2)
    return {"type": "enabled", "budget_tokens": budget} if budget < most else None


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool in OpenAI's form, which the rest of this package uses, or already in Anthropic's."""
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    found = {"name": function["name"], "input_schema": schema, "description": function.get("description")}
    return {key: value for key, value in found.items() if value is not None}


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Results of tools are part of the user's turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            block = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}
            if turns and turns[-1]["role"] == "user" and isinstance(turns[-1]["content"], list):
                turns[-1]["content"].append(block)
            else:
                turns.append({"role": "user", "content": [block]})
        elif message.tool_calls:
            uses = [
                {"type": "tool_use", "id": item.get("id", ""), "name": item["name"], "input": item.get("arguments", {})}
                for item in message.tool_calls
            ]
            text = [{"type": "text", "text": message.content}] if message.content else []
            turns.append({"role": message.role, "content": [*text, *uses]})
        else:
            turns.append({"role": message.role, "content": message.content})
    return turns


def parts_of(message: Any) -> tuple[str, str, tuple[dict[str, Any], ...]]:
    """Text, thinking and tool calls of a whole message."""
    texts = [block.text for block in message.content if block.type == "text"]
    thoughts = [block.thinking for block in message.content if block.type == "thinking"]
    tools = [
        {"id": block.id, "name": block.name, "arguments": dict(block.input)}
        for block in message.content
        if block.type == "tool_use"
    ]
    return "".join(texts), "".join(thoughts), tuple(tools)


def tokens_of(usage: Any) -> Tokens:
    """Tokens in are told in three parts: fresh, read from the cache, written to it."""
    cached = usage.cache_read_input_tokens or 0
    return Tokens(
        usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0), usage.output_tokens, cached=cached
    )
