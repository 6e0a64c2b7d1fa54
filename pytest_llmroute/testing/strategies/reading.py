"""A JSON Schema as its author wrote it: what is not supported is refused with its place, references are followed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import jsonschema

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError, printable

Schema = Mapping[str, Any] | bool

DIALECTS = ("Draft6Validator", "Draft7Validator", "Draft201909Validator", "Draft202012Validator")
FORMATS = ("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "json-pointer", "time", "uri",
           "uri-reference", "uuid")  # fmt: skip
REFUSED = {
    "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "additionalItems", "contains",
    "dependencies", "dependentRequired", "dependentSchemas", "else", "if", "maxContains", "minContains", "not",
    "patternProperties", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
}  # fmt: skip
"""Keywords that decide what is valid, and that we make no values for. Others, of no standard, decide nothing."""
COMBINED = ("allOf", "anyOf", "oneOf")


def refuse(place: str, what: str, *, means: str = "", instead: str = "") -> UserError:
    return UserError(f"values_of: {place}: {what}", code=Code.VALUES, means=means, instead=instead)


@dataclass(frozen=True)
class Document:
    """A whole schema, checked: what `$ref` leads to, and whether a value fits a part of it."""

    root: Schema
    validator: Any
    refs: frozenset[str] = field(default=frozenset())
    """All that `$ref` names in it."""

    @staticmethod
    def of(schema: Any) -> Document:
        if not isinstance(schema, Mapping | bool):
            raise refuse("#", f"a schema is a mapping or a bool, not {type(schema).__name__}")
        try:  # a copy: what is changed later changes no strategy
            schema = json.loads(json.dumps(dict(schema) if isinstance(schema, Mapping) else schema, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise refuse("#", f"is no JSON: {error}") from None
        kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
        if kind.__name__ not in DIALECTS:
            raise refuse("#/$schema", f"{printable(str(schema['$schema']))} is not supported",
                         means="draft 6, draft 7, 2019-09 and 2020-12 are")  # fmt: skip
        try:
            kind.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise refuse(_pointer("#", *error.absolute_path), f"is no JSON Schema: {error.message}") from None
        document = Document(schema, kind(schema))
        return Document(schema, kind(schema), frozenset(_checked(document)))

    def fits(self, value: Any, schema: Schema) -> bool:
        return bool(self.validator.evolve(schema=schema).is_valid(value))

    def target(self, ref: str, place: str) -> Schema:
        """What a `$ref` leads to: a place in this document."""
        if ref != "#" and not ref.startswith("#/"):
            raise refuse(place, f'"$ref": "{printable(ref)}" leads out of the schema, or to an anchor',
                         means='"#" and "#/…" are supported, as in "#/$defs/name"; nothing is fetched')  # fmt: skip
        found: Any = self.root
        for part in ref.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise refuse(place, f'"$ref": "{printable(ref)}" leads nowhere') from None
        if not isinstance(found, Mapping | bool):
            raise refuse(place, f'"$ref": "{printable(ref)}" leads to no schema')
        return found


def _checked(document: Document) -> Iterator[str]:
    """Looks at every schema that can be reached, and gives the references on the way; raises for what can't be."""
    todo: list[tuple[Schema, str]] = [(document.root, "#")]
    seen: set[str] = set()
    while todo:
        schema, place = todo.pop()
        if isinstance(schema, bool):
            continue
        _check(schema, place)
        todo.extend(_inside(schema, place))
        ref = schema.get("$ref")
        if ref is not None and ref not in seen:
            seen.add(ref)
            todo.append((document.target(ref, place), ref))
            yield ref


def _check(schema: Mapping[str, Any], place: str) -> None:
    for keyword in schema:
        if keyword in REFUSED or (keyword == "$id" and place != "#"):
            raise refuse(
                _pointer(place, keyword),
                f'the keyword "{keyword}" is not supported',
                means="docs/properties.md lists what is",
                instead="leave it out, and filter by the whole schema: values_of(without).filter(validator.is_valid)",
            )
    if isinstance(schema.get("items"), list):
        raise refuse(
            _pointer(place, "items"), 'the keyword "items" with a list is not supported', means='"prefixItems" is'
        )
    form = schema.get("format")
    if form is not None and form not in FORMATS:
        raise refuse(_pointer(place, "format"), f'the format "{printable(form)}" is not supported',
                     means=f"supported: {', '.join(FORMATS)}")  # fmt: skip
    if form is not None and "pattern" in schema:
        raise refuse(_pointer(place, "format"), '"format" and "pattern" together are not supported')


def _inside(schema: Mapping[str, Any], place: str) -> Iterator[tuple[Schema, str]]:
    for keyword in ("additionalProperties", "items"):
        if keyword in schema:
            yield schema[keyword], _pointer(place, keyword)
    for name, inner in schema.get("properties", {}).items():
        yield inner, _pointer(place, "properties", name)
    for keyword in (*COMBINED, "prefixItems"):
        for number, inner in enumerate(schema.get(keyword, ())):
            yield inner, _pointer(place, keyword, number)


def _pointer(place: str, *keys: object) -> str:
    return "/".join([place, *(str(key).replace("~", "~0").replace("/", "~1") for key in keys)])
