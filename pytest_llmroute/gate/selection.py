"""Which tries a demand is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pytest_llmroute.errors import UnknownName, printable
from pytest_llmroute.gate.requirement import Requirement
from pytest_llmroute.gate.tries import Try


def selected(requirement: Requirement, tries: Iterable[Try]) -> dict[str, list[Try]]:
    """The tries that all filters let through, by column."""
    chosen: dict[str, list[Try]] = {}
    for one in tries:
        if all(_matches(one, key, wanted) for key, wanted in requirement.filters):
            chosen.setdefault(one.column, []).append(one)
    return chosen


def _matches(one: Try, key: str, wanted: str) -> bool:
    values = _values(one, key)
    return any(wanted in value for value in values) if key == "case" else wanted in values


def _values(one: Try, key: str) -> tuple[str, ...]:
    if key in ("model", "tag"):
        return one.models if key == "model" else one.tags
    value: Any = getattr(one, key)
    return (value,) if value else ()


def nothing_selected(requirement: Requirement, tries: Sequence[Try]) -> str:
    """Why there is none: the filter that lets nothing through, with what it could have named."""
    if not tries:
        return "the run has no try"
    for key, wanted in requirement.filters:
        if not any(_matches(one, key, wanted) for one in tries):
            error = UnknownName(key, wanted, (value for one in tries for value in _values(one, key)))
            return printable(f"{error.what}; {error.means}", 1000)
    return "no try has all of these together"
