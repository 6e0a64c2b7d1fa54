"""Templates: strict rendering, and a request's prompt put into the template of the model that gets it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import Template
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Message, Request
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.prompts.placeholders import fill, placeholders

OFFERED = ("prompt", "instructions", "tools", "model")
"""What a call fills in."""
SYSTEM = "system"
"""The type that becomes a system message; all others wrap the last user message."""


def render(name: str, text: str, values: Mapping[str, Any]) -> str:
    """The text with every placeholder filled in; a value too many or too few is an error."""
    wanted = placeholders(text)
    if spare := sorted(set(values) - wanted):
        near = nearest(spare[0], wanted)
        raise UserError(
            f'template {name} has no place for "{printable(spare[0], 60)}"'
            + (f' (did you mean "{near}"?)' if near else ""),
            code=Code.TEMPLATE,
            means=f"it asks for: {', '.join(sorted(wanted)) or 'nothing'}",
        )

    def missing(placeholder: str) -> UserError:
        lacking = sorted(wanted - set(values))
        return UserError(
            f"template {name}: no value for {', '.join(lacking)}",
            code=Code.TEMPLATE,
            means=f"it asks for: {', '.join(sorted(wanted))}",
            fix=f"give {placeholder}=…, or write {{{{{placeholder}}}}} in the template for the braces themselves",
        )

    return fill(text, values, missing)


def messages_for(request: Request, template: Template, card: ModelCard) -> tuple[Message, ...]:
    """What the model is sent: the last user message inside the template, or a system message before it all."""
    offered = dict(zip(OFFERED, (request.text, card.instructions, _tools(request), card.name), strict=True))
    values = {name: value for name, value in offered.items() if name in placeholders(template.text)}
    text = render(template.name, template.text, values)
    if template.type == SYSTEM:
        if any(message.role == "system" for message in request.messages):
            return request.messages
        return (Message("system", text), *request.messages)
    last = max((place for place, m in enumerate(request.messages) if m.role == "user"), default=None)
    if last is None:
        return (*request.messages, Message("user", text))
    changed = replace(request.messages[last], content=text)
    return (*request.messages[:last], changed, *request.messages[last + 1 :])


def identity(template: Template) -> str:
    """A template's name with a hash of its text: what a record keeps of it."""
    return f"{template.name}@{hashlib.sha256(template.text.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"


def _tools(request: Request) -> str:
    """The offered tools as text, a line each."""
    return "\n".join(json.dumps(dict(tool), ensure_ascii=False, default=repr) for tool in request.tools) or "none"
