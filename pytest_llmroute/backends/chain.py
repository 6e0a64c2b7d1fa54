"""The fallback chain: primary, then each fallback, then a canned text where one is allowed."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from pytest_llmroute.backends.breaker import Breaker, Resting
from pytest_llmroute.backends.contract import Backend, answer
from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Link, LinkFailure, Reply
from pytest_llmroute.core.steps import Attempt, Doing, Pause, Plan
from pytest_llmroute.errors import (
    AllModelsFailed,
    Cancelled,
    Cause,
    LLMRouteError,
    ModelCallError,
    OutOfBudget,
    UserError,
)

log = logging.getLogger("pytest_llmroute.backends")
CANNED_TEXT = "No language model could answer. This is a canned text; nothing was generated."


def answering(
    cards: Sequence[ModelCard],
    call_for: Callable[[ModelCard], Call],
    open_: Callable[[ModelCard], Backend],
    *,
    canned: bool = False,
    left: Callable[[], float | None] = lambda: None,
    breaker_of: Callable[[ModelCard], Breaker] = lambda card: Breaker(card.name),
    known: Callable[[ModelCard], bool] = lambda card: False,
) -> Plan[Reply]:
    """The first reply that a link gives; it says which link, and why the earlier ones did not.

    Each model is tried as often as its card's retry policy says, as long as the time limit leaves room: `left` is asked
    when the first try begins, so that waiting for a slot is not the model's time. What is `known` needs no slot.
    """
    __tracebackhide__ = True  # of a failed call people want to see their own line
    limit = _Limit(left)
    failures: list[ModelCallError] = []
    retries = 0
    for position, card in enumerate(cards):
        breaker = breaker_of(card)
        tries = 0
        while True:
            tries += 1
            try:
                reply = yield Attempt(card, partial(_try, card, call_for, open_, breaker, limit), known(card))
            except ModelCallError as error:
                failure = error
            else:
                answered: Reply = reply.whole()
                if not position and not retries:
                    return answered
                link: Link = "fallback" if position else "primary"
                return answered.with_(link=link, failures=_reasons(failures), retries=retries)
            if isinstance(failure, Resting):
                tries -= 1
                wait = None if canned or card is not cards[-1] else _rest(card, failure, limit.until)
            else:
                wait = _wait(card, failure, tries, limit.until)
            if wait is None:
                failures.append(_counted(failure, tries))
                break
            yield Pause(wait)
            retries += 1
    if not canned:
        raise AllModelsFailed(failures)
    return Reply(CANNED_TEXT, model="canned", link="canned", failures=_reasons(failures), retries=retries)


class _Limit:
    """When all tries must have ended."""

    def __init__(self, left: Callable[[], float | None]) -> None:
        self._left = left
        self._begun = False
        self.until: float | None = None

    def begin(self) -> None:
        if not self._begun:
            self._begun = True
            left = self._left()
            self.until = None if left is None else time.monotonic() + left


def _try(
    card: ModelCard, call_for: Callable[[ModelCard], Call], open_: Callable[[ModelCard], Backend], breaker: Breaker,
    limit: _Limit, queued: float,
) -> Doing[Reply]:  # fmt: skip
    """One try within what is left of the time; its endpoint's breaker hears how it went."""
    breaker.check(card.name)
    limit.begin()
    call: Call | None = None
    try:
        call = _limited(call_for(card), limit.until)
        reply = yield from answer(open_(card), call)
    except (OutOfBudget, Cancelled):
        raise  # nobody was asked, and nobody shall be; or nobody waits for it
    except Exception as error:
        if call is not None and call.stop is not None:
            call.stop.check()  # however its backend ended it
        failure = _typed(error, card)
        breaker.failed(failure)
        raise failure from failure.__cause__
    breaker.worked()
    return reply.waited(queued)


def _limited(call: Call, until: float | None) -> Call:
    """The call with the shortest of the limits that hold for it: its own, its card's, what is left of the whole."""
    left = None if until is None else until - time.monotonic()
    if left is not None and left <= 0:
        raise ModelCallError(Cause.TIMEOUT, "not asked: the time limit is used up", model=call.card.name)
    limits = [limit for limit in (call.timeout, call.card.timeout, left) if limit is not None]
    return replace(call, timeout=min(limits)) if limits else call


def _wait(card: ModelCard, failure: ModelCallError, tries: int, until: float | None) -> float | None:
    """Seconds before one more try, as policy and server say; None where there shall be none."""
    policy = card.retry
    if not policy.again(failure.cause, tries):
        return None
    wait = max(policy.wait(tries) * random.uniform(0.5, 1.0), failure.retry_after or 0.0)
    if wait > policy.longest_wait or (until is not None and time.monotonic() + wait >= until):
        return None
    log.info("[Retry] %s: %s; try %d of %d in %.1f s", card.name, failure.cause.value, tries + 1, policy.attempts, wait)
    return wait


def _rest(card: ModelCard, failure: Resting, until: float | None) -> float | None:
    """Seconds until an endpoint that rests is tried again, where nobody else can be asked; None where that is too long.

    A server that is started anew has lost no call; one that is gone rests longer each time, and soon too long.
    """
    wait = (failure.retry_after or 0.0) * random.uniform(1.0, 1.1)
    too_long = wait > card.retry.longest_wait or (until is not None and time.monotonic() + wait >= until)
    return None if too_long or card.retry.attempts < 2 else wait


def _counted(failure: ModelCallError, tries: int) -> ModelCallError:
    if tries < 2:
        return failure
    counted = ModelCallError(failure.cause, f"{failure.text} ({tries} tries)", model=failure.model)
    counted.__cause__ = failure
    return counted


def _typed(error: Exception, card: ModelCard) -> ModelCallError:
    """Whatever a backend raises, with a cause; a bug in a backend must not pass for a model's miss."""
    if isinstance(error, ModelCallError):
        return error
    if isinstance(error, UserError) and error.code is Code.HOOK:
        return ModelCallError(Cause.BACKEND, error.what, model=card.name)
    if isinstance(error, LLMRouteError):
        return ModelCallError(Cause.BACKEND, str(error), model=card.name)
    failure = ModelCallError(Cause.BACKEND, f"{type(error).__name__}: {error}", model=card.name)
    failure.__cause__ = error
    return failure


def _reasons(failures: Sequence[ModelCallError]) -> tuple[LinkFailure, ...]:
    return tuple(LinkFailure(item.model, item.cause.value, item.text) for item in failures)
