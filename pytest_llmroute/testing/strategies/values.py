"""Values of a JSON Schema: `values_of`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from math import ceil, floor
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pytest_llmroute.testing.strategies.merging import (
    TYPES,
    Alternative,
    Keywords,
    alternatives,
    item_of,
    key,
    property_of,
)
from pytest_llmroute.testing.strategies.reading import Document, Schema, refuse
from pytest_llmroute.testing.strategies.scalars import ALPHABET, integers, numbers, texts

Made = SearchStrategy[Any] | None
"""None: no value fits, or none that ends here."""
MORE_ITEMS = 4
"""Items beyond the fewest, where nothing bounds them: models are asked with these values."""
MORE_PROPERTIES = 2
DEEPER = 2
"""How much deeper than they must values of recursive schemas go."""
WITHOUT_TYPE = tuple(name for name in TYPES if name != "integer")


def values_of(schema: Schema) -> SearchStrategy[Any]:
    """Values that are valid under the schema, as `json.loads` would give them.

    Raises UserError, with the keyword and its place, for what is not supported (docs/properties.md lists what is), and
    where no value fits.
    """
    document = Document.of(schema)
    maker = _Maker(document)
    for depth in range(len(document.refs) + 1):
        if maker.make(document.root, "#", depth) is not None:
            made = maker.make(document.root, "#", depth + DEEPER)
            assert made is not None, "what can be had at one depth can be had at a greater one"
            return made
    raise refuse("#", "no value fits this schema")


ANY: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(ALPHABET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(ALPHABET), inner, max_size=3),
    max_leaves=5,
)


class _Maker:
    """Strategies for the parts of one document; each part is made once for each depth."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._made: dict[tuple[str, int], Made] = {}

    def make(self, schema: Schema, place: str, depth: int) -> Made:
        """`depth`: how many references may still be followed, one inside the other."""
        known = json.dumps(schema), depth
        if known not in self._made:
            self._made[known] = self._anew(schema, place, depth)
        return self._made[known]

    def _anew(self, schema: Schema, place: str, depth: int) -> Made:
        ways = alternatives(self._document, schema, place)
        made = [one for way in ways if (one := self._way(way, place, depth - way.referred)) is not None]
        if not made:
            return None
        strategy = st.one_of(made)
        if any(way.exclusive for way in ways):
            return strategy.filter(lambda value: self._document.fits(value, schema))
        return strategy

    def _way(self, way: Alternative, place: str, depth: int) -> Made:
        if depth < 0:
            return None
        keywords = way.keywords
        if not keywords:
            return ANY
        if "enum" in keywords:
            fitting = [one for one in keywords["enum"] if self._document.fits(one, keywords)]
            return st.sampled_from(fitting).map(deepcopy) if fitting else None
        made = [self._of_type(name, keywords, place, depth) for name in keywords.get("type", WITHOUT_TYPE)]
        found = [one for one in made if one is not None]
        return st.one_of(found) if found else None

    def _of_type(self, name: str, keywords: Keywords, place: str, depth: int) -> Made:
        if name == "null":
            return st.none()
        if name == "boolean":
            return st.booleans()
        if name == "array":
            return self._array(keywords, place, depth)
        if name == "object":
            return self._object(keywords, place, depth)
        if name == "string":
            return texts(keywords)
        made = integers(keywords) if name == "integer" else numbers(keywords)
        if made is not None and "multipleOf" in keywords:
            # Validators divide floats: not every multiple of 0.1 is one to them.
            return made.filter(lambda value: self._document.fits(value, keywords))
        return made

    def _array(self, keywords: Keywords, place: str, depth: int) -> Made:
        low, high = ceil(keywords.get("minItems", 0)), _most(keywords, "maxItems")
        prefix = self._prefix(keywords, place, depth)
        declared = len(keywords.get("prefixItems", ()))
        rest = self.make(item_of(keywords, declared), f"{place}/items", depth) if len(prefix) == declared else None
        unique = bool(keywords.get("uniqueItems"))
        # Arrays that end in the prefix, and those that go on behind it.
        ways: list[SearchStrategy[Any]] = [
            st.tuples(*prefix[:count]).map(list)
            for count in range(low, len(prefix) + (rest is None))
            if high is None or count <= high
        ]
        if rest is not None and (high is None or len(prefix) <= high):
            fewest = max(0, low - len(prefix))
            most = fewest + MORE_ITEMS if high is None else high - len(prefix)
            if fewest <= most:
                tail = st.lists(rest, min_size=fewest, max_size=most, unique_by=key if unique else None)
                ways.append(st.builds(lambda head, tail: [*head, *tail], st.tuples(*prefix), tail) if prefix else tail)
        if not ways:
            return None
        arrays = st.one_of(ways)
        return arrays.filter(_all_different) if unique and len(prefix) > 0 else arrays

    def _prefix(self, keywords: Keywords, place: str, depth: int) -> list[SearchStrategy[Any]]:
        """The items of declared places, as far as they can be had."""
        found = []
        for number, schema in enumerate(keywords.get("prefixItems", ())):
            made = self.make(schema, f"{place}/prefixItems/{number}", depth)
            if made is None:
                break
            found.append(made)
        return found

    def _object(self, keywords: Keywords, place: str, depth: int) -> Made:
        low, high = ceil(keywords.get("minProperties", 0)), _most(keywords, "maxProperties")
        make = partial(self._property, keywords, place, depth)
        required = {name: make(name) for name in keywords.get("required", ())}
        fixed = {name: made for name, made in required.items() if made is not None}
        others = (name for name in keywords.get("properties", {}) if name not in required)
        optional = {name: made for name in others if (made := make(name)) is not None}
        extra = self.make(keywords.get("additionalProperties", True), f"{place}/additionalProperties", depth)
        too_many = high is not None and (len(required) > high or low > high)
        too_few = extra is None and len(fixed) + len(optional) < low
        if len(fixed) < len(required) or too_many or too_few:
            return None
        taken = frozenset((*required, *keywords.get("properties", {})))
        room = None if high is None else high - len(fixed)
        return _objects(fixed, optional, extra, taken, max(0, low - len(fixed)), room)

    def _property(self, keywords: Keywords, place: str, depth: int, name: str) -> Made:
        return self.make(property_of(keywords, name), f"{place}/properties/{name}", depth)


