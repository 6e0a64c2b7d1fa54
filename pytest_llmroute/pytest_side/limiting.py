"""`--llm-limit`: the first few of the chosen tests, the same ones in every process and whenever the run goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_llmroute.pytest_side import items as item_side

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession


def keep_first(session: LLMSession, items: list[pytest.Item]) -> None:
    """By their names, numbers in them as numbers: whatever shuffles the tests, they are the same. Other tests stay."""
    cases = {id(item): case for item in items if (case := _case_of(session, item)) is not None}
    kept = set(sorted(set(cases.values()), key=_by_number)[: session.settings["limit"]])
    left = [item for item in items if id(item) in cases and cases[id(item)] not in kept]
    if left:
        gone = set(map(id, left))
        items[:] = [item for item in items if id(item) not in gone]
        session.config.hook.pytest_deselected(items=left)


def _case_of(session: LLMSession, item: pytest.Item) -> str | None:
    if item_side.is_ours(item) or item_side.CASE in item.stash:
        return item_side.case_of(item, session.columns[0]).case_id
    return None


def _by_number(name: str) -> list[tuple[int, str]]:
    """`mbpp-9` before `mbpp-10`; texts and numbers stand in turn, so that like is compared with like."""
    parts = re.split(r"([0-9]+)", name)
    return [(len(part.lstrip("0")) if place % 2 else 0, part) for place, part in enumerate(parts)]
