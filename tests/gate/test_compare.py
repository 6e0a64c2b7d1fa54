"""A run against its baseline: which columns and cases stand against which, what is named, and what is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.gate.baseline import parse_baseline, text_of
from pytest_llmroute.gate.compare import compare
from pytest_llmroute.gate.figures import RunFigures, RunHead, figures_of
from pytest_llmroute.gate.matching import match, part_of
from pytest_llmroute.gate.requirement import parse_requirement
from pytest_llmroute.gate.result import ALL, ColumnVerdict, GateResult, GateSettings
from pytest_llmroute.gate.tries import Try
from tests.gate.made import one, run, some

PLAIN = GateSettings()
Items = Mapping[str, Sequence[int | None]]


def items(count: int, passed: int, repeats: int = 1) -> Items:
    return {f"t.py::c{number:03}": [int(number < passed)] * repeats for number in range(count)}


def column(count: int, passed: int, name: str = "fast", **more: Any) -> list[Try]:
    return some(items(count, passed), column=name, **more)


def judged(
    now: Sequence[Try], then: Sequence[Try] | RunFigures | None, settings: GateSettings = PLAIN, **more: Any
) -> GateResult:
    head = more.pop("head", {})
    before = run(then) if isinstance(then, Sequence) else then
    return compare(now, run(now, **head), before, settings, source="base.json", **more)


def words(result: GateResult) -> dict[str, str]:
    return {one.column: one.verdict for one in result.columns}


def only(result: GateResult) -> ColumnVerdict:
    (found,) = result.columns
    return found


class TestVerdicts:
    @pytest.mark.parametrize(
        ("then", "now", "verdict", "failed"),
        [
            ((100, 90), (100, 70), "fail", True),
            ((100, 90), (100, 90), "pass", False),
            ((100, 90), (100, 95), "pass", False),
            ((20, 18), (20, 17), "inconclusive", False),
            ((3, 3), (3, 0), "inconclusive", False),
        ],
    )
    def test_of_one_column(self, then: tuple[int, int], now: tuple[int, int], verdict: str, failed: bool) -> None:
        result = judged(column(*now), column(*then))
        assert (result.verdict, result.failed, words(result)) == (verdict, failed, {"fast": verdict})
        assert (result.source, result.why) == ("base.json", "")

    def test_too_few_tries_fail_where_that_is_wanted(self) -> None:
        result = judged(column(20, 17), column(20, 18), GateSettings(inconclusive="fail"))
        assert (result.verdict, result.failed) == ("inconclusive", True)

    def test_nothing_to_compare_with_is_no_failure(self) -> None:
        result = judged(column(20, 0), None)
        assert (result.verdict, result.failed, result.then, result.columns) == ("new", False, None, ())

    @pytest.mark.parametrize(
        ("now", "then", "incomplete", "why"),
        [
            (column(5, 5), [], "", "the baseline is empty"),
            (column(5, 5), [one("a", None, cause="timeout")], "", "the baseline is empty"),
            ([], column(5, 5), "", "this run has no case that the gate counts"),
            ([one("a", gated=False)], column(5, 5), "", "this run has no case that the gate counts"),
            (column(5, 5), column(5, 5), "run x was interrupted", "run x was interrupted"),
        ],
    )
    def test_nothing_at_all_to_compare_is_incomparable(
        self, now: list[Try], then: list[Try], incomplete: str, why: str
    ) -> None:
        result = judged(now, then, incomplete=incomplete)
        assert (result.verdict, result.failed, result.why, result.columns) == ("incomparable", True, why, ())

    def test_several_columns_are_judged_together_too(self) -> None:
        """Small drops everywhere: no column shows one by itself, all of them do."""
        then = [*column(40, 38, "fast"), *column(40, 38, "slow"), *column(40, 38, "best")]
        now = [*column(40, 35, "fast"), *column(40, 35, "slow"), *column(40, 35, "best")]
        assert words(judged(now, then)) == {"fast": "inconclusive", "slow": "inconclusive", "best": "inconclusive",
                                            ALL: "fail"}  # fmt: skip
        assert judged(now, then).verdict == "fail"
        assert ALL not in words(judged(now, then, GateSettings(family="none")))
        pooled = judged(now, then, GateSettings(family="pooled"))
        assert words(pooled) == {"fast": "not judged", "slow": "not judged", "best": "not judged", ALL: "fail"}
        assert all(one.stats for one in pooled.columns)

    def test_the_worst_of_all_columns_is_the_verdict(self) -> None:
        then = [*column(100, 90, "a"), *column(100, 90, "b")]
        assert judged([*column(100, 90, "a"), *column(100, 60, "b")], then).verdict == "fail"
        assert judged([*column(100, 90, "a"), *column(70, 70, "b")], then).verdict == "incomparable"
        assert judged([*column(100, 90, "a"), *column(100, 90, "b"), *column(9, 0, "c")], then).verdict == "pass"

    def test_a_column_is_judged_by_what_holm_leaves_of_its_p(self) -> None:
        then = [*column(20, 20, "a"), *column(20, 20, "b")]
        found = judged([*column(20, 16, "a"), *column(20, 20, "b")], then)
        assert found.columns[0].stats is not None
        assert (found.columns[0].stats.p_value, found.columns[0].adjusted) == (0.03125, 0.09375)
        assert words(found)["a"] == "inconclusive"


class TestColumns:
    def test_by_name(self) -> None:
        found = match(run([*column(1, 1, "b"), *column(1, 1, "c")]), run([*column(1, 1, "a"), *column(1, 1, "b")]), {})
        assert ([(one.column, one.against) for one in found.columns], found.left) == ([("b", "b"), ("c", None)], ("a",))

    def test_one_on_each_side_whatever_they_are_called(self) -> None:
        result = judged(column(100, 60, "quick"), column(100, 90, "fast"))
        assert (only(result).column, only(result).against, result.verdict) == ("quick", "fast", "fail")

    def test_a_renamed_one_by_its_old_name(self) -> None:
        then = [*column(100, 90, "fast"), *column(100, 90, "slow")]
        now = [*column(100, 60, "quick"), *column(100, 90, "slow")]
        lost = judged(now, then)
        assert words(lost) == {"quick": "incomparable", "slow": "pass"}
        assert lost.columns[0].why == (
            "the baseline has no column of this name, and its column fast did not run:"
            ' if it was renamed, say so under [gate] columns = {"quick" = "fast"}'
        )
        found = judged(now, then, GateSettings(columns=(("quick", "fast"),)))
        assert words(found) == {"quick": "fail", "slow": "pass", ALL: "fail"}
        assert found.columns[0].against == "fast"

    def test_what_is_new_and_what_did_not_run_is_told_and_fails_nothing(self) -> None:
        then = [*column(60, 60, "fast"), *column(60, 60, "slow")]
        assert words(judged([*then, *column(5, 0, "best")], then))["best"] == "new"
        result = judged(column(60, 60, "fast"), then)
        assert (result.verdict, result.notes) == (
            "pass", ("not compared, since this run does not have it: column slow",),
        )  # fmt: skip

    def test_they_stand_in_the_order_that_is_asked_for(self) -> None:
        tries = [*column(60, 60, "a"), *column(60, 60, "b")]
        figures = figures_of(reversed(tries), RunHead(), ["b", "a"])
        assert list(figures.columns) == ["b", "a"]
        assert list(words(compare(tries, figures, run(tries), PLAIN))) == ["b", "a", ALL]


class TestCases:
    def test_four_in_five_of_the_baselines_must_be_there(self) -> None:
        assert judged(column(80, 80), column(100, 100)).verdict == "pass"
        few = judged(column(79, 79), column(100, 100))
        assert (few.verdict, only(few).why) == (
            "incomparable", "only 79 of the baseline's 100 cases are in this run (79%, 80% needed)",
        )  # fmt: skip
        assert only(few).missing == tuple(f"t.py::c{number:03}" for number in range(79, 100))

    def test_it_is_counted_in_each_column(self) -> None:
        then = [*column(100, 90, "a"), *column(100, 90, "b")]
        assert words(judged([*column(100, 90, "a"), *column(10, 9, "b")], then)) == {"a": "pass", "b": "incomparable"}

    def test_none_in_common_is_incomparable_even_of_a_part(self) -> None:
        now = some({"new": [1]})
        for head in ({}, {"selection": "-k new"}):
            result = judged(now, column(5, 5), head=head)
            assert (result.verdict, only(result).why) == ("incomparable", "no case of the baseline is in this run")

    def test_added_removed_and_rechecked_ones_are_named_and_not_compared(self) -> None:
        then = [*column(60, 60), one("old"), one("other", check="aa")]
        now = [*column(60, 60), one("new", 0), one("other", 0, check="bb")]
        found = only(judged(now, then))
        assert (found.verdict, found.missing, found.added, found.rechecked) == ("pass", ("old",), ("new",), ("other",))
        assert found.stats is not None
        assert found.stats.items == 60

    def test_those_that_must_pass_are_ordinary_tests(self) -> None:
        assert judged([*column(60, 60), one("must", 0, gated=False)], column(60, 60)).verdict == "pass"

    def test_a_skipped_one_is_nobodys_loss_unless_it_was_tried_before(self) -> None:
        skipped = [one(f"s{number}", None, cause="skipped") for number in range(20)]
        for then in (run([*column(60, 60), *skipped]), parse_baseline(text_of(run([*column(60, 60), *skipped])))):
            result = judged([*column(60, 60), *skipped], then)
            assert (result.verdict, only(result).lost, only(result).added) == ("pass", (), ())
        result = judged(
            [*column(50, 50), *(one(case, None, cause="skipped") for case in list(items(60, 60))[50:])], column(60, 60)
        )
        assert (result.verdict, len(only(result).lost)) == ("incomparable", 10)

    def test_a_lost_one_is_named_with_its_cause(self) -> None:
        now = [*column(99, 99), one("t.py::c099", None, cause="timeout"), one("fresh", None, cause="refused")]
        found = only(judged(now, column(100, 100)))
        assert (found.verdict, found.lost) == ("pass", (("fresh", "refused"), ("t.py::c099", "timeout")))

    @pytest.mark.parametrize(("lost", "verdict"), [(10, "pass"), (11, "incomparable")])
    def test_too_many_lost_leave_no_verdict(self, lost: int, verdict: str) -> None:
        now = some({case: [1] if number >= lost else [None] for number, case in enumerate(items(100, 0))}, cause="429")
        result = judged(now, column(100, 100))
        assert result.verdict == verdict
        assert judged(now, column(100, 100), GateSettings(max_lost=0.5)).verdict == "pass"
        if verdict == "incomparable":
            assert only(result).why == "11% of the tries were lost to infrastructure or skipped (10% allowed)"

    def test_all_lost_is_no_verdict_whatever_may_be_lost(self) -> None:
        result = judged(some({case: [None] for case in items(9, 9)}), column(9, 9), GateSettings(max_lost=1))
        assert (result.verdict, only(result).why) == ("incomparable", "no shared case gave an outcome")

    def test_repeats_at_temperature_0_are_one_try(self) -> None:
        then, now = some(items(12, 12, 5), fixed=True), some(items(12, 9, 5), fixed=True)
        stats = only(judged(now, then)).stats
        assert stats is not None
        assert (stats.verdict, stats.p_value, stats.candidate_repeats.total) == ("inconclusive", 0.0625, 12)
        assert judged(some(items(12, 9, 5)), some(items(12, 12, 5))).verdict == "fail"

    def test_changed_ones_are_told_with_their_first_miss(self) -> None:
        then = some({"a": [1, 1, 1], "b": [0, 0, 0], "c": [1, 1, 1]})
        now = [
            one("a", 0, repeat=3, nodeid="a3", message="third"), one("a", 1, repeat=1, nodeid="a1"),
            one("a", 0, repeat=2, nodeid="a2", message="second", suite="t.py", line=7),
            *some({"b": [1, 1, 1], "c": [1, 1, 1]}),
        ]  # fmt: skip
        found = only(judged(now, then))
        ((worse,), (better,)) = found.failing, found.passing
        assert (worse.case, worse.nodeid, worse.message, worse.suite, worse.line) == ("a", "a2", "second", "t.py", 7)
        assert ((worse.then.passes, worse.now.passes), (better.case, better.message)) == ((3, 1), ("b", ""))


class TestParts:
    @pytest.mark.parametrize(
        ("now", "then", "part"),
        [
            ({}, {}, ""),
            ({"selection": "-k fix"}, {}, "-k fix"),
            ({"paths": ("tests/a",)}, {"paths": ("tests",)}, "tests/a"),
            ({"paths": ("tests",)}, {"paths": ("tests/a", "tests/b")}, ""),
            ({"paths": ("tests/a", "tests/b")}, {"paths": ("tests/a",)}, ""),
            ({"paths": ("tests/a",)}, {"paths": ("tests/a", "tests/b")}, "tests/a"),
            ({"paths": (".",)}, {"paths": ("tests",)}, ""),
            ({"paths": ("tests",)}, {"paths": (".",)}, "tests"),
            ({"paths": ("tests/ab",)}, {"paths": ("tests/a",)}, "tests/ab"),
        ],
    )
    def test_what_makes_a_run_a_part(self, now: dict[str, Any], then: dict[str, Any], part: str) -> None:
        assert part_of(RunHead(**now), RunHead(**then)) == part

    def test_only_what_ran_is_compared_and_nothing_is_missing(self) -> None:
        head = {"selection": "-k fix"}
        result = judged(column(30, 10), column(100, 90), head=head)
        assert (result.verdict, only(result).missing) == ("fail", ())
        assert result.notes == ("a part of the suite (-k fix): compared 30 of 100 baseline cases",)

    def test_a_baseline_that_is_a_part_itself_is_told(self) -> None:
        then = run(column(60, 60), selection="-m smoke")
        assert judged(column(60, 60), then).notes == ("the baseline itself is of a part of the suite (-m smoke)",)


class TestWhatIsDifferent:
    @pytest.mark.parametrize(
        ("now", "head", "told"),
        [
            ({}, {}, ()),
            ({"models": ("large",)}, {}, ("model large, was small, in 60 cases",)),
            ({"models": ("small", "large")}, {}, ("model small, large, was small, in 60 cases",)),
            ({"digests": ("c1d2" * 16,)}, {}, ("model small has another file: c1d2c1d2c1d2, was a8b0a8b0a8b0",)),
            ({"template": "short@12"}, {}, ("template short@12, was none, in 60 cases",)),
            ({"template": "short@12", "prompt": "p2"}, {}, ("template short@12, was none, in 60 cases",)),
            ({"prompt": "p2"}, {}, ("the prompt changed in all 60 cases",)),
            ({"settings": "s2"}, {}, ("settings (temperature, tokens and the like) changed in all 60 cases",)),
            ({"policy": "r2"}, {}, ("the routing table changed in all 60 cases",)),
            ({}, {"profile": "ollama"}, ("profile ollama, was embedded",)),
            ({}, {"version": "2.0"}, ("pytest-llmroute 2.0, was 1.0",)),
            ({"seconds": 9.0, "ram": 5, "usd": 1.0, "message": "m", "line": 9}, {}, ()),
        ],
    )  # fmt: skip
    def test_it_is_named(self, now: dict[str, Any], head: dict[str, Any], told: tuple[str, ...]) -> None:
        usual: dict[str, Any] = {
            "models": ("small",),
            "digests": ("a8b0" * 16,),
            "prompt": "p1",
            "settings": "s1",
            "policy": "r1",
        }
        mine = {**usual, **now}
        if len(mine["models"]) != len(mine["digests"]):
            mine["digests"] = ("",) * len(mine["models"])
        result = judged(column(60, 60, **mine), column(60, 60, **usual), head=head)
        assert (only(result).changes, result.verdict) == (told, "pass")

    def test_in_as_many_cases_as_it_is(self) -> None:
        then = column(60, 60, models=("small",), prompt="p1")
        now = [replace(found, models=("large",), prompt="p2") if found.case < "t.py::c007" else found for found in then]
        now[9] = replace(now[9], models=("tiny",))
        assert only(judged(now, then)).changes == (
            "model large, was small, in 7 cases", "model tiny, was small, in 1 case", "the prompt changed in 7 cases",
        )  # fmt: skip

    def test_a_case_that_was_lost_has_changed_nothing(self) -> None:
        then = column(60, 60, prompt="p1", settings="s1", policy="r1", template="t")
        now = [*then[:-1], one(then[-1].case, None, cause="refused")]
        assert only(judged(now, then)).changes == ()

    def test_another_column_has_another_routing_table(self) -> None:
        result = judged(column(60, 60, "quick", policy="r2"), column(60, 60, "fast", policy="r1"))
        assert only(result).changes == ()

    def test_two_files_of_one_model_in_one_run_are_both_told(self) -> None:
        then = column(60, 60, models=("m",), digests=("aa",))
        now = [replace(found, digests=("bb",)) if number % 2 else found for number, found in enumerate(then)]
        assert only(judged(now, then)).changes == ("model m has another file: aa and bb, was aa",)

    def test_the_machine_is_a_note(self) -> None:
        result = judged(column(60, 60), column(60, 60), head={"machine": "there"})
        assert result.notes == ("another machine: there, was here",)


class TestRequiredRates:
    def test_they_are_judged_together_with_the_columns(self) -> None:
        """Alone the column would fail (p = .031); with a demand beside it, it takes twice the evidence."""
        then, now = column(20, 20), column(20, 16)
        assert judged(now, then).verdict == "fail"
        wanted = [parse_requirement("success_rate:-5pp")]
        both = judged(now, then, requirements=wanted)
        assert (only(both).adjusted, both.verdict) == (0.0625, "inconclusive")
        ((held,),) = (both.requirements,)
        assert (held.verdict, held.column) == ("held", "fast")

    def test_a_rate_fails_by_its_own_allowance(self) -> None:
        then, now = column(100, 90), column(100, 80)
        for text, verdict in (("success_rate:-5pp", "failed"), ("success_rate:-15pp", "held")):
            result = judged(now, then, requirements=[parse_requirement(text)])
            assert [one.verdict for one in result.requirements] == [verdict]

    def test_a_demand_can_fail_a_run_that_passes(self) -> None:
        result = judged(column(60, 60), column(60, 60), requirements=[parse_requirement("success_rate<=0.5")])
        assert (result.verdict, result.failed, [one.verdict for one in result.requirements]) == (
            "pass",
            True,
            ["failed"],
        )

    def test_floors_hold_without_a_baseline(self) -> None:
        wanted = [parse_requirement("success_rate>=0.9"), parse_requirement("tokens:+10%")]
        result = judged(column(60, 50), None, requirements=wanted)
        assert ([one.verdict for one in result.requirements], result.failed) == (["failed", "not compared"], True)

    def test_a_renamed_column_is_found(self) -> None:
        wanted = [parse_requirement("column=quick/success_rate:-5pp"), parse_requirement("column=quick/tokens:+10%")]
        result = judged(
            column(100, 50, "quick", prompt_tokens=20), column(100, 90, "fast", prompt_tokens=10), requirements=wanted
        )
        assert {one.requirement.text: one.verdict for one in result.requirements} == {
            "column=quick/tokens:+10%": "failed", "column=quick/success_rate:-5pp": "failed",
        }  # fmt: skip


@st.composite
def wild(draw: st.DrawFn) -> list[Try]:
    """Tries of a few columns and cases, lost and skipped ones among them."""
    found = []
    for name in draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1)):
        for case in draw(st.lists(st.integers(0, 9), unique=True, max_size=8)):
            fixed = draw(st.booleans())
            for repeat in range(1, draw(st.integers(1, 3)) + 1):
                outcome = draw(st.sampled_from([0, 1, 1, None]))
                cause = draw(st.sampled_from(["timeout", "skipped"])) if outcome is None else ""
                found.append(
                    one(f"c{case}", outcome, column=name, repeat=repeat, nodeid=f"{case}[{name}-{repeat}]", fixed=fixed,
                        cause=cause, models=(draw(st.sampled_from("mn")),), digests=(draw(st.sampled_from(["", "d"])),),
                        prompt=draw(st.sampled_from(["p", "q"])), usd=draw(st.floats(0, 1)), message=f"{repeat}",
                        seconds=draw(st.floats(0.001, 9)), gated=draw(st.sampled_from([True, True, False])))
                )  # fmt: skip
    return found


WANTED = [parse_requirement(text) for text in ("success_rate:-5pp", "cost<=$1", "total_seconds:+10%", "pass@2>=0.5")]


@given(wild(), wild(), st.randoms())
def test_the_order_of_tries_plays_no_part(now: list[Try], then: list[Try], random: Any) -> None:
    mixed = random.sample(now, len(now))
    assert judged(now, then, requirements=WANTED) == judged(mixed, random.sample(then, len(then)), requirements=WANTED)


@given(wild(), wild())
def test_a_run_and_the_baseline_that_is_saved_of_it_are_compared_alike(now: list[Try], then: list[Try]) -> None:
    """But for figures beyond the sixth digit, and what only a run knows: tries that were lost then."""
    before = run(then)
    by_run, by_file = (judged(now, one) for one in (before, parse_baseline(text_of(before))))
    assert [
        (one.column, one.verdict, one.why, one.stats, one.missing, one.added, one.rechecked, one.lost, one.changes)
        for one in by_run.columns
    ] == [
        (one.column, one.verdict, one.why, one.stats, one.missing, one.added, one.rechecked, one.lost, one.changes)
        for one in by_file.columns
    ]
    assert (by_run.verdict, by_run.why, by_run.notes) == (by_file.verdict, by_file.why, by_file.notes)
