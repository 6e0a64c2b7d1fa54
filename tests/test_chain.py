"""The fallback chain: who answers, and why the others did not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pytest_llmroute.backends.breaker import FAILURES, FIRST_REST, TROUBLE, Breaker, Resting
from pytest_llmroute.backends.chain import CANNED_TEXT, answering
from pytest_llmroute.backends.contract import Backend
from pytest_llmroute.backends.scripted import ScriptedAnswer, ScriptedBackend
from pytest_llmroute.core.models import ModelCard, RetryPolicy
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.core.steps import run_now
from pytest_llmroute.errors import AllModelsFailed, Cause, ModelCallError


def answer(*args: Any, within: float | None = None, **more: Any) -> Reply:
    """The chain's steps one after another."""
    return run_now(answering(*args, left=lambda: within, **more))


CARDS = [ModelCard(name, "scripted", retry=RetryPolicy(attempts=1)) for name in ("first", "second")]


def ask(first: object, second: object, *, canned: bool = False) -> Reply:
    scripts = {"first": first, "second": second}

    def call_for(card: ModelCard) -> Call:
        return Call(card, (Message("user", "hello"),), Sampling(), script=scripts[card.name])

    return answer(CARDS, call_for, ScriptedBackend, canned=canned)


def test_the_primary_answers_when_it_can() -> None:
    reply = ask("one", "two")
    assert (reply.text, reply.model, reply.link, reply.failures) == ("one", "first", "primary", ())


def test_the_fallback_says_why_the_primary_did_not() -> None:
    reply = ask(ScriptedAnswer(fail=Cause.OUT_OF_MEMORY), "two")
    assert (reply.text, reply.link) == ("two", "fallback")
    assert [(item.model, item.cause) for item in reply.failures] == [("first", "out-of-memory")]


def test_without_a_canned_text_the_failure_names_every_link() -> None:
    with pytest.raises(AllModelsFailed, match=r"first: scripted failure \[rate\]; second: .*\[auth\]") as caught:
        ask(ScriptedAnswer(fail=Cause.RATE), ScriptedAnswer(fail=Cause.AUTH))
    assert caught.value.cause is Cause.AUTH


def test_a_canned_text_says_that_it_is_one() -> None:
    reply = ask(ScriptedAnswer(fail=Cause.RATE), None, canned=True)
    assert (reply.text, reply.link, reply.model) == (CANNED_TEXT, "canned", "canned")
    assert [item.cause for item in reply.failures] == ["rate", "missing-script"]


def test_a_bug_in_a_backend_is_a_typed_failure_and_never_a_reply() -> None:
    def broken(card: ModelCard) -> Backend:
        raise ZeroDivisionError("mine")

    with pytest.raises(AllModelsFailed, match=r"first: ZeroDivisionError: mine \[backend\]"):
        answer(CARDS[:1], lambda card: Call(card, (), Sampling()), broken)


def test_an_interruption_is_not_swallowed() -> None:
    def interrupted(card: ModelCard) -> Backend:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(CARDS, lambda card: Call(card, (), Sampling()), interrupted, canned=True)


class Flaky:
    """A backend that fails as often as it is told, then answers."""

    def __init__(self, fails: list[Cause], retry_after: float | None = None) -> None:
        self.fails, self.asked, self.retry_after = fails, 0, retry_after
        self.limits: list[float | None] = []

    def generate(self, call: Call) -> Reply:
        self.asked += 1
        self.limits.append(call.timeout)
        if self.fails:
            raise ModelCallError(self.fails.pop(0), "flaky", model=call.card.name, retry_after=self.retry_after)
        return Reply("fine", call.card.name)

    def close(self) -> None: ...


QUICK = RetryPolicy(attempts=3, first_wait=0.0, causes=("rate", "server"))


