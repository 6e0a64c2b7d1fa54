"""What a schema says, as alternatives without allOf, anyOf, oneOf and $ref: each is one mapping of plain keywords."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from pytest_llmroute.testing.strategies.reading import COMBINED, Document, Schema, refuse

Keywords = Mapping[str, Any]
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
PLAIN = ("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
         "minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "minProperties",
         "maxProperties", "required", "properties", "additionalProperties", "prefixItems", "items")  # fmt: skip
MOST = 500
"""Alternatives of one schema; more come of several anyOf in one allOf only."""


@dataclass(frozen=True)
class Alternative:
    """One way to fit a schema."""

    keywords: Keywords
    referred: bool = False
    """Whether a `$ref` led here."""
    exclusive: bool = False
    """Whether it is one of a oneOf: the others must not fit."""


def alternatives(document: Document, schema: Schema, place: str, following: tuple[str, ...] = ()) -> list[Alternative]:
    """All ways to fit the schema, none of which contradicts itself on the face of it."""
    if isinstance(schema, bool):
        return [Alternative({})] if schema else []
    parts = [[Alternative(_plain(schema))]]
    if "$ref" in schema:
        ref = schema["$ref"]
        if ref in following:
            raise refuse(place, f'"$ref": "{ref}" comes back to itself without anything between')
        target = alternatives(document, document.target(ref, place), ref, (*following, ref))
        parts.append([Alternative(one.keywords, True, one.exclusive) for one in target])
    for number, inner in enumerate(schema.get("allOf", ())):
        parts.append(alternatives(document, inner, f"{place}/allOf/{number}", following))
    for keyword in COMBINED[1:]:
        if keyword in schema:
            found = [
                Alternative(one.keywords, one.referred, one.exclusive or keyword == "oneOf")
                for number, inner in enumerate(schema[keyword])
                for one in alternatives(document, inner, f"{place}/{keyword}/{number}", following)
            ]
            parts.append(found)
    if math.prod(map(len, parts)) > MOST:
        raise refuse(place, f"more than {MOST} combinations of its alternatives")
    return [whole for combination in product(*parts) if (whole := _together(combination, place))]


def _plain(schema: Keywords) -> Keywords:
    plain = {keyword: schema[keyword] for keyword in PLAIN if keyword in schema}
    if "const" in plain:
        const = plain.pop("const")
        plain["enum"] = [one for one in plain.get("enum", [const]) if same(one, const)]
    if isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"]]
    return plain


def _together(parts: Iterable[Alternative], place: str) -> Alternative | None:
    whole = Alternative({})
    for part in parts:
        keywords = merged(whole.keywords, part.keywords, place)
        if keywords is None:
            return None
        whole = Alternative(keywords, whole.referred or part.referred, whole.exclusive or part.exclusive)
    return whole


def merged(a: Keywords, b: Keywords, place: str) -> Keywords | None:
    """What both say, as one; None where nothing fits both."""
    if not a or not b:
        return a or b
    whole: dict[str, Any] = {}
    for keyword in (*a, *(keyword for keyword in b if keyword not in a)):
        if keyword not in a or keyword not in b:
            whole[keyword] = a[keyword] if keyword in a else b[keyword]
        elif keyword in JOIN:
            whole[keyword] = JOIN[keyword](a[keyword], b[keyword])
        elif keyword in ("pattern", "format") and a[keyword] != b[keyword]:
            raise refuse(place, f'two of the keyword "{keyword}" at once are not supported')
        else:
            whole[keyword] = a[keyword]
    if "pattern" in whole and "format" in whole:
        raise refuse(place, '"format" and "pattern" together are not supported')
    _objects(a, b, whole)
    _arrays(a, b, whole)
    return None if whole.get("type") == [] or whole.get("enum") == [] else whole


def _objects(a: Keywords, b: Keywords, whole: dict[str, Any]) -> None:
    """A property that one side doesn't know is one of its additional ones."""
    if not any(keyword in one for one in (a, b) for keyword in ("properties", "additionalProperties")):
        return
    names = dict.fromkeys((*a.get("properties", {}), *b.get("properties", {})))
    whole["properties"] = {name: both(property_of(a, name), property_of(b, name)) for name in names}
    whole["additionalProperties"] = both(a.get("additionalProperties", True), b.get("additionalProperties", True))


def _arrays(a: Keywords, b: Keywords, whole: dict[str, Any]) -> None:
    if not any(keyword in one for one in (a, b) for keyword in ("prefixItems", "items")):
        return
    longest = max(len(a.get("prefixItems", ())), len(b.get("prefixItems", ())))
    if longest:
        whole["prefixItems"] = [both(item_of(a, place), item_of(b, place)) for place in range(longest)]
    whole["items"] = both(a.get("items", True), b.get("items", True))


def property_of(keywords: Keywords, name: str) -> Schema:
    found: Schema = keywords.get("properties", {}).get(name, keywords.get("additionalProperties", True))
    return found


def item_of(keywords: Keywords, place: int) -> Schema:
    prefix = keywords.get("prefixItems", ())
    found: Schema = prefix[place] if place < len(prefix) else keywords.get("items", True)
    return found


def both(a: Schema, b: Schema) -> Schema:
    if isinstance(a, bool):
        return b if a else False
    if isinstance(b, bool):
        return a if b else False
    return a if a == b else {"allOf": [a, b]}


def key(value: Any) -> Any:
    """What is equal to JSON Schema has one key: 1 and 1.0 are, true and 1 are not."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__, value
    if isinstance(value, Mapping):
        return "object", frozenset((name, key(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return "array", tuple(map(key, value))
    return "number", value


def same(a: Any, b: Any) -> bool:
    return bool(key(a) == key(b))


def exact(number: float) -> Fraction:
    """0.1 as a tenth, not as the nearest power of two."""
    return Fraction(str(number)) if isinstance(number, float) else Fraction(number)


def _types(a: list[str], b: list[str]) -> list[str]:
    def wide(types: list[str]) -> set[str]:
        return {*types, "integer"} if "number" in types else set(types)

    both_allow = wide(a) & wide(b)
    return [one for one in TYPES if one in both_allow and not (one == "integer" and "number" in both_allow)]


def _enum(a: list[Any], b: list[Any]) -> list[Any]:
    keys = {key(one) for one in b}
    return [one for one in a if key(one) in keys]


def _multiple(a: float, b: float) -> float:
    x, y = exact(a), exact(b)
    least = Fraction(math.lcm(x.numerator, y.numerator), math.gcd(x.denominator, y.denominator))
    return least.numerator if least.denominator == 1 else float(least)


JOIN: Mapping[str, Callable[[Any, Any], Any]] = {
    "type": _types, "enum": _enum, "multipleOf": _multiple,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
    "uniqueItems": lambda a, b: a or b,
    "required": lambda a, b: list(dict.fromkeys((*a, *b))),
}  # fmt: skip
