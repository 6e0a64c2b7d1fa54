"""Waves serve every job as far as it goes, within the budget, with as few loads as can be."""

from __future__ import annotations

import heapq
from itertools import count

import pytest
from hypothesis import given

from pytest_llmroute.codes import Code
from pytest_llmroute.engine.residency.chains import Chain, counted, followers, longest, parts, taken, waiting
from pytest_llmroute.engine.residency.room import ModelNeeds, Room
from pytest_llmroute.engine.residency.search import best, good
from pytest_llmroute.engine.residency.waves import Wave, plan_waves
from pytest_llmroute.errors import UserError
from tests.engine.made import SOME, Suite, chains, crooked, needs, served, suites

FIVE = needs(a=1, b=2, c=5, d=6, e=10)


def test_a_cascade_loads_each_model_once_though_only_one_fits() -> None:
    plan = plan_waves([Chain(("a", "c", "e"), 3), Chain(("b", "c"), 2), Chain(("e",))], FIVE, 10)
    assert [wave.model for wave in plan.waves] == ["a", "b", "c", "e"]
    assert (plan.loads, plan.bound, plan.exact) == (4, 4, True)
    assert [wave.jobs for wave in plan.waves] == [3, 2, 5, 4]
    assert plan.why == "no job comes back to a model: each is loaded once at most"


def test_models_stay_as_long_as_there_is_room() -> None:
    plan = plan_waves(chains("abc"), needs(a=1, b=2, c=6), 8)
    assert plan.waves == (
        Wave("a", frozenset("a"), ("a",), (), 1),
        Wave("b", frozenset("ab"), ("b",), (), 1),
        Wave("c", frozenset("bc"), ("c",), ("a",), 1),
    )


def test_what_is_resident_is_served_before_it_would_make_way() -> None:
    plan = plan_waves(chains("a", "e", "b"), FIVE, 10, frozenset("e"))
    assert [wave.model for wave in plan.waves] == ["e", "a", "b"]
    assert (plan.loads, plan.bound) == (2, 2)


def test_what_is_resident_goes_first_even_where_all_would_fit() -> None:
    assert [wave.model for wave in plan_waves(chains("a", "b"), FIVE, None, frozenset("b")).waves] == ["b", "a"]


def test_a_ready_model_that_displaces_nothing_goes_first() -> None:
    plan = plan_waves(chains("e", "c", "cd"), FIVE, 11, frozenset("d"))
    assert [wave.model for wave in plan.waves] == ["c", "d", "e"]
    assert plan.loads == 2


def test_going_back_to_a_model_costs_a_load_only_where_both_do_not_fit() -> None:
    for budget, loads in ((8, 3), (9, 2), (None, 2)):
        plan = plan_waves(chains("aba"), needs(a=4, b=5), budget)
        assert (plan.loads, plan.bound, plan.exact) == (loads, loads, True)
        assert [wave.model for wave in plan.waves] == ["a", "b", "a"]


def test_a_judge_after_each_call_is_searched_for_the_fewest_seconds() -> None:
    plan = plan_waves(chains("adcd", "bded", "cded"), FIVE, 10)
    assert plan.exact
    assert plan.why == "jobs go back and forth between c, d, e: the fewest seconds of loading, found by search"
    assert plan.load_seconds == pytest.approx(fewest(Suite(chains("adcd", "bded", "cded"), FIVE, 10)))


def test_what_is_used_again_latest_may_stay_where_the_search_found_that_better() -> None:
    suite = crooked()
    plan = plan_waves(suite.chains, suite.needs, suite.budget)
    assert [wave.evict for wave in plan.waves] == [(), (), ("a",), ("d",), ()]
    assert plan.load_seconds == fewest(suite) == 12


def test_pinned_models_stay_unless_another_does_not_fit_beside_them() -> None:
    sizes = needs(a=3, b=4, c=5, d=9)
    stays = plan_waves(chains("abc"), sizes, 9, frozenset("a"), frozenset("a"))
    assert [wave.evict for wave in stays.waves] == [(), (), ("b",)]
    goes = plan_waves(chains("abd"), sizes, 9, frozenset("a"), frozenset("a"))
    assert [wave.evict for wave in goes.waves] == [(), (), ("b", "a")]


def test_a_model_of_unknown_size_is_resident_alone() -> None:
    plan = plan_waves(chains("abc"), needs(a=1, b=None, c=1), 9)
    assert [wave.resident for wave in plan.waves] == [frozenset("a"), frozenset("b"), frozenset("c")]
    assert plan_waves(chains("ab"), needs(a=1, b=None), None).waves[-1].resident == frozenset("ab")


def test_a_model_that_never_fits_is_told_with_what_wants_it() -> None:
    sizes = {"big": ModelNeeds("big", 9_000_000_000, 9.0), "small": ModelNeeds("small", 1_000_000_000, 1.0)}
    with pytest.raises(UserError) as caught:
        plan_waves([Chain(("small", "big"), 3), Chain(("small",), 4)], sizes, 4_000_000_000)
    assert caught.value.code is Code.MEMORY
    assert caught.value.what == 'model "big" is expected to need 9.0 GB of RAM, models may take 4.0 GB'
    assert caught.value.means == "3 of 7 tests may need it"
    assert "--llm-ram-budget=10GB" in caught.value.fix


def test_nothing_to_do_is_a_plan_without_waves() -> None:
    plan = plan_waves([Chain(())], {}, 0)
    assert (plan.waves, plan.loads, plan.bound, plan.exact) == ((), 0, 0, True)