def flaky(fails: list[Cause], retry: RetryPolicy = QUICK, *, within: float | None = None) -> tuple[Reply, Flaky]:
    backend = Flaky(fails)
    card = ModelCard("m", "flaky", retry=retry)
    reply = answer([card], lambda c: Call(c, (), Sampling()), lambda c: backend, canned=True, within=within)
    return reply, backend


def test_a_call_is_tried_again_as_the_cards_policy_says() -> None:
    reply, backend = flaky([Cause.RATE, Cause.SERVER])
    assert (reply.text, reply.link, reply.retries, backend.asked) == ("fine", "primary", 2, 3)


def test_a_policy_has_an_end_and_the_failure_says_how_often_it_was_tried() -> None:
    reply, backend = flaky([Cause.RATE] * 5)
    assert (reply.link, reply.retries, backend.asked) == ("canned", 2, 3)
    assert reply.failures[0].text == "flaky (3 tries)"


def test_what_no_second_try_would_mend_is_not_tried_again() -> None:
    reply, backend = flaky([Cause.AUTH])
    assert (reply.link, reply.retries, backend.asked) == ("canned", 0, 1)
    assert reply.failures[0].text == "flaky"


def test_a_wait_that_the_time_limit_has_no_room_for_is_not_begun() -> None:
    started = time.monotonic()
    reply, backend = flaky([Cause.RATE], RetryPolicy(first_wait=30.0), within=1.0)
    assert (reply.link, backend.asked) == ("canned", 1)
    assert time.monotonic() - started < 1


def test_waits_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=9, first_wait=1, factor=3, longest_wait=5)
    assert [policy.wait(failed) for failed in (1, 2, 3)] == [1, 3, 5]


@pytest.mark.parametrize("cause", [Cause.REFUSED, Cause.TIMEOUT, Cause.SERVER, Cause.RATE])
def test_trouble_that_may_pass_is_tried_again_unless_a_card_says_otherwise(cause: Cause) -> None:
    reply, backend = flaky([cause], RetryPolicy(first_wait=0.0))
    assert (reply.text, backend.asked) == ("fine", 2)


@pytest.mark.parametrize("cause", sorted(set(Cause) - TROUBLE - {Cause.RATE}, key=str))
def test_what_stays_as_it_is_is_not(cause: Cause) -> None:
    reply, backend = flaky([cause], RetryPolicy(first_wait=0.0))
    assert (reply.link, backend.asked) == ("canned", 1)


def test_the_servers_word_on_waiting_holds_within_the_cards() -> None:
    def asked(retry_after: float, retry: RetryPolicy) -> tuple[float, int]:
        backend = Flaky([Cause.RATE], retry_after)
        started = time.monotonic()
        answer([ModelCard("m", "x", retry=retry)], lambda c: Call(c, (), Sampling()), lambda c: backend, canned=True)
        return time.monotonic() - started, backend.asked

    seconds, tries = asked(0.3, RetryPolicy(first_wait=0.0))
    assert (0.28 < seconds < 1, tries) == (True, 2)
    assert asked(60.0, RetryPolicy(first_wait=0.0, longest_wait=1.0))[1] == 1


def test_each_try_gets_what_is_left_of_the_time() -> None:
    backend = Flaky([Cause.RATE, Cause.RATE])
    card = ModelCard("m", "x", retry=RetryPolicy(first_wait=0.2, factor=1.0))
    answer([card], lambda c: Call(c, (), Sampling()), lambda c: backend, within=5.0)
    limits = [limit for limit in backend.limits if limit is not None]
    assert len(limits) == 3
    assert 5.0 >= limits[0] > limits[1] + 0.09 > limits[2] + 0.18
    slow = Flaky([])
    answer([ModelCard("m", "x", timeout=2.0)], lambda c: Call(c, (), Sampling()), lambda c: slow, within=5.0)
    assert slow.limits == [2.0]


