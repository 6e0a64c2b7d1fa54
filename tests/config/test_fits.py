"""What is surely fit is fit: the quick look says nothing that the library which explains would not say."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.config.catalog import builtin_tables
from pytest_llmroute.config.fits import surely_fits
from pytest_llmroute.config.schema import published

LEAVES = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "auto", 0.0, 1.0, 2.5, -1.0])
NAMES = st.sampled_from(["a", "b", "auto", "", "$schema", "1"])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
BOUNDS = st.sampled_from([0, 1, 2, 0.5])


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
            | st.lists(st.sampled_from(["integer", "string", "array"]), min_size=1, max_size=2, unique=True),
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "required": st.lists(NAMES, max_size=2, unique=True),
            "propertyNames": inner,
            "items": inner,
            "minItems": st.integers(0, 2),
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(0, 4),
            "pattern": st.sampled_from(["^a", "[0-9]", "^(auto|[0-9]+)$"]),
            "minimum": BOUNDS,
            "maximum": BOUNDS,
            "exclusiveMinimum": BOUNDS,
            "enum": st.lists(LEAVES, min_size=1, max_size=3),
            "const": LEAVES,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "maxItems": st.integers(0, 2),  # a keyword that it does not know
        },
    )


SCHEMAS = st.recursive(st.just({"type": "integer"}) | st.just({}), schemas, max_leaves=4)


@given(VALUES, SCHEMAS)
@settings(max_examples=400, deadline=None)
def test_it_never_lets_pass_what_the_library_refuses(value: Any, schema: Any) -> None:
    if surely_fits(value, schema):
        jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"profile": "ollama", "gate": {"alpha": 0.05}, "models": builtin_tables()["models"]},
        {section: builtin_tables()[section] for section in ("phases", "agents", "templates", "strategies")},
    ],
)
def test_sound_files_need_no_library(table: Any) -> None:
    jsonschema.Draft202012Validator(published("config")).validate(table)
    assert surely_fits(table, published("config"))


def test_what_python_takes_for_equal_json_does_not() -> None:
    assert not surely_fits(True, {"enum": [1]})
    assert not surely_fits(1.0, {"const": True})
    assert not surely_fits(True, {"type": "integer"})
