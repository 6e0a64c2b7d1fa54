"""From a call to Ollama's words and back: messages, tools, options."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message


def written(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages as Ollama takes them; the answer of a tool also names the tool, which older releases go by."""
    names: dict[str, str] = {}
    told = []
    for message in messages:
        item: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            item["tool_calls"] = [_asked_for(call) for call in message.tool_calls]
            names.update((str(call.get("id", "")), _name(call)) for call in message.tool_calls)
        if message.tool_call_id:
            item["tool_call_id"] = message.tool_call_id
            if name := names.get(message.tool_call_id):
                item["tool_name"] = name
        told.append(item)
    return told


def offered(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tools, each as a function; a bare one (name, parameters) is put into one."""
    return [dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)} for tool in tools]


def options(call: Call, constant: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of this call, and those that must not change while the model is loaded."""
    settings = call.settings
    free = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": settings.seed,
        "stop": list(settings.stop) or None,
        # Without a limit old releases write on for ever: they shift the context.
        "num_predict": settings.max_tokens or constant.get("num_ctx"),
    }
    return {**constant, **{name: value for name, value in free.items() if value is not None}}


def asked_tools(calls: Any, first: int = 0) -> list[dict[str, Any]]:
    """Tool calls with id, name and arguments as a table; what is none is left out."""
    found: list[dict[str, Any]] = []
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            number = first + len(found)
            found.append({
                "id": str(call.get("id") or f"call_{number}"),
                "name": function["name"],
                "arguments": _arguments(function.get("arguments")),
            })  # fmt: skip
    return found


def _asked_for(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    source = function if isinstance(function, Mapping) else call
    told: dict[str, Any] = {"function": {"name": _name(call), "arguments": _arguments(source.get("arguments"))}}
    if call.get("id"):
        told["id"] = str(call["id"])
    return told


def _name(call: Mapping[str, Any]) -> str:
    function = call.get("function")
    return str((function if isinstance(function, Mapping) else call).get("name", ""))


def _arguments(value: Any) -> dict[str, Any]:
    """A table, also where it came as text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return dict(value) if isinstance(value, Mapping) else {}