def test_nobody_is_asked_when_the_time_is_used_up() -> None:
    backend = Flaky([])
    with pytest.raises(AllModelsFailed, match="the time limit is used up") as caught:
        answer([ModelCard("m", "x")], lambda c: Call(c, (), Sampling()), lambda c: backend, within=0.0)
    assert (caught.value.cause, backend.asked) == (Cause.TIMEOUT, 0)


class TestBreaker:
    """A server that keeps failing is left alone, also where it is the only one."""

    def setup_method(self) -> None:
        self.now = 100.0
        self.breaker = Breaker("http://here", clock=lambda: self.now)

    def fail(self, times: int, cause: Cause = Cause.REFUSED) -> None:
        for _ in range(times):
            self.breaker.failed(ModelCallError(cause, "nothing answers"))

    def rests(self) -> bool:
        try:
            self.breaker.check("m")
        except Resting:
            return True
        return False

    def test_it_rests_after_failures_in_a_row(self) -> None:
        self.fail(FAILURES - 1)
        assert not self.rests()
        self.breaker.worked()
        self.fail(FAILURES - 1)
        assert not self.rests()
        self.fail(1)
        with pytest.raises(Resting, match=r"http://here failed 5 times in a row \(nothing answers\); .* in 5 s"):
            self.breaker.check("m")

    def test_one_caller_tries_after_the_rest_and_its_success_opens_it_for_all(self) -> None:
        self.fail(FAILURES)
        self.now += FIRST_REST + 0.1
        assert [self.rests(), self.rests()] == [False, True]
        self.breaker.worked()
        assert not self.rests()

    def test_each_failure_after_a_rest_makes_the_next_one_longer(self) -> None:
        self.fail(FAILURES)
        for rest in (10.0, 20.0, 40.0, 60.0, 60.0):
            self.now += 1000
            assert not self.rests()
            self.fail(1)
            self.now += rest - 0.1
            assert self.rests()

    @pytest.mark.parametrize("cause", sorted(set(Cause) - TROUBLE, key=str))
    def test_what_tells_of_the_call_does_not_count(self, cause: Cause) -> None:
        self.fail(9, cause)
        assert not self.rests()

    def test_a_chain_goes_on_at_once_where_the_first_server_rests(self) -> None:
        backends = {"first": Flaky([Cause.REFUSED] * 99), "second": Flaky([])}
        cards = [ModelCard(name, "x", retry=RetryPolicy(attempts=2, first_wait=0.0)) for name in backends]
        breakers = {name: Breaker(name) for name in backends}
        for _ in range(6):
            reply = answer(
                cards, lambda c: Call(c, (), Sampling()), lambda c: backends[c.name],
                breaker_of=lambda c: breakers[c.name],
            )  # fmt: skip
            assert (reply.model, reply.failures[0].cause) == ("second", "refused")
        assert backends["first"].asked == FAILURES

    def test_failures_of_calls_that_were_on_their_way_make_no_rest_longer(self) -> None:
        self.fail(FAILURES + 7)
        self.now += FIRST_REST + 0.1
        assert not self.rests()

    def test_where_nobody_else_can_be_asked_a_call_waits_for_the_end_of_the_rest(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As long as the card's policy waits at most; it is no try."""
        monkeypatch.setattr("pytest_llmroute.backends.breaker.FIRST_REST", 0.1)
        breaker = Breaker("http://here")
        backend = Flaky([Cause.REFUSED] * FAILURES)

        def asked(longest: float) -> Reply:
            card = ModelCard("m", "x", retry=RetryPolicy(attempts=FAILURES + 1, first_wait=0.0, longest_wait=longest))
            return answer([card], lambda c: Call(c, (), Sampling()), lambda c: backend, breaker_of=lambda c: breaker)

        started = time.monotonic()
        assert asked(5.0).retries == FAILURES + 1
        assert time.monotonic() - started > 0.09
        breaker = Breaker("http://here")
        backend = Flaky([Cause.REFUSED] * FAILURES)
        with pytest.raises(AllModelsFailed, match="failed 5 times in a row"):
            asked(0.01)
