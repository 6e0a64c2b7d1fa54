"""What is wrong with an entry, by the published schema, in sentences."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import jsonschema

from pytest_llmroute.errors import nearest, printable
from pytest_llmroute.tasks.checks import CheckType
from pytest_llmroute.tasks.values import Path

TYPES = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
         "array": "a list", "object": "a mapping", "null": "empty"}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    """The published schema of task files."""
    path = resources.files("pytest_llmroute.config") / "schemas" / "tasks.schema.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def explain(value: Any, types: Mapping[str, CheckType], *, defaults: bool = False) -> list[tuple[Path, str]]:
    """All mistakes of one task, or of the defaults, each with its place."""
    whole = _with_checks(types)
    part = {"$defs": whole["$defs"], "$ref": "#/$defs/defaults" if defaults else "#/$defs/task"}
    found = jsonschema.Draft202012Validator(part).iter_errors(value)
    lines = [line for error in found for line in _sentences(error)]
    return sorted(set(lines), key=lambda line: [str(step) for step in line[0]])


def _with_checks(types: Mapping[str, CheckType]) -> dict[str, Any]:
    """The schema with the checks that extensions bring."""
    whole = copy.deepcopy(schema())
    properties = whole["$defs"]["check"]["properties"]
    for name, kind in types.items():
        properties.setdefault(name, dict(kind.schema))
    return whole


def _sentences(error: Any) -> Iterator[tuple[Path, str]]:
    at = tuple(error.absolute_path)
    what = error.validator
    if what == "additionalProperties":
        allowed = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(allowed), key=str):
            near = nearest(str(key), allowed)
            hint = f' (did you mean "{near}"?)' if near else ""
            yield (*at, key), f'unknown key "{printable(str(key), 60)}"{hint}; allowed: {", ".join(allowed)}'
    elif what == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield at, f"{' and '.join(missing)} missing"
    elif what == "oneOf" and at == ():
        yield at, "exactly one of prompt and messages must be there"
    else:
        yield at, _sentence(error)


def _sentence(error: Any) -> str:
    got = _got(error.instance)
    about = error.schema.get("description")
    if error.validator == "type":
        wanted = error.validator_value
        names = " or ".join(TYPES[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted))
        hint = f'; put it in quotes: "{error.instance}"' if _needs_quotes(error) else ""
        return f"must be {names}, not {got}{hint}"
    if error.validator == "enum":
        near = nearest(str(error.instance), map(str, error.validator_value))
        hint = f' (did you mean "{near}"?)' if near else ""
        return f"{got} is not one of {', '.join(map(str, error.validator_value))}{hint}"
    if about:
        return f"{got} won't do: {about}"
    return f"{got}: {printable(error.message, 200)}"


def _needs_quotes(error: Any) -> bool:
    return error.validator_value == "string" and isinstance(error.instance, int | float | bool)


def _got(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        kind = "a mapping" if isinstance(value, dict) else "a list"
        return f"{kind} {printable(json.dumps(value, default=str), 60)}" if value else f"an empty {kind[2:]}"
    return f'"{printable(value, 60)}"' if isinstance(value, str) else str(value)
