"""A thread that dies takes nothing with it: its item is told, the others go on, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import Pause, Plan, Work, run_now
from pytest_llmroute.engine.dispatch import Dispatcher, Job
from pytest_llmroute.engine.width import Fixed, Width
from pytest_llmroute.errors import ModelCallError
from tests.engine.made import calling

CARD, LOST = ModelCard("here", "x"), ModelCard("lost", "x")
ENDS = [SystemExit(3), KeyboardInterrupt(), GeneratorExit("gone")]


def lane_of(card: ModelCard) -> str:
    if card is LOST:
        raise RuntimeError("no such lane")
    return "one"


def width_of(card: ModelCard) -> Width:
    lane_of(card)
    return Fixed(2)


@pytest.fixture(params=[False, True], ids=["threads", "one thread"])
def run(request: pytest.FixtureRequest) -> Iterator[Dispatcher]:
    made = Dispatcher(lane_of, width_of, workers=1, waits=lambda card: bool(request.param))
    yield made
    made.stop()


def raising(error: BaseException) -> Callable[..., object]:
    def do(*_: float) -> object:
        raise error

    return do


def well(what: object = "well") -> Plan[object]:
    return (yield calling(CARD, lambda queued: what))


def ended(job: Job) -> object:
    """Within some seconds, or the test fails; waiting for ever would hold the whole suite."""
    for _ in range(100):
        if job.ended:
            break
        threading.Event().wait(0.05)
    assert job.ended, "it waits for ever"
    try:
        return job.wait()
    except Exception as error:
        return error


def others_go_on(run: Dispatcher) -> None:
    """Through all the kinds of threads that there are."""

    def plan() -> Plan[list[object]]:
        first = yield calling(CARD, lambda queued: 1)
        second = yield Work(lambda: 2, long=True)
        third = yield Pause(0.001)
        return [first, second, third]

    jobs = [Job(plan, index=n) for n in range(6)]
    for job in jobs:
        run.submit(job, CARD)
    assert [ended(job) for job in jobs] == [[1, 2, None]] * 6


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["call", "work", "long work"])
def test_what_would_end_a_thread_is_a_failed_call(run: Dispatcher, error: BaseException, kind: str) -> None:
    step = calling(CARD, raising(error)) if kind == "call" else Work(raising(error), long=kind == "long work")

    def plan() -> Plan[object]:
        return (yield step)

    jobs = [Job(plan, index=n) for n in range(4)]  # more than there are slots and workers
    for job in jobs:
        run.submit(job, CARD)
    for job in jobs:
        found = ended(job)
        assert isinstance(found, ModelCallError)
        assert found.text.startswith(f"{type(error).__name__} instead of an answer")
    others_go_on(run)


@pytest.mark.parametrize("error", [*ENDS, ValueError("mine")], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("after", ["nothing", "call", "long work", "pause"])
def test_a_plan_that_raises_itself_ends_alone(run: Dispatcher, error: BaseException, after: str) -> None:
    """Wherever it is moved on: in a slot, beside the calls, by the clock."""

    def plan() -> Plan[object]:
        if after == "call":
            yield calling(CARD, lambda queued: 1)
        elif after != "nothing":
            yield Pause(0.001) if after == "pause" else Work(lambda: 1, long=True)
        raise error

    jobs = [Job(plan, index=n) for n in range(3)]
    for job in jobs:
        run.submit(job, CARD)
    for job in jobs:
        found = ended(job)
        assert isinstance(found, ValueError if isinstance(error, ValueError) else ModelCallError)
    others_go_on(run)


@pytest.mark.parametrize("before", [None, Work(lambda: 1, long=True), Pause(0.001)], ids=["slot", "work", "clock"])
def test_a_step_that_can_not_be_handed_on_ends_its_plan_alone(run: Dispatcher, before: Work | Pause | None) -> None:
    def plan() -> Plan[object]:
        if before is not None:
            yield before
        return (yield calling(LOST, lambda queued: 1))

    jobs = [Job(plan, index=n) for n in range(3)]
    for job in jobs:
        run.submit(job, CARD)
    assert [str(ended(job)) for job in jobs] == ["no such lane"] * 3
    others_go_on(run)


def test_where_no_thread_can_be_had_those_that_are_there_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    start, left = threading.Thread.start, [1]

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith("llmroute-slot"):
            if not left:
                raise RuntimeError("can't start new thread")
            left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    run = Dispatcher(lane_of, width_of)
    jobs = [Job(partial(well, n), index=n) for n in range(9)]
    for job in jobs:
        run.submit(job, CARD)
    assert [ended(job) for job in jobs] == list(range(9))
    run.stop()


def test_in_the_users_own_thread_ctrl_c_stays_what_it_is() -> None:
    def plan() -> Plan[object]:
        return (yield calling(CARD, raising(KeyboardInterrupt())))

    with pytest.raises(KeyboardInterrupt):
        run_now(plan())
