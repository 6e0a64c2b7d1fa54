"""Several questions asked at the same time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def at_once(ask: Callable[[T], R], items: Collection[T]) -> list[R]:
    """The answers in the order of the items, each asked in a thread of its own; a single one needs none."""
    if len(items) < 2:
        return [ask(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(items)) as threads:
        return list(threads.map(ask, items))
