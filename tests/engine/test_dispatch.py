"""Plans are run ahead: in slots, in order, as far as somebody wants them, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import Attempt, Ended, Entrant, Pause, Plan, Race, Work, run_now
from pytest_llmroute.core.stops import Stop
from pytest_llmroute.engine.dispatch import Dispatcher, Dropped, Job
from pytest_llmroute.engine.leases import POSSIBLE, SlotLeases
from pytest_llmroute.engine.width import FIRST, Fixed, Growing, Width, width_for
from pytest_llmroute.errors import Cause, ModelCallError
from tests.engine.made import calling

CARDS = {name: ModelCard(name, "x") for name in ("a", "b")}


class Server:
    """Answers after a while, and knows how many it answered at once and in which order."""

    def __init__(self, seconds: float = 0.0, together: int = 1) -> None:
        """`together`: it answers only when so many have asked."""
        self.seconds, self.order = seconds, list[object]()
        self._together = threading.Barrier(together, timeout=30)
        self.now = self.most = 0
        self._lock = threading.Lock()

    def answer(self, what: object) -> object:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.order.append(what)
        self._together.wait()
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        return what


def ask(server: Server, what: object, model: str = "a") -> Plan[object]:
    return (yield calling(CARDS[model], lambda queued: server.answer(what)))


@pytest.fixture(params=[False, True], ids=["threads", "one thread"])
def dispatcher(request: pytest.FixtureRequest) -> Iterator[Callable[..., Dispatcher]]:
    made: list[Dispatcher] = []

    def make(
        slots: int | Width = 4, *, lane: Callable[[ModelCard], str] = lambda card: "one", **more: Any
    ) -> Dispatcher:
        width = Fixed(slots) if isinstance(slots, int) else slots
        made.append(Dispatcher(lane, lambda card: width, waits=lambda card: bool(request.param), **more))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_as_many_calls_are_made_at_once_as_there_are_slots_and_never_more(
    dispatcher: Callable[..., Dispatcher],
) -> None:
    server, run = Server(together=5), dispatcher(5)
    jobs = [Job(partial(ask, server, n), index=n) for n in range(40)]
    for job in jobs:
        run.submit(job, CARDS["a"])
    assert [job.wait() for job in jobs] == list(range(40))
    assert server.most == 5
    assert sorted(map(str, server.order[:5])) == list("01234")


def test_each_lane_has_its_own_slots(dispatcher: Callable[..., Dispatcher]) -> None:
    server, run = Server(0.05), dispatcher(1, lane=lambda card: card.name)
    jobs = [Job(partial(ask, server, model, model), index=n) for n, model in enumerate("ab")]
    for job, model in zip(jobs, "ab", strict=True):
        run.submit(job, CARDS[model])
    assert [job.wait() for job in jobs] == ["a", "b"]
    assert server.most == 2


def test_whoever_waits_goes_before_what_is_made_ahead(dispatcher: Callable[..., Dispatcher]) -> None:
    server, run = Server(0.02), dispatcher(1)
    jobs = [Job(partial(ask, server, n), index=n) for n in range(10)]
    for job in jobs:
        run.submit(job, CARDS["a"])
    assert run.follow(ask(server, "now")).wait() == "now"
    assert server.order.index("now") <= 2
    assert [job.wait() for job in jobs] == list(range(10))


def test_no_more_is_made_ahead_than_is_allowed(dispatcher: Callable[..., Dispatcher]) -> None:
    server, run = Server(), dispatcher(4, ahead=3)
    jobs = [Job(partial(ask, server, n), index=n) for n in range(10)]
    for job in jobs:
        run.submit(job, CARDS["a"])
    jobs[2].wait()
    time.sleep(0.05)
    assert sorted(map(str, server.order)) == ["0", "1", "2"]
    run.reached(5)
    jobs[7].wait()
    time.sleep(0.05)
    assert len(server.order) == 8


def test_a_failure_reaches_the_plan_and_then_whoever_waits(dispatcher: Callable[..., Dispatcher]) -> None:
    def fails(queued: float) -> object:
        raise ModelCallError(Cause.SERVER, "broken")

    def plan() -> Plan[str]:
        with pytest.raises(ModelCallError):
            yield calling(CARDS["a"], fails)
        yield calling(CARDS["a"], fails)
        return "never"

    with pytest.raises(ModelCallError, match="broken"):
        dispatcher().follow(plan()).wait()


def test_a_stopped_dispatcher_lets_nobody_wait(dispatcher: Callable[..., Dispatcher]) -> None:
    server, run = Server(0.2), dispatcher(1)
    jobs = [Job(partial(ask, server, n), index=n) for n in range(5)]
    for job in jobs:
        run.submit(job, CARDS["a"])
    run.stop()
    late = Job(lambda: ask(server, "late"), index=9)
    run.submit(late, CARDS["a"])
    for job in (jobs[-1], late):
        with pytest.raises(Dropped):
            job.wait()


@pytest.mark.skipif(not POSSIBLE, reason="no locks on files here")
def test_who_has_stopped_leaves_all_shared_slots_though_its_process_lives_on(
    dispatcher: Callable[..., Dispatcher], tmp_path: Path
) -> None:
    """A worker of pytest-xdist that is done waits for the others."""
    server = Server()
    done, other = (dispatcher(SlotLeases(tmp_path, 1, 1)) for _ in range(2))
    done.follow(ask(server, "first")).wait()
    waiting = other.follow(ask(server, "other"))
    done.stop()
    done.leave()
    assert waiting.wait() == "other"
    late = done.follow(ask(server, "late"))
    with pytest.raises(Dropped):
        late.wait()


def test_several_may_wait_for_one_plan_and_its_first_end_counts() -> None:
    job, heard = Job(lambda: pytest.fail("nobody moves it on")), list[str]()
    waiting = [threading.Thread(target=lambda: heard.append(job.wait())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    job.end("first")
    job.end("second", ValueError())
    for thread in waiting:
        thread.join(5)
    assert heard == ["first"] * 3
    assert job.wait() == "first"


def test_own_seconds_leave_the_waiting_out(dispatcher: Callable[..., Dispatcher]) -> None:
    server, run = Server(0.05), dispatcher(1)
    jobs = [Job(partial(ask, server, n), index=n) for n in range(6)]
    for job in jobs:
        run.submit(job, CARDS["a"])
    jobs[-1].wait()
    assert 0.04 < jobs[-1].own_seconds < 0.15


def test_a_pause_holds_no_slot_and_long_work_neither(dispatcher: Callable[..., Dispatcher]) -> None:
    server, run = Server(0.01), dispatcher(1, workers=1)

    def plan(step: Pause | Work) -> Plan[list[object]]:
        first = yield calling(CARDS["a"], lambda queued: server.answer("first"))
        between = yield step
        last = yield calling(CARDS["a"], lambda queued: server.answer("last"))
        return [first, between, last]

    def slow() -> str:
        time.sleep(0.2)
        return "done"

    jobs = [run.follow(plan(step)) for step in (Pause(0.2), Work(slow, long=True))]
    time.sleep(0.05)
    started = time.perf_counter()
    assert run.follow(ask(server, "meanwhile")).wait() == "meanwhile"
    assert time.perf_counter() - started < 0.1
    assert [job.wait() for job in jobs] == [["first", None, "last"], ["first", "done", "last"]]


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "work", "long", "pause", "fail"]), max_size=5), min_size=1, max_size=12
    ),
    st.integers(1, 4),
    st.sampled_from(["", "a", "b", "ab"]),
)
@settings(max_examples=60, deadline=None)
def test_plans_end_as_they_do_one_after_another(kinds: list[list[str]], slots: int, waiting: str) -> None:
    """`waiting`: the models whose calls need no threads."""

    def plan(steps: list[str]) -> Plan[list[object]]:
        seen: list[object] = []
        for number, kind in enumerate(steps):
            try:
                seen.append((yield _step(kind, number)))
            except ModelCallError as error:
                seen.append(error.text)
        return seen

    run = Dispatcher(lambda card: "one", lambda card: Fixed(slots), waits=lambda card: card.name in waiting)
    try:
        jobs = [Job(partial(plan, steps), index=n) for n, steps in enumerate(kinds)]
        for job in jobs:
            run.submit(job, CARDS["a"])
        assert [job.wait() for job in jobs] == [run_now(plan(steps)) for steps in kinds]
    finally:
        run.stop()


def _step(kind: str, number: int) -> Attempt | Pause | Work:
    def fail(queued: float) -> object:
        raise ModelCallError(Cause.SERVER, f"failed {number}")

    if kind == "fail":
        return calling(CARDS["a"], fail)
    if kind == "pause":
        return Pause(0.001)
    if kind in ("work", "long"):
        return Work(lambda: (kind, number), long=kind == "long")
    return calling(CARDS[kind], lambda queued: (kind, number))


def test_a_growing_width_grows_while_all_goes_well_and_halves_when_told_to_slow_down() -> None:
    width = Growing()
    assert width() == FIRST
    for _ in range(FIRST + FIRST + 1):
        width.heard(None)
    assert width() == FIRST + 2
    width.heard(ModelCallError(Cause.RATE, "slow down"))
    assert width() == (FIRST + 2) // 2
    width.heard(ModelCallError(Cause.SERVER, "broken"))
    assert width() == (FIRST + 2) // 2
    for _ in range(10):
        width.heard(ModelCallError(Cause.RATE, "slow down"))
    assert width() == 1


@pytest.mark.parametrize(
    ("wanted", "own", "slots"),
    [(None, None, FIRST), (8, None, 8), (None, 1, 1), (8, 1, 1), (None, 0, None), (8, 0, 8)],
)
def test_the_width_is_what_the_user_says_within_what_the_backend_can(
    wanted: int | None, own: int | None, slots: int | None
) -> None:
    width = width_for(wanted, own)
    assert (width and width()) == slots


def racing(*plans: Plan[Any]) -> Plan[tuple[Ended | None, ...]]:
    """They race; an even number wins."""
    entrants = tuple(Entrant(plan, Stop()) for plan in plans)
    came: tuple[Ended | None, ...] = yield Race(entrants, wins=lambda number: number % 2 == 0)
    assert all(ended is None for one, ended in zip(entrants, came, strict=True) if one.stop.given)
    return came


def twice(number: int, said: list[int], until: Callable[[], object] = lambda: None) -> Plan[int]:
    """Two calls; those that were begun are said."""

    def call(half: int) -> None:
        said.append(half)
        until()

    for half in (number, -number):
        yield calling(CARDS["a"], lambda queued, half=half: call(half))  # type: ignore[misc]
    return number


def breaking() -> Plan[int]:
    yield Pause(0)
    raise ModelCallError(Cause.SERVER, "gone")


def test_of_a_race_the_first_winner_counts_and_of_the_others_nothing_more_is_begun(
    dispatcher: Callable[..., Dispatcher],
) -> None:
    said: list[int] = []
    ahead, held = dispatcher(4), threading.Event()
    lost = twice(4, said, lambda: held.wait(20))
    late = twice(2, said, lambda: time.sleep(0.2))
    came = ahead.follow(racing(lost, late, breaking(), twice(3, said))).wait()
    assert not held.is_set()
    assert [came[0], came[1], came[3]] == [None, Ended(2), Ended(3)]
    assert isinstance(came[2].error, ModelCallError)
    held.set()
    for _ in range(500):
        if not ahead.under_way:
            break
        time.sleep(0.01)
    assert not ahead.under_way
    assert sorted(said) == [-3, -2, 2, 3, 4]


def test_a_race_without_a_winner_gives_all_and_one_in_turn_ends_with_the_winner(
    dispatcher: Callable[..., Dispatcher],
) -> None:
    assert run_now(racing(twice(1, []), twice(3, []))) == (Ended(1), Ended(3))
    assert dispatcher(2).follow(racing(twice(1, []), twice(3, []))).wait() == (Ended(1), Ended(3))
    said: list[int] = []
    assert run_now(racing(twice(1, said), twice(2, said), twice(4, said))) == (Ended(1), Ended(2), None)
    assert said == [1, -1, 2, -2]


def test_who_waits_for_a_race_is_told_when_the_run_stops(dispatcher: Callable[..., Dispatcher]) -> None:
    ahead, held = dispatcher(2), threading.Event()
    job = ahead.follow(racing(twice(1, [], lambda: held.wait(20)), twice(3, [], lambda: held.wait(20))))
    ahead.stop()
    with pytest.raises(Dropped):
        job.wait()
    held.set()
