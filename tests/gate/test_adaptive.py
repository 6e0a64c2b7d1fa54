"""Repeats in rounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from pytest_llmroute.core.passk import Tries
from pytest_llmroute.core.rounds import LOOKS
from pytest_llmroute.gate.adaptive import Look, look
from pytest_llmroute.gate.looks import level
from pytest_llmroute.gate.members import Member, members_of
from pytest_llmroute.gate.pairs import Pair, Shared, shared
from pytest_llmroute.gate.result import GateSettings
from tests.gate.made import flipped
from tests.gate.simulate import Setting, chances, error, lowered, tried

SETTINGS = GateSettings()


def member(items: int, lost: int, name: str = "a") -> Member:
    return Member(name, shared(*flipped(items, lost=lost)))


def test_the_looks_spend_alpha_together() -> None:
    assert [level(number, 3, 0.05) for number in (1, 2, 3)] == pytest.approx([0.005, 0.005, 0.04])
    assert level(1, 1, 0.05) == 0.05
    assert sum(level(number, 5, 0.01) for number in range(1, 6)) == pytest.approx(0.01)
    for number, of in ((0, 3), (4, 3), (11, 11)):
        with pytest.raises(ValueError, match=f"look {number} of {of}: from 1 to 10 looks are possible"):
            level(number, of, 0.05)


@pytest.mark.parametrize(
    ("lost", "decisions"),
    [
        (0, ("stop", "stop")),
        (1, ("go on", "stop")),
        (4, ("go on", "fail")),
        (6, ("go on", "fail")),
        (7, ("fail", "fail")),
    ],
)
def test_a_first_look_fails_only_what_is_sure_and_a_last_look_decides(lost: int, decisions: tuple[str, str]) -> None:
    """After 1, 4, 6 and 7 losses p is .25, .031, .0078 and .0039."""
    members = [member(100, lost)]
    assert (look(members, 1, 3, SETTINGS).decision, look(members, 3, 3, SETTINGS).decision) == decisions


def test_what_is_left_when_it_stops_is_the_verdict() -> None:
    assert look([member(100, 0)], 1, 3, SETTINGS).verdict.verdict == "pass"
    assert look([member(20, 0)], 1, 3, SETTINGS).verdict.verdict == "inconclusive"


def test_all_members_must_have_stopped_at_some_look() -> None:
    first = look([member(100, 0, "a"), member(100, 2, "b")], 1, 3, SETTINGS)
    assert (first.decision, set(first.done)) == ("go on", {"a"})
    second = look([member(100, 2, "a"), member(100, 0, "b")], 2, 3, SETTINGS, first.done)
    assert (second.decision, set(second.done)) == ("stop", {"a", "b"})


def test_a_member_that_stopped_may_still_fail_where_it_is_repeated() -> None:
    first = look([member(100, 0, "a"), member(100, 2, "b")], 1, 3, SETTINGS)
    assert look([member(100, 9, "a"), member(100, 2, "b")], 2, 3, SETTINGS, first.done).verdict.failed == ("a",)


def test_members_are_corrected_at_every_look() -> None:
    assert look([member(100, 7, "a"), member(100, 0, "b")], 1, 3, SETTINGS).decision == "go on"
    assert look([member(100, 8, "a"), member(100, 0, "b")], 1, 3, SETTINGS).decision == "fail"


def test_with_nothing_paired_it_stops() -> None:
    assert look([Member("a", Shared(()))], 1, 3, SETTINGS).decision == "stop"
    assert look([], 1, 3, SETTINGS).decision == "stop"


@pytest.mark.parametrize(("items", "decision"), [(100, "stop"), (20, "go on")])
def test_where_inconclusive_is_red_it_goes_on_until_a_drop_is_ruled_out(items: int, decision: str) -> None:
    assert look([member(items, 0)], 1, 3, GateSettings(inconclusive="fail")).decision == decision


def build(setting: Setting, rng: random.Random) -> tuple[Look, int]:
    """One build with a baseline of five repeats: the last look, and the candidate's repeats."""
    before = chances(setting, rng)
    after = lowered(before, setting.drop)
    baseline = [tried(chance, 5, rng) for chance in before]
    passed = [0] * len(after)
    done: frozenset[str] = frozenset()
    for number, repeats in enumerate(LOOKS, 1):
        more = repeats - (LOOKS[number - 2] if number > 1 else 0)
        passed = [had + tried(chance, more, rng).passes for had, chance in zip(passed, after, strict=True)]
        pairs = tuple(
            Pair(str(at), then, Tries(now, repeats))
            for at, (then, now) in enumerate(zip(baseline, passed, strict=True))
        )
        found = look([Member("a", Shared(pairs))], number, len(LOOKS), SETTINGS, done)
        done = found.done
        if found.decision != "go on":
            break
    return found, repeats


