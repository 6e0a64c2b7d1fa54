"""A prompt made of a task's parts by a template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from pytest_llmroute.codes import Code
from pytest_llmroute.core.placeholders import fill, placeholders
from pytest_llmroute.core.requests import Message
from pytest_llmroute.core.templates import OFFERED, Parts, Section, Template
from pytest_llmroute.errors import UserError

BLANK_LINE = "\n\n"
_Pieces = Mapping[str, Sequence[str]]


def formulated(
    task_messages: Sequence[Message], parts: Parts, format: Template | None, *, hint: str = "", share: float = 1.0,
    offered: Mapping[str, str] | None = None,
) -> tuple[Message, ...]:  # fmt: skip
    """The messages of a task as a template tells them: the last one of the user is made anew.

    `hint` says what was wrong with the last attempt; it stands where the template has `{hint}`, else at the end.
    `share` is how much of each list of texts is told; below 1, spare sections are left out as well.
    `offered` is what else a call fills in. Without a template the messages stay, with the hint behind them.
    """
    place = max((at for at, message in enumerate(task_messages) if message.role == "user"), default=None)
    prompt = "" if place is None else task_messages[place].content
    if format is None:
        text = _joined([prompt, hint])
        return _placed(task_messages, place, text) if hint else tuple(task_messages)
    if lacking := lacks(format, parts):
        raise missing(format, lacking, parts)
    values = _values(parts, {**(offered or {}), "prompt": prompt, "hint": hint}, share)
    told = [_filled(section, values) for section in format.paragraphs if _is_told(section, values, share)]
    if hint and "hint" not in format.names:
        told.append(hint)
    if format.opening:
        return (Message("user", _joined([*_others(task_messages, place), *told, opening_of(format, parts)])),)
    messages = _placed(task_messages, place, _joined(told))
    if not format.system or any(message.role == "system" for message in messages):
        return messages  # who brings a system message of his own keeps it
    return (Message("system", _filled(Section(format.system), values)), *messages)


def lacks(template: Template, parts: Parts) -> list[str]:
    """The parts that a template can't do without and that are not there."""
    return sorted(name for name in template.required if not parts.get(name))


def opening_of(template: Template, parts: Parts) -> str:
    """What the reply begins with; empty where the task has nothing to begin with."""
    if not template.opening or any(not parts.get(name) for name in placeholders(template.opening)):
        return ""
    return _filled(Section(template.opening), _values(parts, {}, 1.0))


def _values(parts: Parts, offered: Mapping[str, str], share: float) -> _Pieces:
    """Every value as a list of texts; of parts that are lists, as many as the share allows, and at least one."""
    values: dict[str, Sequence[str]] = {name: (text,) if text else () for name, text in offered.items()}
    for name, part in parts.items():
        pieces = (part,) if isinstance(part, str) else tuple(part)
        values[name] = pieces[: max(1, math.ceil(len(pieces) * share))]
    return values


def _is_told(section: Section, values: _Pieces, share: float) -> bool:
    if section.spare and share < 1:
        return False
    return all(any(values.get(name, ())) for name in section.needs)


def _filled(section: Section, values: _Pieces) -> str:
    texts = {name: "\n".join(islice(values.get(name, ()), section.pieces)) for name in placeholders(section.text)}
    return fill(section.text, texts, _never)


def _never(name: str) -> UserError:
    """Every placeholder has a value by then, if only an empty one."""
    raise AssertionError(name)


def _joined(paragraphs: Sequence[str]) -> str:
    return BLANK_LINE.join(filter(None, paragraphs))


def _others(messages: Sequence[Message], place: int | None) -> list[str]:
    return [message.content for at, message in enumerate(messages) if at != place]


def _placed(messages: Sequence[Message], place: int | None, text: str) -> tuple[Message, ...]:
    if place is None:
        return (*messages, Message("user", text))
    return (*messages[:place], replace(messages[place], content=text), *messages[place + 1 :])


def missing(template: Template, lacking: Sequence[str], parts: Parts, where: str = "") -> UserError:
    """What a task lacks that a template can't do without."""
    told = [name for name in parts if parts[name] and name not in OFFERED]
    names = ", ".join(f"{{{name}}}" for name in lacking)
    return UserError(
        f"{where}{': ' if where else ''}template {template.name}: the task has no {names}",
        code=Code.TEMPLATE,
        means=f"its parts: {', '.join(told) or 'none'}",
        fix=f"parts: {{{lacking[0]}: …}} in the task file",
        instead="template: plain asks the prompt as it is written",
    )