@st.composite
def _objects(
    draw: DrawFn, fixed: Mapping[str, SearchStrategy[Any]], optional: Mapping[str, SearchStrategy[Any]], extra: Made,
    taken: frozenset[str], low: int, room: int | None,
) -> dict[str, Any]:  # fmt: skip
    """`low` and `room`: how many properties there must and may be besides the required ones."""
    fewest = min(low, len(optional)) if extra is None else 0
    most = len(optional) if room is None else min(len(optional), room)
    names = _some(draw, tuple(optional), fewest, most)
    value = {name: draw(made) for name, made in (*fixed.items(), *((name, optional[name]) for name in names))}
    if extra is not None:
        missing = max(0, low - len(names))
        most = missing + MORE_PROPERTIES if room is None else min(missing + MORE_PROPERTIES, room - len(names))
        keys = st.text(ALPHABET, max_size=8).filter(lambda name: name not in taken)
        value.update(draw(st.dictionaries(keys, extra, min_size=missing, max_size=most)))
    return value


def _some(draw: DrawFn, names: Sequence[str], fewest: int, most: int) -> list[str]:
    if not names or most == 0:
        return []
    chosen = draw(st.lists(st.sampled_from(names), min_size=fewest, max_size=most, unique=True))
    return sorted(chosen, key=names.index)


def _most(keywords: Keywords, name: str) -> int | None:
    return floor(keywords[name]) if name in keywords else None


def _all_different(items: list[Any]) -> bool:
    return len({key(item) for item in items}) == len(items)
