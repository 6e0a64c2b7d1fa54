"""What a JSON Schema finds wrong, in sentences with the place, the value and the nearest name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_llmroute.config.fits import surely_fits
from pytest_llmroute.errors import nearest, printable

Path = tuple[str | int, ...]
"""A place inside a document: keys and positions."""
TYPES = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
         "array": "a list", "object": "a mapping", "null": "empty"}  # fmt: skip
MOST = 100
"""Mistakes told of one document; a file that is something else altogether would have thousands."""


def mistakes(value: Any, schema: Mapping[str, Any]) -> list[tuple[Path, str, bool]]:
    """All mistakes of a value: place, sentence, and whether it is an unknown key."""
    if surely_fits(value, schema):
        return []
    import jsonschema

    found: set[tuple[Path, str, bool]] = set()
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        found.update(_sentences(error))
        if len(found) >= MOST:
            break
    return sorted(found, key=lambda line: ([str(step) for step in line[0]], line[1]))


def _sentences(error: Any) -> Iterator[tuple[Path, str, bool]]:
    at = tuple(error.absolute_path)
    what = error.validator
    if what == "additionalProperties":
        allowed = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(allowed), key=str):
            near = nearest(str(key), allowed) or _inside(str(key), error.schema)
            hint = f' (did you mean "{near}"?)' if near else ""
            yield (*at, key), f'unknown key "{printable(str(key), 60)}"{hint}; allowed: {", ".join(allowed)}', True
    elif what == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield at, f"{' and '.join(missing)} missing", False
    elif what == "oneOf" and at == ():
        yield at, "exactly one of prompt and messages must be there", False
    else:
        yield at, _sentence(error), False


def _inside(key: str, schema: Mapping[str, Any]) -> str | None:
    """The one table among the allowed keys that has a key of this name."""
    homes = [name for name, inner in schema.get("properties", {}).items() if key in inner.get("properties", {})]
    return f"{homes[0]}.{key}" if len(homes) == 1 else None


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
    return f'"{printable(value, 60)}"' if isinstance(value, str) else printable(str(value), 60)