def test_calls_of_one_model_in_a_row_and_equal_chains_are_one() -> None:
    assert counted([Chain(("a", "a", "b"), 2), Chain(("a", "b")), Chain(())]) == {("a", "b"): 3}
    assert longest([("a", "c"), ("a", "b", "c"), ("c", "a"), ("b",)]) == (("a", "b", "c"), ("c", "a"))


def test_models_are_parted_by_what_jobs_come_back_to() -> None:
    a, bc, d = frozenset("a"), frozenset("bc"), frozenset("d")
    assert parts(followers([tuple("abcbd"), tuple("ad")])) == {a: set(), bc: {a}, d: {a, bc}}


def test_too_many_ways_are_told_to_be_a_heuristic() -> None:
    names = "abcdefghijk"
    texts = [names[i:] + names[: i + 3] for i in range(11)]
    plan = plan_waves(chains(*texts), needs(**dict.fromkeys(names, 4)), 9)
    assert not plan.exact
    assert plan.why.startswith(
        "a heuristic, jobs go back and forth between a, b, c, d, e, f, g, h, i, j, k in too many"
    )
    assert all(served(plan, chain.models) for chain in chains(*texts))


@SOME
@given(suites())
def test_every_job_is_served_as_far_as_it_goes_within_the_budget(suite: Suite) -> None:
    plan = plan_waves(suite.chains, suite.needs, suite.budget)
    assert all(served(plan, chain.models) for chain in suite.chains)
    resident: frozenset[str] = frozenset()
    for wave in plan.waves:
        assert wave.jobs
        assert wave.load == (() if wave.model in resident else (wave.model,))
        resident = resident.difference(wave.evict).union(wave.load)
        assert wave.resident == resident
        assert wave.model in resident
        assert suite.room.fits(resident)
    assert sum(wave.jobs for wave in plan.waves) == sum(len(m) * n for m, n in counted(suite.chains).items())


@SOME
@given(suites())
def test_loads_are_never_fewer_than_the_bound(suite: Suite) -> None:
    plan = plan_waves(suite.chains, suite.needs, suite.budget)
    assert plan.loads >= plan.bound
    assert plan.load_seconds >= plan.bound_seconds
    assert plan.loads == sum(len(wave.load) for wave in plan.waves)


@SOME
@given(suites(acyclic=True))
def test_where_no_job_comes_back_each_model_is_loaded_once(suite: Suite) -> None:
    plan = plan_waves(suite.chains, suite.needs, suite.budget)
    assert plan.loads == plan.bound == len({model for chain in suite.chains for model in chain.models})
    assert plan.load_seconds == plan.bound_seconds
    assert plan.exact


@SOME
@given(suites(acyclic=True), suites(acyclic=True))
def test_what_was_resident_at_first_never_makes_a_model_load_twice(suite: Suite, other: Suite) -> None:
    known = {**other.needs, **suite.needs}
    plan = plan_waves(suite.chains, known, suite.budget, frozenset(other.needs), frozenset("ac") & known.keys())
    assert all(served(plan, chain.models) for chain in suite.chains)
    assert plan.loads >= plan.bound
    assert all(sum(wave.load == (model,) for wave in plan.waves) <= 1 for model in known)
    assert all(Room(known, suite.budget).fits(wave.resident) for wave in plan.waves)


@SOME
@given(suites(models=3, longest=4, most=3))
def test_a_searched_order_needs_no_second_more_than_trying_everything(suite: Suite) -> None:
    plan = plan_waves(suite.chains, suite.needs, suite.budget)
    assert plan.exact
    assert plan.load_seconds == fewest(suite)


@SOME
@given(suites())
def test_the_heuristic_serves_every_job_too(suite: Suite) -> None:
    left = counted(suite.chains)
    for step in good(left, suite.room, frozenset(), frozenset()):
        assert waiting(left)[step.model]
        left = taken(left, step.model)
    assert not left


@SOME
@given(suites())
def test_the_search_gives_up_at_its_limit(suite: Suite) -> None:
    some = counted(suite.chains) or [("a",)]
    assert best(some, suite.room, frozenset(), frozenset(), work=0) is None
    assert best(some, suite.room, frozenset(), frozenset()) is not None


def fewest(suite: Suite) -> float:
    """Load, unload and serve one job at a time, in every way there is."""
    jobs = list(counted(suite.chains))
    start = ((0,) * len(jobs), frozenset[str]())
    number = count()
    heap: list[tuple[float, int, tuple[tuple[int, ...], frozenset[str]]]] = [(0.0, next(number), start)]
    done = set()
    while True:
        paid, _, state = heapq.heappop(heap)
        if state in done:
            continue
        done.add(state)
        at, there = state
        if all(i == len(job) for i, job in zip(at, jobs, strict=True)):
            return paid
        more = [(paid, (at, there - {model})) for model in there]
        more += [
            (paid + suite.needs[model].load_seconds, (at, there | {model}))
            for model in suite.needs.keys() - there
            if suite.room.fits(there | {model})
        ]
        for chosen, (i, job) in enumerate(zip(at, jobs, strict=True)):
            if i < len(job) and job[i] in there:
                more.append((paid, ((*at[:chosen], i + 1, *at[chosen + 1 :]), there)))
        for cost, after in more:
            heapq.heappush(heap, (cost, next(number), after))
