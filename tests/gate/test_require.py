"""Whether a run holds what is demanded of it, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_llmroute.gate.figures import RunFigures, RunHead, figures_of
from pytest_llmroute.gate.require import RequirementResult, evaluate, members, rate_result
from pytest_llmroute.gate.requirement import parse_requirement
from pytest_llmroute.gate.tries import Try
from tests.gate.made import one

HERE = "linux-x86_64-16c-64G"
MB = 1_000_000


def run(tries: Sequence[Try], machine: str = HERE) -> RunFigures:
    return figures_of(tries, RunHead(machine=machine))


def judged(
    text: str, tries: Sequence[Try], then: Sequence[Try] | RunFigures | None = None, *, machine: str = HERE,
    columns: dict[str, str] | None = None,
) -> list[RequirementResult]:  # fmt: skip
    baseline = then if then is None or isinstance(then, RunFigures) else run(then)
    return list(evaluate([parse_requirement(text)], tries, baseline, machine=machine, columns=columns or {}))


def said(text: str, tries: Sequence[Try], then: Sequence[Try] | RunFigures | None = None, **more: Any) -> str:
    (result,) = judged(text, tries, then, **more)
    verb = {"held": " holds", "failed": " fails", "not compared": " is not compared"}[result.verdict]
    assert verb in result.text
    return result.text.removeprefix(parse_requirement(text).text + " ")


TEN = [
    one(f"c{number}", int(number < 9), seconds=number / 10, prompt_tokens=number, completion_tokens=2)
    for number in range(10)
]


class TestFloorsAndCeilings:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("success_rate>=0.9", "holds in fast: 9 of 10 (90.0%)"),
            ("success_rate>=90%", "holds in fast: 9 of 10 (90.0%)"),
            ("success_rate<=0.9", "holds in fast: 9 of 10 (90.0%)"),
            ("success_rate>0.9", "fails in fast: 9 of 10 (90.0%)"),
            ("success_rate<0.9", "fails in fast: 9 of 10 (90.0%)"),
            ("success_rate>=0.91", "fails in fast: 9 of 10 (90.0%)"),
            ("tokens<=6.5", "holds in fast: 6.5 a try"),
            ("tokens<=6", "fails in fast: 6.5 a try"),
            ("prompt_tokens<=4.5", "holds in fast: 4.5 a try"),
            ("completion_tokens<2", "fails in fast: 2.0 a try"),
            ("seconds<=450ms", "holds in fast: 450 ms"),
            ("median_seconds<0.4", "fails in fast: 450 ms"),
            ("p95_seconds<=0.8s", "fails in fast: 855 ms"),
            ("total_seconds<=4.5", "holds in fast: 4.5 s"),
        ],
    )
    def test_a_figure_is_compared_with_its_limit(self, text: str, sentence: str) -> None:
        assert said(text, TEN) == sentence

    def test_numbers_are_kept_with_the_sentence(self) -> None:
        (result,) = judged("success_rate>=95%", TEN)
        assert (result.verdict, result.now, result.then, result.limit) == ("failed", 0.9, None, 0.95)
        assert (result.column, result.requirement.text) == ("fast", "success_rate>=95%")

    @pytest.mark.parametrize("passed", range(1, 100))
    def test_a_share_that_is_reached_exactly_is_reached(self, passed: int) -> None:
        tries = [one(str(number), int(number < passed)) for number in range(100)]
        assert judged(f"success_rate>={passed}%", tries)[0].verdict == "held"
        assert judged(f"success_rate>{passed}%", tries)[0].verdict == "failed"

    def test_lost_tries_are_no_misses_and_not_cheap(self) -> None:
        tries = [one("a", seconds=2.0, prompt_tokens=100), one("b", None, seconds=0.0, prompt_tokens=0)]
        assert said("success_rate>=1", tries) == "holds in fast: 1 of 1 (100.0%)"
        assert said("tokens<100", tries) == "fails in fast: 100.0 a try"
        assert said("seconds<2", tries) == "fails in fast: 2.0 s"

    @pytest.mark.parametrize("text", ["success_rate>=0.1", "tokens<=1", "p95_seconds<=1"])
    def test_a_run_without_an_outcome_has_no_figure(self, text: str) -> None:
        assert said(text, [one(outcome=None)]) == "is not compared in fast: no try has an outcome"

    def test_must_pass_cases_count_too(self) -> None:
        assert said("success_rate>=1", [one("a", 0, gated=False), one("b")]) == "fails in fast: 1 of 2 (50.0%)"

    def test_ram_is_the_highest_try_that_was_measured(self) -> None:
        tries = [one("a", ram=150 * MB), one("b", None, ram=176 * MB), one("c")]
        assert said("peak_ram<=176MB", tries) == "holds in fast: 176 MB, known of 2 of 3 tries"
        assert said("peak_ram<=175MB", tries) == "fails in fast: 176 MB, known of 2 of 3 tries"
        assert said("server_ram<=1GB", tries) == "is not compared in fast: not measured"
        assert said("server_ram<=1GB", [one(server_ram=2000 * MB)]) == "fails in fast: 2.00 GB"

    def test_cost_is_the_sum(self) -> None:
        tries = [one("a", usd=0.0100), one("b", None, usd=0.0023)]
        assert said("cost<=$0.0123", tries) == "holds in fast: $0.0123"
        assert said("cost<0.0123", tries) == "fails in fast: $0.0123"
        assert said("cost<1", [one()]) == "is not compared in fast: no price is known"

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("cost<=$1", "is not compared in fast: $0.5000, 3 calls without a known price"),
            ("cost<=$0.4", "fails in fast: $0.5000, 3 calls without a known price"),
            ("cost<$0.5", "fails in fast: $0.5000, 3 calls without a known price"),
            ("cost>=$0.5", "holds in fast: $0.5000, 3 calls without a known price"),
            ("cost>=$1", "is not compared in fast: $0.5000, 3 calls without a known price"),
        ],
    )
    def test_calls_without_a_price_leave_only_what_is_sure(self, text: str, sentence: str) -> None:
        assert said(text, [one("a", usd=0.5, unpriced=1), one("b", unpriced=2)]) == sentence

    def test_one_call_without_a_price(self) -> None:
        assert said("cost<1", [one(unpriced=1)]) == "is not compared in fast: 1 call without a known price"

    def test_k_tries_of_a_case(self) -> None:
        tries = [one("a", outcome, repeat=repeat) for repeat, outcome in enumerate((1, 0, 0), 1)]
        tries += [one("b", 1, repeat=repeat) for repeat in (1, 2)] + [one("c", 0)]
        assert said("pass@2>=80%", tries) == "holds in fast: 83.3% over 2 cases, 1 more with fewer than 2 tries"
        assert said("pass^2>=50%", tries) == "holds in fast: 50.0% over 2 cases, 1 more with fewer than 2 tries"
        assert said("pass@3>=1", tries) == "holds in fast: 100.0% over 1 case, 2 more with fewer than 3 tries"
        assert said("pass@1>=0.5", tries) == "fails in fast: 44.4% over 3 cases"
        no = "is not compared in fast: no case has 4 tries with an outcome (repeats at temperature 0 are one)"
        assert said("pass@4>=0.5", tries) == no
        assert said("pass@1>=0.5", [one(outcome=None)]) == "is not compared in fast: no case has an outcome"

    def test_repeats_at_temperature_0_are_one_try(self) -> None:
        tries = [one(repeat=repeat, fixed=True) for repeat in (1, 2, 3)]
        assert judged("pass^2>=1", tries)[0].verdict == "not compared"
        assert judged("pass^1>=1", tries)[0].verdict == "held"


class TestFilters:
    TRIES = (
        one("t.py::a @fix", column="fast", phase="fix", task="repair", models=("org/m:7b", "big"), agent="fixer",
            suite="t.py", tags=("smoke", "slow")),
        one("t.py::b", 0, column="good", models=("big",), suite="t.py"),
        one("u.py::c", 0, column="good", models=("small",), suite="u.py", tags=("slow",)),
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("filters", "sentences"),
        [
            ("", ["holds in fast: 1 of 1 (100.0%)", "fails in good: 0 of 2 (0.0%)"]),
            ("column=good/", ["fails in good: 0 of 2 (0.0%)"]),
            ("phase=fix/", ["holds in fast: 1 of 1 (100.0%)"]),
            ("task=repair/", ["holds in fast: 1 of 1 (100.0%)"]),
            ("model=org/m:7b/", ["holds in fast: 1 of 1 (100.0%)"]),
            ("model=big/", ["holds in fast: 1 of 1 (100.0%)", "fails in good: 0 of 1 (0.0%)"]),
            ("agent=fixer/", ["holds in fast: 1 of 1 (100.0%)"]),
            ("suite=t.py/", ["holds in fast: 1 of 1 (100.0%)", "fails in good: 0 of 1 (0.0%)"]),
            ("tag=slow,tag=smoke/", ["holds in fast: 1 of 1 (100.0%)"]),
            ("case=py::c/", ["fails in good: 0 of 1 (0.0%)"]),
            ("model=big,column=good/", ["fails in good: 0 of 1 (0.0%)"]),
        ],
    )
    def test_every_column_that_is_selected_is_judged(self, filters: str, sentences: list[str]) -> None:
        results = judged(f"{filters}success_rate>=0.5", self.TRIES)
        assert [result.text for result in results] == [f"{filters}success_rate>=0.5 {end}" for end in sentences]

    @pytest.mark.parametrize(
        ("filters", "why"),
        [
            ("column=fsat/", 'no column "fsat" (did you mean "fast"?); known: fast, good'),
            ("phase=plan/", 'no phase "plan"; known: fix'),
            ("tag=smok/", 'no tag "smok" (did you mean "smoke"?); known: slow, smoke'),
            ("model=org/m:8b/", 'no model "org/m:8b" (did you mean "org/m:7b"?); known: big, org/m:7b, small'),
            ("case=zzz/", 'no case "zzz"; known: t.py::a @fix, t.py::b, u.py::c'),
            ("column=good,task=repair/", "no try has all of these together"),
        ],
    )
    def test_a_demand_that_selects_nothing_fails(self, filters: str, why: str) -> None:
        (result,) = judged(f"{filters}tokens<=5", self.TRIES)
        assert (result.verdict, result.column) == ("failed", "")
        assert result.text == f"{filters}tokens<=5 fails: it selects nothing; {why}"

    def test_an_empty_run_holds_nothing(self) -> None:
        assert judged("tokens<=5", [])[0].text == "tokens<=5 fails: it selects nothing; the run has no try"

    def test_no_value_of_the_kind_is_known(self) -> None:
        assert judged("agent=x/tokens<=5", TEN)[0].text.endswith('no agent "x"; no agent is known')

    def test_names_are_inert_in_a_sentence(self) -> None:
        assert "\x1b" not in judged("tokens<=5", [one(column="\x1b[2J")])[0].text
        assert "\x1b" not in judged("column=x/tokens<=5", [one(column="\x1b[2J")])[0].text


class TestAgainstABaseline:
    @pytest.mark.parametrize(
        ("text", "fields", "sentence"),
        [
            ("tokens:+10%", ({"prompt_tokens": 52}, {"prompt_tokens": 60}),
             "fails in fast: 60.0 a case now, 52.0 then (+15.4%, 10% allowed)"),
            ("tokens:+20%", ({"prompt_tokens": 50}, {"prompt_tokens": 60}),
             "holds in fast: 60.0 a case now, 50.0 then (+20.0%, 20% allowed)"),
            ("tokens:-10%", ({"prompt_tokens": 50}, {"prompt_tokens": 46}),
             "fails in fast: 46.0 a case now, 50.0 then (-8.0%, -10% wanted)"),
            ("tokens:+5", ({"prompt_tokens": 50}, {"prompt_tokens": 56}),
             "fails in fast: 56.0 a case now, 50.0 then (+6.0, 5 allowed)"),
            ("tokens:+5%", ({}, {"prompt_tokens": 1}), "fails in fast: 1.0 a case now, 0.0 then (+1.0, 5% allowed)"),
            ("seconds:+200ms", ({"seconds": 1.0}, {"seconds": 0.9}),
             "holds in fast: 900 ms now, 1.0 s then (-100 ms, 200ms allowed)"),
            ("p95_seconds:+0%", ({"seconds": 1.0}, {"seconds": 1.0}),
             "holds in fast: 1.0 s now, 1.0 s then (+0.0%, 0% allowed)"),
            ("total_seconds:+1s", ({"seconds": 1.0}, {"seconds": 2.5}),
             "fails in fast: 2.5 s now, 1.0 s then (+1.5 s, 1s allowed)"),
            ("peak_ram:+10MB", ({"ram": 100 * MB}, {"ram": 120 * MB}),
             "fails in fast: 120 MB now, 100 MB then (+20 MB, 10MB allowed)"),
            ("server_ram:+15%", ({"server_ram": 100 * MB}, {"server_ram": 115 * MB}),
             "holds in fast: 115 MB now, 100 MB then (+15.0%, 15% allowed)"),
            ("cost:+$0.01", ({"usd": 0.01}, {"usd": 0.03}),
             "fails in fast: $0.0300 now, $0.0100 then (+$0.0200, $0.01 allowed)"),
        ],
    )  # fmt: skip
    def test_a_figure_is_compared_with_then(
        self, text: str, fields: tuple[dict[str, Any], dict[str, Any]], sentence: str
    ) -> None:
        then, now = fields
        assert said(text, [one(**now)], [one(**then)]) == sentence

    def test_numbers_are_kept_with_the_sentence(self) -> None:
        (result,) = judged("tokens:+10%", [one(prompt_tokens=60)], [one(prompt_tokens=50)])
        assert (result.now, result.then) == (60.0, 50.0)
        assert result.limit == pytest.approx(55.0)

    def test_a_case_counts_once_by_its_median_and_only_where_both_runs_have_it(self) -> None:
        now = [one("a", repeat=repeat, seconds=seconds) for repeat, seconds in enumerate((1.0, 2.0, 9.0), 1)]
        now += [one("b", seconds=4.0), one("new", seconds=100.0), one("rechecked", seconds=100.0, check="2")]
        then = [one("a", seconds=1.0), one("b", seconds=2.0), one("old", seconds=50.0), one("rechecked", check="1")]
        assert said("total_seconds:+100%", now, then) == (
            "holds in fast: 6.0 s now, 3.0 s then (+100.0%, 100% allowed); 2 of 4 cases compared"
        )
        assert said("p95_seconds:+10s", now, then).startswith("holds in fast: 3.9 s now, 1.9 s then")

    def test_without_a_baseline_nothing_is_compared(self) -> None:
        for text in ("tokens:+10%", "success_rate:-5pp", "seconds:+10%"):
            assert said(text, [one()]) == "is not compared in fast: no baseline"

    def test_a_column_that_the_baseline_lacks_is_not_compared(self) -> None:
        then = [one(column="other")]
        assert said("tokens:+10%", [one()], then) == 'is not compared in fast: the baseline has no column "fast"'
        assert judged("tokens:+10%", [one()], then, columns={"fast": "other"})[0].verdict == "held"

    @pytest.mark.parametrize("text", ["tokens:+10%", "success_rate:-5pp"])
    def test_a_baseline_of_other_cases_fails(self, text: str) -> None:
        assert said(text, [one("a")], [one("b")]) == "fails in fast: no shared case"
        assert said(text, [one("a", check="1")], [one("a", check="2")]) == "fails in fast: no shared case"

    @pytest.mark.parametrize(
        "text", ["seconds:+10%", "p95_seconds:+1s", "total_seconds:+1%", "peak_ram:+10%", "server_ram:+1%"]
    )
    @pytest.mark.parametrize(
        ("now", "then", "shown"),
        [("a", "b", "now a, then b"), ("", "b", "now unknown, then b"), ("a", "", "now a, then unknown"),
         ("", "", "now unknown, then unknown")],
    )  # fmt: skip
    def test_times_and_ram_of_another_machine_are_not_compared(
        self, text: str, now: str, then: str, shown: str
    ) -> None:
        baseline = run([one(ram=1, server_ram=1)], then)
        sentence = said(text, [one(ram=1, server_ram=1)], baseline, machine=now)
        assert sentence == f"is not compared in fast: different machine ({shown})"

    @pytest.mark.parametrize("text", ["tokens:+10%", "cost:+10%"])
    def test_tokens_and_cost_are_the_same_on_every_machine(self, text: str) -> None:
        assert judged(text, [one(usd=1.0)], run([one(usd=1.0)], "other"))[0].verdict == "held"

    def test_a_figure_that_one_side_lacks(self) -> None:
        none = "is not compared in fast: no shared case has this figure on both sides"
        assert said("peak_ram:+10%", [one()], [one(ram=1)]) == none
        assert said("peak_ram:+10%", [one(ram=1)], [one()]) == none
        assert said("tokens:+10%", [one(outcome=None)], [one()]) == none
        half = said("peak_ram:+10%", [one("a", ram=MB), one("b", ram=9 * MB)], [one("a", ram=MB), one("b")])
        assert half == "holds in fast: 1 MB now, 1 MB then (+0.0%, 10% allowed); 1 of 2 cases compared"

    def test_calls_without_a_price_leave_only_what_is_sure(self) -> None:
        then = [one("a", usd=0.1), one("b", usd=0.1)]
        few, much = [one("a", usd=0.1), one("b", unpriced=1)], [one("a", usd=0.5), one("b", unpriced=1)]
        assert judged("cost:+10%", few, then)[0].verdict == "not compared"
        assert said("cost:+10%", much, then) == (
            "fails in fast: $0.5000 now, $0.2000 then (+150.0%, 10% allowed), 1 call without a known price"
        )
        assert said("cost:+10%", [one(unpriced=2)], [one()]) == "is not compared in fast: 2 calls without a known price"

    def test_calls_outside_the_shared_cases_need_no_price(self) -> None:
        now = [one("a", usd=0.1), one("new", unpriced=1)]
        assert judged("cost:+10%", now, [one("a", usd=0.1)])[0].verdict == "held"

    def test_must_pass_cases_are_no_part_of_a_baseline(self) -> None:
        now = [one("a", prompt_tokens=10), one("b", prompt_tokens=99, gated=False)]
        assert judged("tokens:+10%", now, [one("a", prompt_tokens=10), one("b", prompt_tokens=1)])[0].verdict == "held"

    def test_filters_select_what_is_compared(self) -> None:
        now, then = [one("a", prompt_tokens=10), one("b", prompt_tokens=20)], [one("a", prompt_tokens=10), one("b")]
        assert judged("case=a/tokens:+10%", now, then)[0].verdict == "held"
        assert judged("tokens:+10%", now, then)[0].verdict == "failed"


class TestRates:
    NOW = (one("a", 1), one("b", 0), one("b", 1, repeat=2), one("c", 1, column="good"), one("new", 0))
    THEN = (one("a", 1), one("a", 0, repeat=2), one("b", 1), one("old", 1))

    def test_members_are_the_outcomes_of_shared_cases(self) -> None:
        (member,) = members(parse_requirement("success_rate:-5pp"), self.NOW, run(self.THEN), {})
        assert (member.column, member.text, member.min_drop) == ("fast", "success_rate:-5pp", 0.05)
        assert member.baseline == {"a": (1, 0), "b": (1,)}
        assert member.candidate == {"a": (1,), "b": (0, 1)}

    def test_what_is_a_member_is_not_evaluated_and_the_rest_is(self) -> None:
        (result,) = judged("success_rate:-5pp", self.NOW, self.THEN)
        assert result.text == 'success_rate:-5pp is not compared in good: the baseline has no column "good"'

    def test_columns_filters_and_repeats_at_temperature_0(self) -> None:
        now = [one("a", 0, repeat=repeat, fixed=True, column="new", models=("m",)) for repeat in (1, 2)]
        requirement = parse_requirement("model=m/success_rate:-1pp")
        (member,) = members(requirement, [*now, one("b", column="new")], run(self.THEN), {"new": "fast"})
        assert (member.column, member.candidate) == ("new", {"a": (0,)})

    def test_other_demands_have_no_members(self) -> None:
        for text in ("tokens:+5%", "success_rate>=0.5"):
            assert members(parse_requirement(text), self.NOW, run(self.THEN), {}) == ()
        assert members(parse_requirement("success_rate:-5pp"), self.NOW, None, {}) == ()

    def test_cases_without_an_outcome_are_left_out(self) -> None:
        then = [one("a", None), one("b")]
        (member,) = members(parse_requirement("success_rate:-5pp"), self.NOW[:2], run(then), {})
        assert set(member.baseline) == set(member.candidate) == {"b"}
        lost = [replace(now, outcome=None) for now in self.NOW[:2]]
        assert members(parse_requirement("success_rate:-5pp"), lost, run(then), {}) == ()
        assert said("success_rate:-5pp", lost, then) == (
            "is not compared in fast: no shared case has an outcome on both sides"
        )

    def test_what_statistics_said_becomes_a_sentence(self) -> None:
        requirement = parse_requirement("success_rate:-5pp")
        failed = rate_result(requirement, "fast", True, 0.0031, 0.09, 0.039, 0.141, 0.9, 0.81)
        assert (failed.verdict, failed.now, failed.then) == ("failed", 0.81, 0.9)
        assert failed.limit == pytest.approx(0.85)
        assert failed.text == (
            "success_rate:-5pp fails in fast: 81.0% now, 90.0% then"
            " (-9.0 pp, bounds -14.1 to -3.9, p = 0.003; 5pp allowed)"
        )
        assert "p < 0.001;" in rate_result(requirement, "fast", True, 1e-7, 0.3, 0.2, 0.4, 0.9, 0.6).text
        held = rate_result(requirement, "fast", False, 0.5, 0.0, -0.05, 0.05, 0.9, 0.9)
        assert held.text == (
            "success_rate:-5pp holds in fast: 90.0% now, 90.0% then"
            " (+0.0 pp, bounds -5.0 to +5.0, p = 0.500; 5pp allowed)"
        )


def test_results_come_in_the_order_of_the_demands() -> None:
    demands = [parse_requirement(text) for text in ("tokens<=5", "success_rate:-5pp", "seconds<=1")]
    tries = [one(column="b"), one(column="a")]
    results = evaluate(demands, tries, None, machine="", columns={})
    assert [(result.requirement.metric, result.column) for result in results] == [
        ("tokens", "b"), ("tokens", "a"), ("success_rate", "b"), ("success_rate", "a"),
        ("median_seconds", "b"), ("median_seconds", "a"),
    ]  # fmt: skip
