"""Task files as plain data that knows its lines: YAML, JSON, and JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from pytest_llmroute.config.sentences import Path

MOST_NODES = 5_000_000
DEEPEST = 60
"""Bounds on a YAML document once its aliases are followed: a small file can stand for a huge one."""
_BLANK = re.compile(r"[ \t\n\r]*")
_YAML_TYPES = {"str", "int", "float", "bool", "null", "timestamp"}


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


def read_document(text: str, suffix: str) -> Document:
    """Parses by suffix; raises Broken when nothing of it can be believed."""
    try:
        if suffix == ".jsonl":
            return _json_lines(text)
        return _json(text) if suffix == ".json" else _yaml(text)
    except RecursionError:
        raise Broken(1, "nested too deeply to be read") from None


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
    _top_level(whole, lines.at(start))
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


# YAML


def _yaml(text: str) -> Document:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.problem, error.context) if part)
        raise Broken(mark.line + 1 if mark else 1, f"no YAML: {what}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Broken(1, f"no YAML: {error}") from None
    if node is None:
        raise Broken(1, "the file is empty; a task file holds `tasks: [...]`")
    reader = _YamlReader(loader(""))
    if isinstance(node, yaml.SequenceNode):
        return Document(None, tuple(reader.raw(item) for item in node.value))
    if not isinstance(node, yaml.MappingNode):
        raise Broken(_line(node), "a task file holds `tasks: [...]` or a list of tasks")
    return _yaml_mapping(node, reader)


def _yaml_mapping(node: yaml.MappingNode, reader: _YamlReader) -> Document:
    parts = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    tasks = parts.get("tasks")
    shallow: dict[str, Any] = {
        key: [] if key == "tasks" and isinstance(tasks, yaml.SequenceNode) else None for key in parts
    }
    if len(parts) != len(node.value):
        raise Broken(_line(node), "a key stands twice at the top of the file, or is no text")
    _top_level(shallow, _line(node))
    entries = tuple(reader.raw(item) for item in tasks.value) if tasks is not None else ()
    return Document(reader.raw(parts["defaults"]) if "defaults" in parts else None, entries)


class _YamlReader:
    """Plain values from composed nodes, so that every value's line is known."""

    def __init__(self, loader: Any) -> None:
        self._loader, self._visited = loader, 0

    def raw(self, node: yaml.Node) -> Raw:
        return Raw(self.value(node, 0), _line(node), lambda at: _line_in(node, at))

    def value(self, node: yaml.Node, depth: int) -> Any:
        self._visited += 1
        if self._visited > MOST_NODES or depth > DEEPEST:
            raise Broken(_line(node), "too much nested or repeated data (aliases?) to be a task file")
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                raise Broken(_line(key_node), "keys are plain texts; `<<` is not used in task files, `defaults` is")
            if key in found:
                raise Broken(_line(key_node), f'the key "{key}" stands twice')
            found[key] = self.value(value_node, depth + 1)
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind == "str" or kind == "timestamp":
            return node.value
        if kind not in _YAML_TYPES:
            raise Broken(_line(node), f"the tag {node.tag} is not used in task files")
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise Broken(_line(node), f"no YAML value: {error}") from None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _line_in(node: yaml.Node, at: Path) -> int:
    """The line of a place, as deep as it can be followed; a key's line for a value of a mapping."""
    line = _line(node)
    for step in at:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == step), None)
            if pair is None:
                break
            line, node = _line(pair[0]), pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = _line(node)
        else:
            break
    return line


def _top_level(found: dict[str, Any], line: int) -> None:
    unknown = sorted(set(found) - {"tasks", "defaults", "$schema"})
    if unknown:
        raise Broken(line, f'unknown key "{unknown[0]}" at the top of the file; allowed: tasks, defaults')
    if not isinstance(found.get("tasks"), list):
        raise Broken(line, "a task file needs `tasks:` with a list of tasks")
