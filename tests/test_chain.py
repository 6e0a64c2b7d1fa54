"""The fallback chain: who answers, and why the others did not."""

from __future__ import annotations

import pytest

from pytest_llmroute.backends.chain import CANNED_TEXT, answer
from pytest_llmroute.backends.contract import Backend
from pytest_llmroute.backends.scripted import ScriptedAnswer, ScriptedBackend
from pytest_llmroute.core.models import ModelCard, RetryPolicy
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import AllModelsFailed, Cause

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
