"""Schemas to make values of: any that are supported, and those that a value is known to fit."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pytest_llmroute.testing.strategies.reading import FORMATS

NAMES = st.sampled_from("abcd")
DEFS = ("leaf", "list", "node")
PATTERNS = ("^[a-z]+$", "^x{2,5}$", r"\d\d", "^(ab|cd)*$", "[^a-c]$", r"^\w+@\w+$", r"^[A-Z]\S{0,3} ", "", "^a.c$")
SMALL = st.integers(0, 4)
NUMBERS = st.integers(-20, 20) | st.sampled_from((-2.5, -0.1, 0.0, 0.1, 0.25, 1.0, 3.3, 1e6))
SCALARS = st.none() | st.booleans() | NUMBERS | st.text("aé ", max_size=3)
VALUES: SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


@st.composite
def numeric(draw: DrawFn) -> dict[str, Any]:
    bounds = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    schema: dict[str, Any] = {name: draw(NUMBERS) for name in draw(st.lists(st.sampled_from(bounds), max_size=2))}
    if draw(st.integers(0, 3)) == 3:
        schema["multipleOf"] = draw(st.sampled_from((1, 2, 3, 0.5, 0.1, 2.5)))
    return {"type": draw(st.sampled_from(("integer", "number"))), **schema}


@st.composite
def textual(draw: DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("any", "length", "pattern", "format")))
    more: dict[str, Any] = {}
    if kind == "length":
        more = {"minLength": draw(SMALL), "maxLength": draw(st.integers(2, 9))}
    elif kind == "pattern":
        more = {"pattern": draw(st.sampled_from(PATTERNS))}
    elif kind == "format":
        more = {"format": draw(st.sampled_from(FORMATS))}
    return {"type": "string", **more}


@st.composite
def schemas(draw: DrawFn, depth: int = 3, defs: tuple[str, ...] = DEFS) -> Any:
    """Any schema of what is supported, some of which nothing fits; references are to `defs`."""
    kinds = ["number", "string", "enum", "type", "bool", *(["ref"] if defs else [])]
    if depth:
        kinds += ["object", "array", "anyOf", "oneOf", "allOf"]
    kind = draw(st.sampled_from(kinds))
    inner = schemas(depth - 1, defs)
    if kind == "number":
        return draw(numeric())
    if kind == "string":
        return draw(textual())
    if kind == "enum":
        return draw(
            st.builds(lambda v: {"enum": v}, st.lists(VALUES, min_size=1, max_size=4))
            | st.builds(lambda v: {"const": v}, VALUES)
        )
    if kind == "type":
        types = st.sampled_from(("null", "boolean", "integer", "number", "string", "array", "object"))
        return {"type": draw(types | st.lists(types, min_size=1, max_size=3, unique=True))}
    if kind == "bool":
        return draw(st.sampled_from((True, {}, {"title": "anything"})))
    if kind == "ref":
        return {"$ref": f"#/$defs/{draw(st.sampled_from(defs))}"}
    if kind == "object":
        return draw(objects(inner))
    if kind == "array":
        return draw(arrays(inner))
    joined = {kind: draw(st.lists(inner, min_size=1, max_size=3))}
    return {**joined, **draw(st.just({}) | objects(inner) | numeric())}


@st.composite
def objects(draw: DrawFn, inner: SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=3))
    schema: dict[str, Any] = {"properties": properties, "required": draw(st.lists(NAMES, max_size=2, unique=True))}
    if draw(st.booleans()):
        schema["type"] = "object"
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.booleans() | inner)
    if draw(st.integers(0, 3)) == 3:
        schema["minProperties"] = draw(st.integers(0, 3))
        schema["maxProperties"] = draw(st.integers(1, 4))
    return schema


@st.composite
def arrays(draw: DrawFn, inner: SearchStrategy[Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array"} if draw(st.booleans()) else {}
    if draw(st.booleans()):
        schema["items"] = draw(inner)
    if draw(st.integers(0, 2)) == 2:
        schema["prefixItems"] = draw(st.lists(inner, min_size=1, max_size=2))
    if draw(st.booleans()):
        schema["minItems"], schema["maxItems"] = draw(SMALL), draw(st.integers(1, 5))
    elif draw(st.booleans()):
        schema["uniqueItems"] = draw(st.booleans())
    return schema


@st.composite
def documents(draw: DrawFn) -> dict[str, Any]:
    """A schema with definitions, which may refer to each other and to the whole."""
    root = draw(schemas())
    whole: dict[str, Any] = dict(root) if isinstance(root, dict) else {}
    link = {"$ref": draw(st.sampled_from(("#", "#/$defs/node", "#/$defs/leaf")))}
    node = {
        "type": "object",
        "properties": {"next": link, "value": draw(schemas(1))},
        "required": draw(st.sampled_from(([], ["value"]))),
    }
    whole["$defs"] = {"leaf": draw(numeric() | textual()), "list": {"type": "array", "items": link}, "node": node}
    return whole


@st.composite
def fitted(draw: DrawFn, value: Any) -> Any:
    """A schema that the value fits."""
    if draw(st.integers(0, 5)) == 0:
        others = draw(st.lists(VALUES, max_size=2))
        return draw(st.sampled_from(({"enum": [*others, value]}, {"const": value}, {}, True)))
    if draw(st.integers(0, 4)) == 0:
        here, other = draw(fitted(value)), draw(schemas(1, ()))
        branches = draw(st.permutations([here, other]))
        return draw(st.sampled_from(({"anyOf": branches}, {"allOf": [here, {}]}, {"allOf": [{"anyOf": branches}]})))
    if isinstance(value, dict):
        schema: dict[str, Any] = {"type": "object", "properties": {k: draw(fitted(v)) for k, v in value.items()}}
        schema["required"] = [name for name in value if draw(st.booleans())]
        schema["additionalProperties"] = draw(st.booleans())
        schema["minProperties"] = draw(st.integers(0, len(value)))
        schema["maxProperties"] = draw(st.integers(len(value), 6))
        return schema
    if isinstance(value, list):
        places = draw(st.integers(0, len(value)))
        schema = {
            "type": "array",
            "minItems": draw(st.integers(0, len(value))),
            "maxItems": draw(st.integers(len(value), 6)),
        }
        schema["prefixItems"] = [draw(fitted(one)) for one in value[:places]]
        schema["items"] = (
            {"anyOf": [draw(fitted(one)) for one in value[places:]]} if value[places:] else draw(st.booleans())
        )
        return {k: v for k, v in schema.items() if v != []}
    return draw(fitted_scalar(value))


@st.composite
def fitted_scalar(draw: DrawFn, value: Any) -> Any:
    if isinstance(value, bool):
        return {"type": ["boolean", "null"]}
    if isinstance(value, str):
        return {
            "type": "string",
            "minLength": draw(st.integers(0, len(value))),
            "maxLength": draw(st.integers(len(value), 9)),
        }
    if value is None:
        return {"type": "null"}
    near = st.floats(0, 3).map(lambda far: round(far, 2))
    schema = {"minimum": value - draw(near), "maximum": value + draw(near)}
    if draw(st.booleans()):
        schema["exclusiveMaximum"] = math.nextafter(schema["maximum"], math.inf)
    whole = isinstance(value, int) or value.is_integer()
    return {"type": draw(st.sampled_from(("integer", "number") if whole else ("number",))), **schema}


@st.composite
def joined(draw: DrawFn) -> dict[str, Any]:
    """Two schemas of one kind that a value must fit together; simple inside, so that many can."""
    simple = numeric() | st.sampled_from(({"type": "string"}, {}, {"type": ["integer", "string"]}, False))
    kind = draw(st.sampled_from((numeric(), objects(simple), arrays(simple), textual())))
    return {"allOf": [draw(kind), draw(kind)]}
