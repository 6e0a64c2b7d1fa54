"""The machine serves what is resident, evicts nothing that is busy, keeps to the plan, and always comes to an end."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.engine.residency.chains import Models, counted
from pytest_llmroute.engine.residency.online import Load, Residency, Serve, Situation, Wait
from pytest_llmroute.engine.residency.room import Room
from pytest_llmroute.engine.residency.waves import plan_waves
from tests.engine.made import SOME, Driver, Suite, chains, crooked, needs, suites

FIVE = needs(a=1, b=2, c=5, d=6, e=10)
SEEDS = st.integers(0, 1000)
SLOTS = st.integers(1, 3)


def everything(suite: Suite) -> list[Models]:
    return [models for models, number in counted(suite.chains).items() for _ in range(number)]


def started(suite: Suite, seed: int, slots: int, *, known: bool = True) -> Driver:
    known_chains = suite.chains if known else []
    return Driver(Residency.planned(known_chains, suite.needs, suite.budget), random.Random(seed), slots)


@SOME
@given(suites(acyclic=True), SEEDS, SLOTS)
def test_known_jobs_that_never_come_back_load_each_model_once_wherever_they_stop(
    suite: Suite, seed: int, slots: int
) -> None:
    driver = started(suite, seed, slots)
    driver.run(job[: driver.rng.randint(1, len(job))] for job in everything(suite))
    assert len(driver.loads) == len(set(driver.loads))


@SOME
@given(suites(), SEEDS, SLOTS)
def test_known_jobs_need_no_more_loading_than_planned(suite: Suite, seed: int, slots: int) -> None:
    driver = started(suite, seed, slots)
    driver.run(everything(suite))
    planned = plan_waves(suite.chains, suite.needs, suite.budget).load_seconds
    assert suite.room.seconds(driver.loads) <= planned


@SOME
@given(suites(), suites(), SEEDS, SLOTS, st.booleans())
def test_jobs_may_appear_at_any_time_and_be_of_any_kind(
    suite: Suite, other: Suite, seed: int, slots: int, known: bool
) -> None:
    driver = started(suite, seed, slots, known=known)
    of_known_models = [tuple(m for m in job if m in suite.needs) for job in everything(other)]
    driver.run(everything(suite), later=of_known_models)


@SOME
@given(suites(), SEEDS, SLOTS, st.data())
def test_foreground_calls_bring_nothing_to_a_halt(suite: Suite, seed: int, slots: int, data: st.DataObject) -> None:
    foreground = data.draw(st.lists(st.sampled_from(sorted(suite.needs)), max_size=5))
    driver = started(suite, seed, slots)
    driver.run(everything(suite), foreground=foreground)
    assert len(driver.waits) == len(foreground)


@SOME
@given(suites(), SEEDS, SLOTS, st.sampled_from("abcde"))
def test_a_foreground_call_waits_for_what_is_under_way_only(suite: Suite, seed: int, slots: int, model: str) -> None:
    """Its patience, the load that goes on, the calls in flight, its own load, a slot."""
    driver = started(suite, seed, slots)
    driver.fair = True
    driver.run(everything(suite), foreground=[model] if model in suite.needs else [])
    assert all(wait <= driver.residency.patience + 1 + slots + 1 + 1 for wait in driver.waits)


def now(resident: str, waiting: str = "", busy: str = "", loading: str | None = None, **foreground: float) -> Situation:
    """Every letter is a model, a call, or a call."""
    return Situation(Counter(waiting), Counter(busy), frozenset(resident), loading, foreground)


def test_nothing_is_served_that_is_not_resident() -> None:
    machine = Residency(Room(FIVE, 10))
    assert machine.next(now("", "a")) == (Load("a"), machine)
    assert machine.next(now("", "a", loading="a")) == (Wait(), machine)
    assert machine.next(now("a", "ab", loading="b")) == (Serve(frozenset("a")), machine)
    assert machine.next(now("a")) == (Wait(), machine)


def test_a_model_is_served_until_nothing_waits_for_it_and_nothing_is_in_flight() -> None:
    machine = Residency.planned(chains("ae"), FIVE, 10)
    assert machine.next(now("a", "aae"))[0] == Serve(frozenset("a"))
    assert machine.next(now("a", "e", busy="a"))[0] == Wait()
    assert machine.next(now("a", "e"))[0] == Load("e", ("a",))


def test_the_next_model_is_loaded_ahead_where_both_fit() -> None:
    machine = Residency.planned(chains("abc"), FIVE, 8)
    assert machine.next(now("a", "ab"))[0] == Load("b")
    assert machine.next(now("a", "a"))[0] == Serve(frozenset("a")), "nobody waits for b yet"


def test_the_plan_decides_what_makes_way() -> None:
    suite = crooked()
    driver = started(suite, seed=1, slots=1)
    driver.run(everything(suite))
    assert driver.loads == ["a", "c", "d", "a"]


def test_for_what_is_not_in_the_plan_the_model_makes_way_that_is_used_latest() -> None:
    machine = Residency.planned(chains("a", "b"), FIVE, 12, patience=3)
    assert machine.next(now("ab", "abe", e=3))[0] == Load("e", ("b",))


def test_a_model_that_nobody_needs_any_more_makes_way_while_others_serve() -> None:
    machine = Residency.planned(chains("a", "b", "c"), FIVE, 7)
    assert machine.next(now("ab", "bc", busy="b"))[0] == Load("c", ("a",))
    assert machine.next(now("ab", "bc", busy="ab"))[0] == Serve(frozenset("b"))


def test_a_later_model_does_not_take_the_room_of_one_that_may_still_be_needed() -> None:
    machine = Residency.planned(chains("aeb", "b"), FIVE, 11)
    assert machine.next(now("a", "b", busy="a"))[0] == Wait()
    assert machine.next(now("a", "b"))[0] == Load("b")


def test_of_what_nobody_planned_most_waiting_calls_for_a_second_of_loading_go_first() -> None:
    machine = Residency(Room(FIVE, 10))
    assert machine.next(now("", "aeeeee"))[0] == Load("a"), "1 call for 2 seconds against 5 for 11"
    assert machine.next(now("", "aeeeeee"))[0] == Load("e")


def test_what_comes_late_waits_for_its_turn_in_the_next_round() -> None:
    machine = Residency.planned(chains("a", "c", "d", "e"), FIVE, 10)
    order, resident = [], frozenset[str]()
    for waiting in ("cde", "ade", "ae", "a"):
        action, machine = machine.next(Situation(Counter(waiting), {}, resident))
        assert isinstance(action, Load)
        order.append(action.model)
        resident = resident.difference(action.evict) | {action.model}
    assert order == ["c", "d", "e", "a"]


def test_pinned_models_make_way_last() -> None:
    for budget, evict in ((11, ("b",)), (10, ("d",))):
        machine = Residency(Room(FIVE, budget), pin=frozenset("d"))
        assert machine.next(now("bd", "c"))[0] == Load("c", evict)


def test_a_foreground_call_is_patient_first_and_then_lets_the_model_in_its_way_run_empty() -> None:
    machine = Residency(Room(FIVE, 10), patience=3)
    assert machine.next(now("a", "ae", busy="a", e=2.9))[0] == Serve(frozenset("a"))
    assert machine.next(now("a", "ae", busy="a", e=3))[0] == Wait()
    assert machine.next(now("a", "ae", e=3))[0] == Load("e", ("a",))
    assert machine.next(now("ac", "ace", busy="a", e=3))[0] == Wait()


def test_only_what_is_in_the_way_of_a_foreground_call_is_held_back() -> None:
    machine = Residency(Room(FIVE, 12), patience=3)
    assert machine.next(now("bd", "bdc", busy="bd", c=3))[0] == Serve(frozenset("d"))
    assert machine.next(now("bd", "bdc", busy="d", c=3))[0] == Load("c", ("b",))
    assert machine.next(now("bd", "bdc", busy="b", c=3))[0] == Load("c", ("d",)), "dearer to load again, but idle"


def test_the_foreground_call_that_waits_longest_is_served_before_its_model_makes_way() -> None:
    machine = Residency(Room(FIVE, 10), patience=3)
    assert machine.next(now("", "ae", a=4, e=5))[0] == Load("e")
    assert machine.next(now("e", "ae", a=5, e=6))[0] == Serve(frozenset("e"))
    assert machine.next(now("e", "a", a=6))[0] == Load("a", ("e",))
