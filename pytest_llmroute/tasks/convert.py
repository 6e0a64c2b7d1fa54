"""Plain data to TaskCase: strict and quick. What it refuses, the schema explains."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pytest_llmroute.config.sentences import Path
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.core.templates import OFFERED
from pytest_llmroute.errors import Cause
from pytest_llmroute.tasks.checks import Check, CheckType, load_check, unit_tests_of
from pytest_llmroute.tasks.values import Known, Mistake, Mistakes, Refused, TaskCase

ID = re.compile(r"(?!\s)(?!.*::)(?!.*\s$)[^\[\]/\\\x00-\x1f\x7f]{1,120}")
TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEYS = frozenset({
    "id", "prompt", "messages", "task", "phase", "agent", "user", "tags", "weight", "must_pass", "timeout",
    "repeat", "min_pass", "temperature", "max_tokens", "check", "scripted", "template", "parts", "reference",
})  # fmt: skip
_CAUSES = tuple(cause.value for cause in Cause)


def to_task(
    data: Any, types: Mapping[str, CheckType], known: Known, path: str, line: int
) -> tuple[TaskCase | None, list[Mistake]]:
    """The task, or the mistakes that keep it from being one; raises Refused when the form is wrong."""
    if not isinstance(data, dict) or not data.keys() <= KEYS:
        raise Refused
    mistakes: list[Mistake] = []
    messages = _messages(data)
    repeat, min_pass = _count(data, "repeat", 1000), _count(data, "min_pass", 1000)
    scripted = data.get("scripted")
    if "scripted" in data:
        _script(scripted)
    values: dict[str, Any] = {
        "id": _id(data, mistakes),
        "tags": _tags(data),
        "weight": _number(data, "weight", above=0.0) or 1.0,
        "must_pass": _flag(data, "must_pass"),
        "parts": _parts(data, mistakes),
        "timeout": _number(data, "timeout", above=0.0),
        "sampling": Sampling(_number(data, "temperature", least=0.0, most=2.0), _count(data, "max_tokens", None)),
        **{key: _name(data, key) for key in ("task", "phase", "agent", "user", "template", "reference")},
    }
    if min_pass is not None and (repeat is None or min_pass > repeat):
        mistakes.append(Mistake(("min_pass",), f"{min_pass} needs `repeat:` of at least as many"))
    if min_pass is not None and values["must_pass"]:
        mistakes.append(Mistake(("must_pass",), "min_pass allows misses and must_pass allows none; choose one"))
    mistakes += _unknown(values, known)
    if "check" not in data:
        raise Refused
    try:
        check = load_check(data["check"], ("check",), types)
    except Mistakes as found:
        return None, [*mistakes, *found.mistakes]
    mistakes += _wrong_reference(values["reference"], check)
    mistakes += _halves(data, ())
    if mistakes:
        return None, mistakes
    return TaskCase(
        messages=messages, repeat=repeat, min_pass=min_pass, check=check, check_hash=_hash(data["check"]),
        scripted=scripted, path=path, line=line, **values,
    ), []  # fmt: skip


def _wrong_reference(code: str | None, check: Check) -> list[Mistake]:
    if code is None:
        return []
    if not any(unit_tests_of(check)):
        return [Mistake(("reference",), "nothing runs it: the check holds no unit_tests")]
    from pytest_llmroute.tasks.asserts import parsed

    try:
        parsed(code)
    except ValueError as error:
        return [Mistake(("reference",), str(error))]
    return []


def _unknown(values: Mapping[str, Any], known: Known) -> list[Mistake]:
    return [
        Mistake((kind,), what)
        for kind in ("task", "phase", "agent", "template")
        if values[kind] is not None and (what := known.mistake(kind, values[kind]))
    ]


def _id(data: Mapping[str, Any], mistakes: list[Mistake]) -> str:
    value = data.get("id")
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Refused
    if not value.isprintable():
        mistakes.append(Mistake(("id",), "holds characters that do not show (control or direction marks)"))
    return value


def _messages(data: Mapping[str, Any]) -> tuple[Message, ...]:
    prompt, messages = data.get("prompt"), data.get("messages")
    if ("prompt" in data) == ("messages" in data):
        raise Refused
    if "prompt" in data:
        if not isinstance(prompt, str) or not prompt:
            raise Refused
        return (Message("user", prompt),)
    if not isinstance(messages, list) or not messages:
        raise Refused
    return tuple(_message(item) for item in messages)


def _message(item: Any) -> Message:
    if not isinstance(item, dict) or item.keys() != {"role", "content"}:
        raise Refused
    if item["role"] not in ("system", "user", "assistant", "tool") or not isinstance(item["content"], str):
        raise Refused
    return Message(item["role"], item["content"])


def _name(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if key in data and (not isinstance(value, str) or not value):
        raise Refused
    return value


def _parts(data: Mapping[str, Any], mistakes: list[Mistake]) -> dict[str, tuple[str, ...]]:
    """Each as one text or several."""
    parts = data.get("parts", {})
    if not isinstance(parts, dict):
        raise Refused
    found: dict[str, tuple[str, ...]] = {}
    for name, value in parts.items():
        pieces = [value] if isinstance(value, str) else value
        if not isinstance(name, str) or not TAG.fullmatch(name) or not isinstance(pieces, list) or not pieces:
            raise Refused
        if not all(isinstance(piece, str) and piece.strip() for piece in pieces):
            raise Refused
        if name in OFFERED:
            mistakes.append(
                Mistake(("parts", name), f"{{{name}}} is what a call fills in itself; call the part otherwise")
            )
        found[name] = tuple(piece.strip("\n") for piece in pieces)
    return found


def _tags(data: Mapping[str, Any]) -> tuple[str, ...]:
    tags = data.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in tags):
        raise Refused
    return tuple(dict.fromkeys(tags))


def _flag(data: Mapping[str, Any], key: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise Refused
    return value


def _count(data: Mapping[str, Any], key: str, most: int | None) -> int | None:
    if key not in data:
        return None
    value = data[key]
    # 2.0 is an integer to JSON Schema, so it is one here too.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most and value > most):
        raise Refused
    return value


def _number(
    data: Mapping[str, Any], key: str, *, above: float | None = None, least: float | None = None,
    most: float | None = None,
) -> float | None:  # fmt: skip
    if key not in data:
        return None
    value = data[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused
    if (above is not None and value <= above) or (least is not None and value < least):
        raise Refused
    if most is not None and value > most:
        raise Refused
    return float(value)


def _script(value: Any) -> None:
    """A text, an answer with its planned behaviour, a list by repeat, or a table by model."""
    if isinstance(value, str):
        return
    if isinstance(value, list) and value:
        for item in value:
            _script(item)
        return
    if not isinstance(value, dict) or not value:
        raise Refused
    if value.keys() == {"by_model"}:
        table = value["by_model"]
        if not isinstance(table, dict) or not table:
            raise Refused
        for item in table.values():
            _script(item)
        return
    _answer(value)


def _answer(value: dict[str, Any]) -> None:
    if not value.keys() <= {"text", "latency", "tokens", "fail"} or not value.keys() & {"text", "fail"}:
        raise Refused
    if not isinstance(value.get("text", ""), str) or value.get("fail", "timeout") not in _CAUSES:
        raise Refused
    _number(value, "latency", least=0.0)
    tokens = value.get("tokens", {})
    if not isinstance(tokens, dict) or not tokens.keys() <= {"prompt", "completion"}:
        raise Refused
    for count in tokens.values():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Refused


def _halves(value: Any, at: Path) -> list[Mistake]:
    """Texts that no model can be sent: half a surrogate pair, as JSON's escapes can write it."""
    if isinstance(value, str):
        if value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value):
            return []
        return [Mistake(at, "holds half a character (a lone surrogate)")]
    if isinstance(value, dict):
        return [m for key, item in value.items() for m in _halves(item, (*at, key))]
    if isinstance(value, list):
        return [m for place, item in enumerate(value) for m in _halves(item, (*at, place))]
    return []


def _hash(check: Any) -> str:
    text = json.dumps(check, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]
