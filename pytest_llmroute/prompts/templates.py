"""Templates: strict rendering, and a request's prompt put into the template that it gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.placeholders import fill, placeholders
from pytest_llmroute.core.requests import Message, Request
from pytest_llmroute.core.templates import Template
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.prompts.formats import formulated

SYSTEM = "system"
"""The type whose text becomes a system message; all others make the last user message anew."""


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


def messages_for(request: Request, template: Template | None, card: ModelCard) -> tuple[Message, ...]:
    """What the model is sent: the prompt by the template, or as it is."""
    offered = {"instructions": card.instructions, "tools": _tools(request), "model": card.name}
    if template is None or template.type != SYSTEM:
        return formulated(
            request.messages, request.parts, template, hint=request.hint, share=request.share, offered=offered
        )
    messages = formulated(request.messages, request.parts, None, hint=request.hint)
    if any(message.role == "system" for message in messages):
        return messages
    values = {"prompt": request.text, **offered}
    wanted = placeholders(template.text)
    text = render(template.name, template.text, {name: value for name, value in values.items() if name in wanted})
    return (Message("system", text), *messages)


def identity(template: Template) -> str:
    """A template's name with a hash of its texts: what a record keeps of it."""
    more = [template.system, template.opening, *(astuple(section) for section in template.sections)]
    text = json.dumps([template.text, *more]) if any(more) else template.text
    return f"{template.name}@{hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"


def _tools(request: Request) -> str:
    """The offered tools as text, a line each."""
    return "\n".join(json.dumps(dict(tool), ensure_ascii=False, default=repr) for tool in request.tools) or "none"
