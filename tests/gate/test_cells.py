"""Several cells judged together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llmroute.gate import judge, judge_cells
from pytest_llmroute.gate.members import Member, judge_family, members_of
from pytest_llmroute.gate.pairs import shared
from pytest_llmroute.gate.result import ALL, GateSettings
from tests.gate.made import flipped, outcomes

STEADY = flipped(60)
BROKEN = flipped(60, lost=10)
NOTHING = ({"a": [1]}, {"b": [1]})


def test_one_cell_is_judged_as_by_itself() -> None:
    found = judge_cells({"fast": BROKEN})
    assert list(found.adjusted) == ["fast"]
    assert found.cells["fast"] == judge(*BROKEN)
    assert (found.verdict, found.failed, found.unpaired) == ("fail", ("fast",), ())


def test_several_cells_are_corrected_and_judged_together_too() -> None:
    found = judge_cells({"fast": STEADY, "best": BROKEN})
    assert list(found.adjusted) == ["fast", "best", ALL]
    assert found.adjusted["best"] == pytest.approx(3 * judge(*BROKEN).p_value)
    assert found.cells["best"].p_value == judge(*BROKEN).p_value
    assert found.failed == ("best", ALL)
    assert found.verdict == "fail"
    assert found.cells[ALL].items == 120
    assert found.cells[ALL].changed[0].item == "best: t050"


def test_what_no_cell_can_show_alone_all_show_together() -> None:
    found = judge_cells({f"c{number}": flipped(30, lost=2) for number in range(6)})
    assert found.failed == (ALL,)
    assert {one.verdict for name, one in found.cells.items() if name != ALL} == {"inconclusive"}


def test_a_cell_that_would_fail_alone_may_be_luck_among_many() -> None:
    many = {f"c{number}": STEADY for number in range(11)} | {"odd": flipped(60, lost=4)}
    assert judge(*many["odd"]).verdict == "fail"
    assert judge_cells(many).failed == ()
    assert judge_cells(many).cells["odd"].verdict == "inconclusive"
    assert judge_cells(many, family="none").failed == ("odd",)


def test_without_correction_there_is_no_member_for_all() -> None:
    found = judge_cells({"fast": STEADY, "best": BROKEN}, family="none")
    assert found.adjusted == {"fast": 0.5, "best": judge(*BROKEN).p_value}


def test_pooled_judges_all_together_only() -> None:
    found = judge_cells({"fast": STEADY, "best": BROKEN, "none": NOTHING}, family="pooled")
    assert list(found.adjusted) == [ALL]
    assert found.adjusted[ALL] == found.cells[ALL].p_value
    assert (found.failed, found.unpaired) == ((ALL,), ("none",))


def test_items_of_the_same_name_in_two_cells_are_two_items() -> None:
    found = judge_cells({"a": ({"x": [1]}, {"x": [0]}), "a: x": ({"x": [1]}, {"x": [1]})}, family="pooled")
    assert found.cells[ALL].items == 2


def test_cells_without_a_shared_item_are_listed_and_count_for_nothing() -> None:
    found = judge_cells({"fast": BROKEN, "none": NOTHING})
    assert list(found.adjusted) == ["fast"]
    assert found.unpaired == ("none",)
    assert judge_cells({"none": NOTHING}).verdict == "inconclusive"
    assert judge_cells({}).verdict == judge_cells({}, family="pooled").verdict == "inconclusive"
    assert judge_cells({"none": NOTHING}, family="pooled").unpaired == ("none",)


def test_the_whole_passes_when_every_member_passes() -> None:
    assert judge_cells({"a": STEADY, "b": STEADY}).verdict == "pass"
    mixed = judge_cells({"a": STEADY, "b": flipped(30)})
    assert mixed.cells[ALL].verdict == "pass"
    assert mixed.verdict == "inconclusive"


def test_a_small_drop_fails_in_no_member() -> None:
    """In all together the drop of one cell is halved."""
    found = judge_cells({"a": flipped(400, lost=12), "b": flipped(400)})
    assert found.adjusted[ALL] <= 0.05
    assert found.failed == ("a",)


def test_an_extra_requirement_joins_the_family_with_a_drop_of_its_own() -> None:
    cells = {"a": shared(*flipped(100, lost=4)), "b": shared(*flipped(100))}
    settings = GateSettings()
    members = members_of(cells, settings)
    stricter = Member("success_rate:-5pp", cells["a"], min_drop=0.05)
    found = judge_family([*members, stricter], settings)
    assert list(found.adjusted) == ["a", "b", ALL, "success_rate:-5pp"]
    assert found.adjusted["a"] == pytest.approx(4 * 0.03125)
    worse = Member("success_rate:-5pp", shared(*flipped(100, lost=8)), min_drop=0.05)
    assert judge_family([*members, worse], settings).failed == ("success_rate:-5pp",)
    assert judge_family([*members, replace(worse, min_drop=0.09)], settings).failed == ()


def test_a_look_may_spend_less_than_alpha() -> None:
    members = [Member("a", shared(*flipped(100, lost=5)))]
    assert judge_family(members, GateSettings()).failed == ("a",)
    assert judge_family(members, GateSettings(), level=0.005).failed == ()


def test_names_and_settings_that_make_no_sense_are_told() -> None:
    with pytest.raises(ValueError, match="no cell may be called <all>"):
        judge_cells({ALL: STEADY})
    with pytest.raises(ValueError, match='family: no "holm"; known: cells, none, pooled'):
        judge_cells({"a": STEADY}, family="holm")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="baseline: item 'x' has the outcome 3"):
        judge_cells({"a": ({"x": [3]}, outcomes((1, 1)))})
