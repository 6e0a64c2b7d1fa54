"""Task files as plain data that knows its lines: JSON, and JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_llmroute.config.sentences import Path

TOO_DEEP = "nested too deeply to be read"
_BLANK = re.compile(r"[ \t\n\r]*")


class Broken(Exception):
    """A document that can't be read at all from `line` on."""

    def __init__(self, line: int, what: str) -> None:
        self.line, self.what = line, what
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Raw:
    """One entry of a file before it is checked; `line_of` finds the line of a place inside it."""

    value: Any
    line: int
    line_of: Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class Document:
    """A file's defaults and entries, and the lines that could not be read."""

    defaults: Raw | None
    entries: tuple[Raw, ...]
    broken: tuple[Broken, ...] = ()


def read_json(text: str, *, lines: bool) -> Document:
    """JSON, or one task on each line; raises Broken when nothing of it can be believed."""
    try:
        return _json_lines(text) if lines else _json(text)
    except RecursionError:
        raise Broken(1, TOO_DEEP) from None


def first_entry(head: str, suffix: str) -> Any:
    """The first task of a JSON list or of JSON lines, from the beginning of the text; None where there is none."""
    start = _skip(head, 0)
    if suffix == ".json":
        if head[start : start + 1] != "[":
            return None
        start = _skip(head, start + 1)
    try:
        return _DECODER.raw_decode(head, start)[0]
    except (ValueError, RecursionError):
        return None


# JSON lines


def _json_lines(text: str) -> Document:
    entries, broken = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append(_flat(_loads(line), number))
        except (ValueError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            broken.append(Broken(number, f"this line is no JSON: {what}"))
    return Document(None, tuple(entries), tuple(broken))


def _flat(value: Any, line: int) -> Raw:
    return Raw(value, line, lambda at: line)


def _loads(text: str) -> Any:
    return _DECODER.decode(text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'the key "{twice}" stands twice')
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


# JSON


def _json(text: str) -> Document:
    lines = _Lines(text)
    place = 0
    try:
        place = _skip(text, 0)
        if text[place : place + 1] == "[":
            entries = tuple(_flat(value, lines.at(start)) for value, start, _ in _array(text, place))
            return Document(None, entries)
        if text[place : place + 1] == "{":
            return _json_object(text, place, lines)
    except json.JSONDecodeError as error:
        raise Broken(error.lineno, f"no JSON: {error.msg}") from None
    except ValueError as error:
        raise Broken(lines.at(place), str(error)) from None
    raise Broken(1, "a task file holds `tasks: [...]` or a list of tasks")


def _json_object(text: str, start: int, lines: _Lines) -> Document:
    whole, _ = _DECODER.raw_decode(text, start)
    top_level(whole, lines.at(start))
    entries: list[Raw] = []
    defaults: Raw | None = None
    for key, _, value_start in _members(text, start):
        if key == "tasks":
            entries = [_flat(value, lines.at(at)) for value, at, _ in _array(text, value_start)]
        elif key == "defaults":
            defaults = _flat(whole["defaults"], lines.at(value_start))
    return Document(defaults, tuple(entries))


def _array(text: str, start: int) -> Iterator[tuple[Any, int, int]]:
    place = _skip(text, start + 1)
    while text[place : place + 1] != "]":
        value, end = _DECODER.raw_decode(text, place)
        yield value, place, end
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
        elif text[place : place + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
    if start == _skip(text, 0) and _skip(text, place + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, place + 1)


def _members(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Keys of an object that is known to be well formed, with the places of key and value."""
    place = _skip(text, start + 1)
    while text[place : place + 1] != "}":
        key, end = _DECODER.raw_decode(text, place)
        value_start = _skip(text, _skip(text, end) + 1)
        yield key, place, value_start
        _, end = _DECODER.raw_decode(text, value_start)
        place = _skip(text, end)
        place = _skip(text, place + 1) if text[place : place + 1] == "," else place
    if _skip(text, place + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, place + 1)


def _skip(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    return found.end() if found else place


class _Lines:
    """Line numbers of places that come in order: each newline is counted once."""

    def __init__(self, text: str) -> None:
        self._text, self._place, self._line = text, 0, 1

    def at(self, place: int) -> int:
        if place < self._place:
            return self._text.count("\n", 0, place) + 1
        self._line += self._text.count("\n", self._place, place)
        self._place = place
        return self._line


def top_level(found: dict[str, Any], line: int) -> None:
    unknown = sorted(set(found) - {"tasks", "defaults", "$schema"})
    if unknown:
        raise Broken(line, f'unknown key "{unknown[0]}" at the top of the file; allowed: tasks, defaults')
    if not isinstance(found.get("tasks"), list):
        raise Broken(line, "a task file needs `tasks:` with a list of tasks")
