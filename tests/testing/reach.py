"""Whether a strategy gives something; what it gives is not made simpler, which takes long for texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import Phase, find, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
MANY = settings(max_examples=3000, phases=[Phase.generate], database=None)


def reached(strategy: SearchStrategy[T], wanted: Callable[[T], bool]) -> T:
    return find(strategy, wanted, settings=MANY)