def hold(runs: int, setting: Setting, failing: float, repeats: float) -> None:
    rng = random.Random(5)
    builds = [build(setting, rng) for _ in range(runs)]
    share = sum(found.decision == "fail" for found, _ in builds) / runs
    assert share == pytest.approx(failing, abs=3.5 * error(failing, runs, 2000))
    assert sum(used for _, used in builds) / runs == pytest.approx(repeats, abs=0.1 + 5 / runs**0.5)


@pytest.mark.parametrize(("drop", "failing", "repeats"), [(0.0, 0.033, 1.9), (0.2, 1.0, 1.0)])
def test_unchanged_builds_cost_two_repeats_and_large_drops_one(drop: float, failing: float, repeats: float) -> None:
    hold(100, Setting(100, 0, 0.85, drop), failing, repeats)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("items", "base", "drop", "failing", "repeats"),
    [
        (100, 0.85, 0.0, 0.033, 1.9),
        (100, 0.85, 0.05, 0.72, 3.3),
        (100, 0.85, 0.1, 0.99, 1.8),
        (50, 0.85, 0.0, 0.037, 2.0),
        (50, 0.85, 0.05, 0.46, 3.2),
        (50, 0.85, 0.1, 0.92, 2.7),
        (100, 0.95, 0.0, 0.025, 2.0),
        (100, 0.95, 0.05, 0.94, 2.5),
    ],
)
def test_the_design_holds_its_table(items: int, base: float, drop: float, failing: float, repeats: float) -> None:
    hold(1000, Setting(items, 0, base, drop), failing, repeats)


@dataclass(frozen=True)
class Column:
    """One of several: the chances of its items, and what they are tried against."""

    chances: list[float]
    baseline: list[Tries]


def columns_build(columns: Sequence[Column], settings: GateSettings, rng: random.Random) -> tuple[Look, int]:
    """One unchanged build of several columns and all of them together, repeated in rounds."""
    passed = [[0] * len(one.chances) for one in columns]
    done: frozenset[str] = frozenset()
    for number, repeats in enumerate(LOOKS, 1):
        more = repeats - (LOOKS[number - 2] if number > 1 else 0)
        cells = {}
        for place, one in enumerate(columns):
            passed[place] = [
                had + tried(chance, more, rng).passes for had, chance in zip(passed[place], one.chances, strict=True)
            ]
            now = (Tries(passes, repeats) for passes in passed[place])
            both = zip(one.baseline, now, strict=True)
            cells[f"c{place}"] = Shared(tuple(Pair(str(at), *sides) for at, sides in enumerate(both)))
        found = look(members_of(cells, settings), number, len(LOOKS), settings, done)
        done = found.done
        if found.decision != "go on":
            break
    return found, repeats


@pytest.mark.slow
@pytest.mark.parametrize("inconclusive", ["warn", "fail"])
def test_several_columns_cry_wolf_no_more_often_than_one(inconclusive: Literal["warn", "fail"]) -> None:
    """Holm at every look, and a part of alpha for each; going on until a drop is ruled out costs no alpha either."""
    rng, runs, failed = random.Random(11), 600, 0
    for _ in range(runs):
        made = [chances(Setting(30, 0, 0.85, 0), rng) for _ in range(3)]
        columns = [Column(each, [tried(chance, 5, rng) for chance in each]) for each in made]
        failed += columns_build(columns, GateSettings(inconclusive=inconclusive), rng)[0].decision == "fail"
    assert failed / runs <= 0.05 + 2 * error(0.05, runs)


@pytest.mark.slow
@pytest.mark.parametrize(("inconclusive", "decided"), [("warn", 0.63), ("fail", 0.89)])
def test_until_a_drop_is_ruled_out(inconclusive: Literal["warn", "fail"], decided: float) -> None:
    """Where inconclusive is red, more unchanged builds are decided; a drop of the margin still passes in one of ten."""
    rng, runs = random.Random(3), 300
    passes = {0.0: 0, 0.05: 0}
    for drop in passes:
        for _ in range(runs):
            before = chances(Setting(100, 0, 0.85, 0), rng)
            column = Column(lowered(before, drop), [tried(chance, 5, rng) for chance in before])
            found, _ = columns_build([column], GateSettings(inconclusive=inconclusive), rng)
            passes[drop] += found.verdict.verdict == "pass"
    assert passes[0.0] / runs == pytest.approx(decided, abs=3 * error(decided, runs))
    assert passes[0.05] / runs <= 0.09 + 2 * error(0.09, runs)
