"""From a pytest item to the case that it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import pytest

from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.requests import Sampling
from pytest_llmroute.engine.case import Case, CaseRun, digest
from pytest_llmroute.pytest_side.columns import Cell
from pytest_llmroute.pytest_side.marker import Declared, declared

OURS = ("_llm_column", "_llm_run")
CASE = pytest.StashKey[Case]()
RUN = pytest.StashKey[CaseRun]()
RESUMED = pytest.StashKey[Record]()
"""Of a test that is finished since before the run was resumed."""


class Place(NamedTuple):
    """Where an item stands: its column and its cell."""

    column: Column
    cell: Cell


def is_ours(item: pytest.Item) -> bool:
    """Whether the test uses our fixture, directly or through others."""
    return "_llm_case" in getattr(item, "fixturenames", ())


def params_of(item: pytest.Item) -> dict[str, Any]:
    """The test's own parameters."""
    callspec = getattr(item, "callspec", None)
    return {k: v for k, v in callspec.params.items() if k not in OURS} if callspec else {}


def declared_of(item: pytest.Item) -> Declared:
    return declared(item.iter_markers("llm"), where_of(item))


def where_of(item: pytest.Item) -> str:
    return f"{item.parent.nodeid if item.parent else ''}::{getattr(item, 'originalname', item.name)}"


def round_of(item: pytest.Item) -> int:
    """In which round a test runs: the first, unless it is a repeat that may not be needed."""
    if CASE in item.stash:
        return item.stash[CASE].round
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("_llm_run") if callspec else None
    return cell.round if cell else 1


def place_of(item: pytest.Item, first: Column) -> Place:
    """The item's column and cell; one that asks for `llm` while it runs has the first column."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return Place(params.get("_llm_column") or first, params.get("_llm_run") or Cell(None, 1, 1))


def case_of(item: pytest.Item, first: Column) -> Case:
    """The case behind a test function; kept with the item."""
    if CASE not in item.stash:
        place, spec = place_of(item, first), declared_of(item)
        column, cell = place.column, place.cell
        item.stash[CASE] = Case(
            nodeid=f"{item.parent.nodeid if item.parent else ''}::{item.name}",
            case_id=where_of(item) + _params_id(item),
            column=column,
            line=(item.location[1] or 0) + 1,
            source_hash=_source_hash(getattr(item, "function", None)),
            repeat=cell.repeat,
            repeats=cell.repeats,
            round=cell.round,
            min_pass=spec.min_pass,
            must_pass=spec.must_pass,
            task=spec.task,
            phase=spec.phase or cell.phase,
            agent=spec.agent,
            user=spec.user,
            model=column.name if spec.models else None,
            timeout=spec.timeout,
            sampling=Sampling(temperature=spec.temperature, max_tokens=spec.max_tokens),
            template=spec.template,
        )
    return item.stash[CASE]


@lru_cache(maxsize=4096)
def _source_hash(function: Any) -> str:
    """Of the function itself; what its decorators say is known by other names."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    lines = source.splitlines()
    begin = next((at for at, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def "))), 0)
    return digest(lines[begin:])


def _params_id(item: pytest.Item) -> str:
    """The test's own parameters by name and value: the same whatever order or id style pytest uses."""
    params = params_of(item)
    if not params:
        return ""
    parts = ",".join(f"{name}={_value_id(params[name], item)}" for name in sorted(params))
    return f"[{parts}]" if len(parts) <= 300 else f"[sha256:{digest(parts)}]"


def _value_id(value: Any, item: pytest.Item) -> str:
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return repr(value)
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset) and _plain(value):
        return f"sha256:{digest(sorted(value) if isinstance(value, set | frozenset) else value)}"
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return f"{getattr(value, '__module__', '')}.{name}"
    return _own_id(item)


def _own_id(item: pytest.Item) -> str:
    """Pytest's id without our column and run, which come first in it: objects have no better stable name."""
    callspec = getattr(item, "callspec")  # noqa: B009
    ours = [callspec.params[name].label for name in OURS if name in callspec.params]
    return str(callspec.id).removeprefix("-".join([*ours, ""]))


def _plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return all(_plain(item) for item in value)
    return value is None or isinstance(value, str | bool | int | float)
