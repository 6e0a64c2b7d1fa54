"""No order needs fewer loads than the bound."""

from __future__ import annotations

import pytest

from pytest_llmroute.engine.residency.bound import Bound, lower_bound
from pytest_llmroute.engine.residency.chains import Chain
from pytest_llmroute.engine.residency.room import Room
from tests.engine.made import chains, needs

FOUR = needs(a=1, b=2, c=5, d=6)


@pytest.mark.parametrize(
    ("texts", "budget", "resident", "loads"),
    [
        (["abc", "ab", "d"], 6, "", "abcd"),
        (["cdc", "cd"], 10, "", "ccd"),
        (["cdc", "cd"], 11, "", "cd"),
        (["cdc", "cd"], None, "", "cd"),
        (["cacdc", "dcd"], 6, "", "ccadd"),
        (["ccdd"], 6, "", "cd"),
        (["abc"], 6, "abd", "c"),
        (["dc", "a"], 10, "c", "dca"),
        ([""], 6, "", ""),
    ],
)
def test_a_model_is_loaded_again_after_what_does_not_fit_beside_it(
    texts: list[str], budget: int | None, resident: str, loads: str
) -> None:
    found = lower_bound(chains(*texts), FOUR, budget, frozenset(resident))
    assert found == Bound(len(loads), Room(FOUR, budget).seconds(loads))


def test_how_many_jobs_there_are_changes_nothing() -> None:
    assert lower_bound([Chain(("a", "c"), 50)], FOUR, 6) == lower_bound(chains("ac"), FOUR, 6)
