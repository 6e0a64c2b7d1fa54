"""Whether plain data surely fits a schema: quick, and said without the library that explains what does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]
_KINDS: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict) and all(type(key) is str for key in value),
}


def surely_fits(value: Any, schema: Schema) -> bool:
    """False where it does not fit, and where only `jsonschema` can tell."""
    return all(key in _TESTS and _TESTS[key](value, wanted, schema) for key, wanted in schema.items())


def _type(value: Any, wanted: Any, _: Schema) -> bool:
    return any(_KINDS[kind](value) for kind in ([wanted] if isinstance(wanted, str) else wanted))


def _same(value: Any, wanted: Any) -> bool:
    return type(value) is type(wanted) and bool(value == wanted)


def _more(value: Any, wanted: Any, schema: Schema) -> bool:
    """Keys that `properties` does not name."""
    rest = [value[key] for key in value if key not in schema.get("properties", ())] if isinstance(value, dict) else []
    return all(wanted if isinstance(wanted, bool) else surely_fits(one, wanted) for one in rest)


def _properties(value: Any, wanted: Any, _: Schema) -> bool:
    return not isinstance(value, dict) or all(
        surely_fits(inner, wanted[key]) for key, inner in value.items() if key in wanted
    )


def _of(kind: type | tuple[type, ...], test: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Schema], bool]:
    """A keyword that says something of one kind of values only."""
    return lambda value, wanted, schema: not isinstance(value, kind) or isinstance(value, bool) or test(value, wanted)


_NUMBER = (int, float)
_TESTS: dict[str, Callable[[Any, Any, Schema], bool]] = {
    **dict.fromkeys(("$schema", "$id", "title", "description"), lambda value, wanted, schema: True),
    "type": _type,
    "properties": _properties,
    "additionalProperties": _more,
    "required": _of(dict, lambda value, wanted: all(key in value for key in wanted)),
    "propertyNames": _of(dict, lambda value, wanted: all(surely_fits(key, wanted) for key in value)),
    "items": _of(list, lambda value, wanted: all(surely_fits(item, wanted) for item in value)),
    "minItems": _of(list, lambda value, wanted: len(value) >= wanted),
    "maxItems": _of(list, lambda value, wanted: len(value) <= wanted),
    "minLength": _of(str, lambda value, wanted: len(value) >= wanted),
    "maxLength": _of(str, lambda value, wanted: len(value) <= wanted),
    "pattern": _of(str, lambda value, wanted: re.search(wanted, value) is not None),
    "minimum": _of(_NUMBER, lambda value, wanted: value >= wanted),
    "maximum": _of(_NUMBER, lambda value, wanted: value <= wanted),
    "exclusiveMinimum": _of(_NUMBER, lambda value, wanted: value > wanted),
    "enum": lambda value, wanted, schema: any(_same(value, one) for one in wanted),
    "const": lambda value, wanted, schema: _same(value, wanted),
    "anyOf": lambda value, wanted, schema: any(surely_fits(value, one) for one in wanted),
}
