"""One thread goes on with many things that wait: each when its socket is ready or its time has come, and alone."""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.core.steps import Doing, Pause, Ready, Work, waited
from pytest_llmroute.engine.poller import LATER, Poller

SOON = 20.0
FAR = 3600.0


@pytest.fixture
def poller() -> Iterator[Poller]:
    made = Poller()
    yield made
    made.stop()


def results(poller: Poller, doings: list[Doing[Any]]) -> list[Any]:
    """Of all, begun together; waits for them."""
    found: dict[int, Any] = {}
    done = threading.Semaphore(0)

    def noted(place: int, doing: Doing[Any]) -> Doing[None]:
        try:
            found[place] = yield from doing
        finally:
            done.release()

    for place, doing in enumerate(doings):
        poller.begin(noted(place, doing))
    for _ in doings:
        assert done.acquire(timeout=SOON), "it waits for ever"
    return [found.get(place) for place in range(len(doings))]


def until(holds: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if holds():
            return True
        time.sleep(0.005)
    return False


def byte_of(ear: socket.socket) -> Doing[bytes]:
    yield Ready(ear, time.monotonic() + FAR)
    return ear.recv(1)


STEPS = ("byte", "another socket", "nothing comes", "write", "pause", "work", "failing work", "closed socket")


def program(steps: list[str]) -> Doing[list[object]]:
    """What its steps gave; some close a socket, so that the next one has its number."""
    seen: list[object] = []
    ear, mouth = socket.socketpair()
    try:
        for step in steps:
            if step == "another socket":
                ear.close()
                mouth.close()
                ear, mouth = socket.socketpair()
            elif step == "byte":
                threading.Timer(0.001, mouth.send, [b"x"]).start()
                seen.append((yield from byte_of(ear)))
            elif step == "nothing comes":
                limit = time.monotonic() + 0.002
                while time.monotonic() < limit:
                    yield Ready(ear, limit)
                seen.append("late")
            elif step == "write":
                yield Ready(ear, time.monotonic() + FAR, writes=True)
                seen.append(ear.send(b"y"))
            elif step == "closed socket":
                with closing(socket.socket()) as gone:
                    pass
                try:
                    yield Ready(gone, time.monotonic() + FAR)
                except (OSError, ValueError):
                    seen.append("closed")
            else:
                seen.append((yield from other(step)))
    finally:
        ear.close()
        mouth.close()
    return seen


def other(step: str) -> Doing[object]:
    if step == "pause":
        return (yield Pause(0.001))
    try:
        return (yield Work(lambda: threading.get_ident() and 1 // (step == "work")))
    except ZeroDivisionError:
        return "failed"


@given(st.lists(st.lists(st.sampled_from(STEPS), max_size=6), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_many_at_once_end_as_they_do_one_after_another(programs: list[list[str]]) -> None:
    poller = Poller()
    try:
        assert results(poller, [program(steps) for steps in programs]) == [waited(program(steps)) for steps in programs]
    finally:
        poller.stop()


def test_all_of_them_are_moved_on_by_one_thread_and_what_holds_it_up_beside(poller: Poller) -> None:
    def where() -> Doing[tuple[int, int]]:
        mine = threading.get_ident()
        beside = yield Work(threading.get_ident)
        assert threading.get_ident() == mine
        return mine, beside

    found = results(poller, [where() for _ in range(20)])
    assert len({mine for mine, _ in found}) == 1
    assert not {mine for mine, _ in found} & {beside for _, beside in found}


def test_who_waits_long_holds_nobody_up(poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(50)]
    gate = threading.Event()
    ended = threading.Event()

    def held() -> Doing[None]:
        yield Work(lambda: gate.wait(SOON))
        ended.set()

    poller.begin(held())
    for _, mouth in reversed(pairs):
        mouth.send(b"x")
    assert results(poller, [byte_of(ear) for ear, _ in pairs]) == [b"x"] * 50
    assert not ended.is_set()
    gate.set()
    assert ended.wait(SOON)
    for one in sum(pairs, ()):
        one.close()


def test_what_fails_ends_alone(poller: Poller, caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> Doing[None]:
        yield Pause(0)
        raise SystemExit("of no use to anybody")

    with caplog.at_level(logging.WARNING):
        assert results(poller, [fails(), other("pause"), fails(), other("work")]) == [None, None, None, 1]
    assert "could not go on" in caplog.text


def test_a_limit_that_comes_nearer_is_kept(poller: Poller) -> None:
    ear, mouth = socket.socketpair()

    def twice() -> Doing[float]:
        yield Ready(ear, time.monotonic() + 0.01)
        began = time.monotonic()
        for seconds in (100, 0.05):
            if seconds == 100:
                ear.send(b"x")
                yield Ready(ear, began + seconds, writes=True)
            else:
                yield Ready(ear, began + seconds)
        return time.monotonic() - began

    (took,) = results(poller, [twice()])
    assert 0.05 <= took < 5
    ear.close()
    mouth.close()


def test_a_socket_that_somebody_else_closed_leaves_its_number_to_the_next(poller: Poller) -> None:
    ear, mouth = socket.socketpair()

    def first() -> Doing[str]:
        yield Ready(ear, time.monotonic() + 0.3)
        return "late"

    def second() -> Doing[bytes]:
        yield Pause(0.01)
        number = ear.detach()
        ours, theirs = socket.socketpair()
        os.dup2(ours.fileno(), number)  # closes what was there, and nobody else can have the number meanwhile
        ours.close()
        with socket.socket(fileno=number) as ear_now, theirs:
            threading.Timer(0.01, theirs.send, [b"x"]).start()
            return (yield from byte_of(ear_now))

    assert results(poller, [first(), second()]) == ["late", b"x"]
    mouth.close()


def test_it_is_calm_when_nothing_is_left_to_do(poller: Poller) -> None:
    assert poller.calm.is_set()
    seen: list[bool] = []

    def looks() -> Doing[None]:
        seen.append(poller.calm.is_set())
        yield Pause(0.05)

    results(poller, [looks() for _ in range(3)])
    assert seen == [False] * 3
    assert poller.calm.wait(SOON)


def test_garbage_lies_about_only_while_there_is_something_to_do_and_never_against_the_users_word(
    poller: Poller,
) -> None:
    usual, seen = gc.get_threshold(), list[tuple[int, ...]]()

    def looks(then: Callable[[], None] = lambda: None) -> Doing[None]:
        seen.append(gc.get_threshold())
        yield Pause(0.01)
        seen.append(gc.get_threshold())
        then()

    try:
        results(poller, [looks()])
        assert poller.calm.wait(SOON)
        assert until(lambda: gc.get_threshold() == usual)
        assert seen == [(LATER, *usual[1:])] * 2
        results(poller, [looks(lambda: gc.set_threshold(1234))])
        assert poller.calm.wait(SOON)
        assert gc.get_threshold()[0] == 1234
        gc.set_threshold(0)
        seen.clear()
        results(poller, [looks()])
        assert [one[0] for one in (*seen, gc.get_threshold())] == [0, 0, 0]
    finally:
        gc.set_threshold(*usual)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts files by /proc")
def test_when_it_is_stopped_it_ends_as_soon_as_nothing_is_on_its_way() -> None:
    def here() -> list[str]:
        return [one.name for one in threading.enumerate() if one.name == "llmroute-calls"]

    assert until(lambda: not here())
    files = len(os.listdir("/proc/self/fd"))
    idle, busy, unused, gate = Poller(), Poller(), Poller(), threading.Event()
    results(idle, [other("work")])
    busy.begin(working(partial(gate.wait, SOON)))
    for one in (idle, busy, unused):
        one.stop()
    assert until(lambda: len(here()) == 1)
    gate.set()
    assert until(lambda: not here())
    assert until(lambda: len(os.listdir("/proc/self/fd")) == files)


def working(do: Callable[[], object]) -> Doing[None]:
    yield Work(do)


def test_alarms_of_what_has_ended_do_not_pile_up(poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(100)]

    def one(ear: socket.socket) -> Doing[bytes]:
        yield Ready(ear, time.monotonic() + FAR)
        return ear.recv(1)

    for _ in range(30):
        for _, mouth in pairs:
            mouth.send(b"x")
        assert results(poller, [one(ear) for ear, _ in pairs]) == [b"x"] * 100
    assert len(poller._alarms) < 1500
    for each in sum(pairs, ()):
        each.close()
