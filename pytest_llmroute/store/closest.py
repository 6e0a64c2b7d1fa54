"""Of a call that is not recorded: which recorded one is most like it, and where the two differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from pytest_llmroute.errors import printable
from pytest_llmroute.store.recordings import Recording

Request = Mapping[str, Any]
MOST = 200
"""So many of those that differ in equally many respects have their texts compared."""
READ, SHOWN = 2000, 40


def closest(wanted: Request, case: str, recorded: Sequence[Recording]) -> Recording | None:
    """One of the same test rather than of another, then the one that differs least."""
    ranked = [((one.case != case, len(differing(wanted, one.request))), one) for one in recorded]
    least = min((rank for rank, _ in ranked), default=None)
    alike = [one for rank, one in ranked if rank == least][:MOST]
    return max(alike, key=lambda one: _rank(wanted, one.request), default=None)


def differing(wanted: Request, found: Request) -> list[str]:
    """The parts that are not the same."""
    return [part for part in sorted({*wanted, *found}) if wanted.get(part) != found.get(part)]


def difference(wanted: Request, found: Request) -> str:
    """In words: what is asked now, and what was recorded."""
    return "; ".join(
        text for part in differing(wanted, found) for text in _told(part, wanted.get(part), found.get(part))
    )


def _rank(wanted: Request, found: Request) -> tuple[float, int, int]:
    """How like the texts are; of equal ones the last that is recorded comes first."""
    likeness = SequenceMatcher(None, _text(wanted), _text(found), autojunk=False).quick_ratio()
    return likeness, found["repeat"], found.get("occurrence", 1)


def _text(request: Request) -> str:
    return "\n".join(message["content"] for message in request["messages"])[:READ]


def _told(part: str, now: Any, then: Any) -> Iterator[str]:
    if part in ("model", "settings"):
        now, then = now or {}, then or {}
        for name in differing(now, then):
            shown = "model" if (part, name) == ("model", "name") else f"model {name}" if part == "model" else name
            yield f"{shown} {_value(now.get(name))}, recorded {_value(then.get(name))}"
    elif part == "messages":
        yield "prompt: " + _prompt(now, then)
    elif part in ("tools", "reply_schema"):
        yield f"another {'schema' if part == 'reply_schema' else 'set of tools'}"
    else:
        yield f"{part} {_value(now or 1)}, recorded {_value(then or 1)}"


def _prompt(now: Sequence[Request], then: Sequence[Request]) -> str:
    """The first line that is not the same."""
    for number, (one, other) in enumerate(zip_longest(now, then), 1):
        if one == other:
            continue
        if one is None or other is None:
            return f"{len(now)} messages, recorded {len(then)}"
        if one["role"] != other["role"]:
            return f"message {number} is of {_value(one['role'])}, recorded {_value(other['role'])}"
        for line, (new, old) in enumerate(zip_longest(one["content"].split("\n"), other["content"].split("\n")), 1):
            if new != old:
                return f"message {number} ({one['role']}), line {line}: " + _line(new, old)
        return f"message {number} has other tool calls"
    return ""


def _line(new: str | None, old: str | None) -> str:
    """Both lines around the place where they part."""
    parted = next((place for place, (a, b) in enumerate(zip_longest(new or "", old or "")) if a != b), 0)
    begin = max(0, parted - SHOWN // 2)
    now, then = ("nothing" if text is None else _cut(text, begin) for text in (new, old))
    return f"{now}, recorded {then}"


def _cut(text: str, begin: int) -> str:
    head = "…" if begin else ""
    return f'"{head}{printable(text[begin:], SHOWN)}"'


def _value(value: Any) -> str:
    return "not set" if value is None else printable(json.dumps(value, ensure_ascii=False), SHOWN)
