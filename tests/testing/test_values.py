"""Values of a JSON Schema are valid; what can't be had is told with its place."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, assume, event, find, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from pytest_llmroute.errors import UserError
from pytest_llmroute.testing.strategies import values_of

from .reach import reached
from .schemas import VALUES, documents, fitted, joined

SLOWLY = settings(max_examples=80, suppress_health_check=list(HealthCheck))


@SLOWLY
@given(documents(), st.data())
def test_a_value_is_valid_under_its_schema(schema: dict[str, Any], data: st.DataObject) -> None:
    try:
        strategy = values_of(schema)
    except UserError as error:
        event(error.what.rpartition(":")[2])
        assume(False)
    value = data.draw(strategy)
    Draft202012Validator(schema).validate(value)
    assert json.loads(json.dumps(value)) == value
    json.dumps(value, ensure_ascii=False).encode()


@settings(SLOWLY, max_examples=120)
@given(joined(), st.data())
def test_a_value_is_valid_under_all_of_several_schemas(schema: dict[str, Any], data: st.DataObject) -> None:
    try:
        strategy = values_of(schema)
    except UserError:
        assume(False)
    Draft202012Validator(schema).validate(data.draw(strategy))


@SLOWLY
@given(st.data())
def test_a_schema_that_something_fits_is_not_refused(data: st.DataObject) -> None:
    known = data.draw(VALUES)
    schema = data.draw(fitted(known))
    Draft202012Validator(schema).validate(known)
    Draft202012Validator(schema).validate(data.draw(values_of(schema)))


TREE = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 5},
                "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
            },
            "required": ["name", "children"],
            "additionalProperties": False,
        }
    },
}


def depth(tree: dict[str, Any]) -> int:
    return 1 + max(map(depth, tree["children"]), default=0)


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_recursive_schemas_have_values_of_several_depths_that_end(wanted: int) -> None:
    reached(values_of(TREE), lambda tree: depth(tree) == wanted)


@settings(max_examples=50)
@given(values_of(TREE))
def test_recursive_values_stay_small(tree: dict[str, Any]) -> None:
    assert len(json.dumps(tree)) < 20_000


REACHED: list[tuple[Any, Callable[[Any], bool]]] = [
    ({"type": "integer", "minimum": 3, "maximum": 5}, lambda value: value == 5),
    ({"type": "integer", "exclusiveMinimum": 3, "maximum": 5}, lambda value: value == 4),
    ({"type": "number", "minimum": 0.1, "maximum": 0.1}, lambda value: value == 0.1),
    ({"type": "number"}, lambda value: isinstance(value, float) and not value.is_integer()),
    ({"type": "number", "minimum": 0, "multipleOf": 0.5, "maximum": 2}, lambda value: value == 1.5),
    ({"type": "object", "properties": {"a": {"const": 1}}}, lambda value: "a" in value),
    ({"type": "object", "properties": {"a": {"const": 1}}}, lambda value: "a" not in value and len(value) > 1),
    ({"type": "array", "prefixItems": [{"const": 1}]}, lambda value: value == []),
    ({"type": "array", "prefixItems": [{"const": 1}]}, lambda value: len(value) > 2),
    ({"type": ["string", "null"]}, lambda value: value is None),
    ({"minLength": 3}, lambda value: not isinstance(value, str)),
    ({"anyOf": [{"const": "a"}, {"const": "b"}]}, lambda value: value == "b"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, lambda value: value == 0.5),
    ({"type": "string", "pattern": "^[a-z]+$", "minLength": 40}, lambda value: len(value) > 40),
    ({"type": "string", "pattern": "b"}, lambda value: not value.startswith("b")),
    ({"type": "string", "minLength": 2}, lambda value: not value.isascii()),
]


@pytest.mark.parametrize(("schema", "wanted"), REACHED, ids=[str(number) for number in range(len(REACHED))])
def test_what_a_schema_allows_is_reached(schema: Any, wanted: Callable[[Any], bool]) -> None:
    assert wanted(reached(values_of(schema), wanted))


@given(values_of({"type": "string", "pattern": r"^\d+$"}))
def test_a_pattern_is_matched_as_javascript_would_too(text: str) -> None:
    r"""Neither a line end after `$`, nor the digits of other scripts for `\d`."""
    assert re.fullmatch("[0-9]+", text)


FORMATS: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "date-time": datetime.fromisoformat,
    "duration": lambda text: re.fullmatch(r"P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?)", text),
    "email": lambda text: re.fullmatch(r"[^@\s]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}|[^@\s]+@[a-zA-Z0-9.-]+", text),
    "hostname": lambda text: re.fullmatch(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9-]+)*", text),
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "json-pointer": lambda text: re.fullmatch(r"(/([^~/]|~[01])*)*", text, re.DOTALL),
    "uri": lambda text: urlsplit(text).scheme and urlsplit(text).netloc and re.fullmatch(r"[!-~]+", text),
    "uri-reference": lambda text: re.fullmatch(r"[!-~]*", text) and not text.startswith("//"),
    "uuid": uuid.UUID,
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_is_kept(form: str) -> None:
    @settings(max_examples=50)
    @given(values_of({"type": "string", "format": form}))
    def check(text: str) -> None:
        assert FORMATS[form](text)
        Draft202012Validator({"format": form}, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(text)

    check()


REFUSED: list[tuple[Any, str]] = [
    ({"properties": {"a/b": {"not": {}}}}, '#/properties/a~1b/not: the keyword "not" is not supported'),
    ({"items": {"allOf": [{"if": {}}]}}, '#/items/allOf/0/if: the keyword "if" is not supported'),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"contains": {}}}}, '#/$defs/a/contains: the keyword "contains" is not'),
    ({"patternProperties": {"^x": {}}}, '#/patternProperties: the keyword "patternProperties" is not supported'),
    ({"type": "string", "format": "iri"}, '#/format: the format "iri" is not supported'),
    ({"pattern": "("}, "#/pattern: is no JSON Schema: '(' is not a 'regex'"),
    ({"format": "date", "pattern": "x"}, '#/format: "format" and "pattern" together'),
    ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, '#: two of the keyword "pattern" at once'),
    ({"$ref": "https://example.org/schema"}, '#: "$ref": "https://example.org/schema" leads out of the schema'),
    ({"$ref": "#/$defs/none"}, '#: "$ref": "#/$defs/none" leads nowhere'),
    ({"$ref": "#"}, '#: "$ref": "#" comes back to itself'),
    ({"minimum": "3"}, "#/minimum: is no JSON Schema"),
    (
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        "#/$schema: http://json-schema.org/draft-04/schema# is not",
    ),
    ([], "#: a schema is a mapping or a bool, not list"),
    ({"enum": [{1, 2}]}, "#: is no JSON"),
    (False, "#: no value fits this schema"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "#: no value fits"),
    ({"allOf": [{"type": "string"}, {"type": "null"}]}, "#: no value fits"),
    ({"allOf": [{"enum": [1, 2]}, {"enum": [True]}]}, "#: no value fits"),
    ({"properties": {"a": {"$ref": "#"}}, "required": ["a"], "type": "object"}, "#: no value fits"),
    ({"type": "object", "additionalProperties": False, "minProperties": 1}, "#: no value fits"),
    ({"type": "array", "items": False, "minItems": 1}, "#: no value fits"),
]


@pytest.mark.parametrize(("schema", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_can_not_be_had_is_told_at_once_with_its_place(schema: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        values_of(schema)
    assert caught.value.what.startswith(f"values_of: {message}")
    assert "[LLR209]" in str(caught.value)


def test_what_no_reference_reaches_is_not_looked_at() -> None:
    find(
        values_of({"type": "null", "$defs": {"unused": {"not": {}}}, "x-own": {"if": 1}, "title": "t"}), lambda _: True
    )


def test_another_dialect_and_an_id_are_understood() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.org/s",
        "oneOf": [{"$ref": "#/definitions/a"}, {"type": "null"}],
        "definitions": {"a": {"type": "object", "properties": {"n": {"const": 1}}, "required": ["n"]}},
    }
    value = find(values_of(schema), lambda value: value is not None)
    Draft7Validator(schema).validate(value)


def test_the_schema_may_be_changed_afterwards() -> None:
    schema: dict[str, Any] = {"enum": [[1]]}
    strategy = values_of(schema)
    find(strategy, lambda value: value == [1]).append(2)
    schema["enum"].append(3)
    assert find(strategy, lambda _: True) == [1]
