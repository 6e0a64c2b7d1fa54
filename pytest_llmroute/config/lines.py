"""Where in a TOML text a key stands; the standard library's parser does not say.

Read only for messages and origins. Statements are told apart by asking the parser: lines are added until it agrees.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]
LONGEST = 400
"""Lines of one statement that are tried; a longer one keeps the line where it began."""


class Lines:
    """Line numbers by place; a place that is not known has the line of what holds it."""

    def __init__(self, text: str) -> None:
        self._at = dict(_places(text))

    def of(self, at: Path) -> int | None:
        """The line of a place, or of the nearest one around it."""
        for length in range(len(at), 0, -1):
            if (line := self._at.get(at[:length])) is not None:
                return line
        return None


def _places(text: str) -> Iterator[tuple[Path, int]]:
    lines = text.split("\n")
    counts: dict[Path, int] = {}
    table: Path = ()
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        start = number + 1
        if line.startswith("[") and (header := _parse(line)) is not None:
            table = _numbered(header, line.startswith("[["), counts)
            yield table, start
            number += 1
            continue
        statement, used = _statement(lines, number)
        for path in _leaves(statement):
            yield (*table, *path), start
        number += used


def _statement(lines: list[str], start: int) -> tuple[Mapping[str, Any], int]:
    first = lines[start].strip()
    if not first or first.startswith("#"):
        return {}, 1
    for used in range(1, min(LONGEST, len(lines) - start) + 1):
        found = _parse("\n".join(lines[start : start + used]))
        if found is not None:
            return found, used
    key = re.match(r"\s*([A-Za-z0-9_-]+)\s*=", lines[start])
    return ({key.group(1): None} if key else {}), 1


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _numbered(header: Mapping[str, Any], is_list: bool, counts: dict[Path, int]) -> Path:
    """The place that a header opens; a list of tables counts its members."""
    path: list[str | int] = []
    node: Any = header
    while isinstance(node, Mapping) and node:
        key = next(iter(node))
        path.append(key)
        node = node[key]
        if isinstance(node, list):
            node = None
        elif tuple(path) in counts:
            path.append(counts[tuple(path)])
    if is_list:
        counts[tuple(path)] = counts.get(tuple(path), -1) + 1
        path.append(counts[tuple(path)])
    return tuple(path)


def _leaves(value: Any, path: Path = (), depth: int = 0) -> Iterator[Path]:
    if isinstance(value, Mapping) and depth < 50:
        for key, inner in value.items():
            yield (*path, key)
            yield from _leaves(inner, (*path, key), depth + 1)
