"""Outcomes and pairs for tests of the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from pytest_llmroute.core.passk import Tries
from pytest_llmroute.gate.figures import RunFigures, RunHead, figures_of
from pytest_llmroute.gate.pairs import Pair
from pytest_llmroute.gate.tries import Try

Sides = tuple[dict[str, list[int]], dict[str, list[int]]]


def pair(then: tuple[int, int], now: tuple[int, int], item: str = "t") -> Pair:
    """Each side as passes of tries."""
    return Pair(item, Tries(*then), Tries(*now))


def outcomes(*sides: tuple[int, int]) -> dict[str, list[int]]:
    """Items t000, t001, …, each by its passes of tries."""
    return {f"t{number:03}": [1] * passes + [0] * (total - passes) for number, (passes, total) in enumerate(sides)}


def flipped(items: int, lost: int = 0, gained: int = 0) -> Sides:
    """One try each: `lost` items fail now, `gained` pass now, the rest pass on both sides."""
    then = [(0, 1)] * gained + [(1, 1)] * (items - gained)
    now = [(1, 1)] * (items - lost) + [(0, 1)] * lost
    return outcomes(*then), outcomes(*now)


def tries(most: int = 4) -> st.SearchStrategy[Tries]:
    return st.integers(1, most).flatmap(lambda total: st.builds(Tries, st.integers(0, total), st.just(total)))


def pairs(most: int = 4, min_size: int = 0, max_size: int = 8) -> st.SearchStrategy[list[Pair]]:
    return st.lists(st.builds(Pair, st.just("t"), tries(most), tries(most)), min_size=min_size, max_size=max_size)


def even_pairs(max_size: int = 8) -> st.SearchStrategy[list[Pair]]:
    """Both sides of all items with the same number of tries."""

    def sized(total: int) -> st.SearchStrategy[list[Pair]]:
        side = st.builds(Tries, st.integers(0, total), st.just(total))
        return st.lists(st.builds(Pair, st.just("t"), side, side), max_size=max_size)

    return st.integers(1, 4).flatmap(sized)


def swapped(both: Iterable[Pair]) -> list[Pair]:
    return [Pair(one.item, one.now, one.then) for one in both]


def mappings(both: Sequence[Pair]) -> Sides:
    """The same as what `judge` takes."""
    return (
        outcomes(*((one.then.passes, one.then.total) for one in both)),
        outcomes(*((one.now.passes, one.now.total) for one in both)),
    )


def one(case: str = "a", outcome: int | None = 1, **more: Any) -> Try:
    """A try of a case, on the column `fast` unless said."""
    fields: dict[str, Any] = {"column": "fast", "kind": "strategy", "nodeid": case, "repeat": 1, **more}
    fields.setdefault("digests", ("",) * len(fields.get("models", ())))
    return Try(case=case, outcome=outcome, **fields)


def some(items: Mapping[str, Sequence[int | None]], **more: Any) -> list[Try]:
    """Tries of several cases, each with its outcomes."""
    return [
        one(case, outcome, nodeid=f"{more.get('column', 'fast')}:{case}:{repeat}", repeat=repeat, **more)
        for case, tried in items.items()
        for repeat, outcome in enumerate(tried, 1)
    ]


def run(tries: Sequence[Try], **head: Any) -> RunFigures:
    """The figures of a run; `head` says what is particular about it."""
    usual = {"run_id": "r", "version": "1.0", "profile": "embedded", "machine": "here"}
    return figures_of(tries, RunHead(**{**usual, **head}))
