"""The fallback chain: primary, then each fallback, then a canned text where one is allowed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from pytest_llmroute.backends.contract import Backend
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Link, LinkFailure, Reply
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
) -> Reply:
    """The first reply that a link gives; it says which link, and why the earlier ones did not.

    Each model is tried as often as its card's retry policy says, as long as the time limit `within` leaves room.
    """
    until = None if within is None else time.monotonic() + within
    failures: list[ModelCallError] = []
    retries = 0
    for position, card in enumerate(cards):
        tries = 0
        while True:
            tries += 1
            try:
                reply = open_(card).generate(call_for(card))
            except Exception as error:
                failure = _typed(error, card)
            else:
                link: Link = "fallback" if position else "primary"
                return reply.with_(link=link, failures=_reasons(failures), retries=retries)
            if not _again(card, failure, tries, until):
                failures.append(_counted(failure, tries))
                break
            retries += 1
    if not canned:
        raise AllModelsFailed(failures)
    return Reply(CANNED_TEXT, model="canned", link="canned", failures=_reasons(failures), retries=retries)


def _again(card: ModelCard, failure: ModelCallError, tries: int, until: float | None) -> bool:
    """Whether to try once more; waits as long as the policy says before it answers yes."""
    if not card.retry.again(failure.cause, tries):
        return False
    wait = card.retry.wait(tries)
    if until is not None and time.monotonic() + wait >= until:
        return False
    log.info("[Retry] %s: %s; try %d of %d in %.1f s", card.name, failure.cause.value, tries + 1,
             card.retry.attempts, wait)  # fmt: skip
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
