"""The fallback chain: who answers, and why the others did not."""

from __future__ import annotations

import time

import pytest

from pytest_llmroute.backends.chain import CANNED_TEXT, answer
from pytest_llmroute.backends.contract import Backend
from pytest_llmroute.backends.scripted import ScriptedAnswer, ScriptedBackend
from pytest_llmroute.core.models import ModelCard, RetryPolicy
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import AllModelsFailed, Cause, ModelCallError

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

    def __init__(self, fails: list[Cause]) -> None:
        self.fails, self.asked = fails, 0

    def generate(self, call: Call) -> Reply:
        self.asked += 1
        if self.fails:
            raise ModelCallError(self.fails.pop(0), "flaky", model=call.card.name)
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
