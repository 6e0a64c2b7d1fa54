"""The fallback chain: primary, then each fallback, then a canned text where one is allowed."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_llmroute.backends.breaker import Breaker, Resting
from pytest_llmroute.backends.contract import Backend
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Link, LinkFailure, Reply, whole
from pytest_llmroute.errors import AllModelsFailed, Cause, LLMRouteError, ModelCallError

log = logging.getLogger("pytest_llmroute.backends")
CANNED_TEXT = "No language model could answer. This is a canned text; nothing was generated."


def answer(
    cards: Sequence[ModelCard],
    call_for: Callable[[ModelCard], Call],
    open_: Callable[[ModelCard], Backend],
    *,
    canned: bool = False,
    within: float | None = None,
    breaker_of: Callable[[ModelCard], Breaker] = lambda card: Breaker(card.name),
) -> Reply:
    """The first reply that a link gives; it says which link, and why the earlier ones did not.

    Each model is tried as often as its card's retry policy says, as long as the time limit `within` leaves room.
    """
    __tracebackhide__ = True  # of a failed call people want to see their own line
    until = None if within is None else time.monotonic() + within
    failures: list[ModelCallError] = []
    retries = 0
    for position, card in enumerate(cards):
        breaker = breaker_of(card)
        tries = 0
        while True:
            tries += 1
            try:
                reply = _try(card, call_for, open_, breaker, until)
            except ModelCallError as error:
                failure = error
            else:
                link: Link = "fallback" if position else "primary"
                return reply.with_(
                    text=whole(reply.text), thinking=whole(reply.thinking), link=link, failures=_reasons(failures),
                    retries=retries,
                )  # fmt: skip
            if not _again(card, failure, tries, until):
                failures.append(_counted(failure, tries))
                break
            retries += 1
    if not canned:
        raise AllModelsFailed(failures)
    return Reply(CANNED_TEXT, model="canned", link="canned", failures=_reasons(failures), retries=retries)


def _try(
    card: ModelCard, call_for: Callable[[ModelCard], Call], open_: Callable[[ModelCard], Backend], breaker: Breaker,
    until: float | None,
) -> Reply:  # fmt: skip
    """One try within what is left of the time; its endpoint's breaker hears how it went."""
    breaker.check(card.name)
    try:
        reply = open_(card).generate(_limited(call_for(card), until))
    except Exception as error:
        failure = _typed(error, card)
        breaker.failed(failure)
        raise failure from failure.__cause__
    breaker.worked()
    return reply


def _limited(call: Call, until: float | None) -> Call:
    """The call with the shortest of the limits that hold for it: its own, its card's, what is left of the whole."""
    left = None if until is None else until - time.monotonic()
    if left is not None and left <= 0:
        raise ModelCallError(Cause.TIMEOUT, "not asked: the time limit is used up", model=call.card.name)
    limits = [limit for limit in (call.timeout, call.card.timeout, left) if limit is not None]
    return replace(call, timeout=min(limits)) if limits else call


def _again(card: ModelCard, failure: ModelCallError, tries: int, until: float | None) -> bool:
    """Whether to try once more; waits as long as policy and server say before it answers yes."""
    policy = card.retry
    if isinstance(failure, Resting) or not policy.again(failure.cause, tries):
        return False
    wait = max(policy.wait(tries) * random.uniform(0.5, 1.0), failure.retry_after or 0.0)
    if wait > policy.longest_wait or (until is not None and time.monotonic() + wait >= until):
        return False
    log.info("[Retry] %s: %s; try %d of %d in %.1f s", card.name, failure.cause.value, tries + 1, policy.attempts, wait)
    time.sleep(wait)
    return True


def _counted(failure: ModelCallError, tries: int) -> ModelCallError:
    if tries == 1:
        return failure
    counted = ModelCallError(failure.cause, f"{failure.text} ({tries} tries)", model=failure.model)
    counted.__cause__ = failure
    return counted


def _typed(error: Exception, card: ModelCard) -> ModelCallError:
    """Whatever a backend raises, with a cause; a bug in a backend must not pass for a model's miss."""
    if isinstance(error, ModelCallError):
        return error
    if isinstance(error, LLMRouteError):
        return ModelCallError(Cause.BACKEND, str(error), model=card.name)
    failure = ModelCallError(Cause.BACKEND, f"{type(error).__name__}: {error}", model=card.name)
    failure.__cause__ = error
    return failure


def _reasons(failures: Sequence[ModelCallError]) -> tuple[LinkFailure, ...]:
    return tuple(LinkFailure(item.model, item.cause.value, item.text) for item in failures)
