"""The fallback chain: primary, then each fallback, then a canned text where one is allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_llmroute.backends.contract import Backend
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, LinkFailure, Reply
from pytest_llmroute.errors import AllModelsFailed, Cause, LLMRouteError, ModelCallError

CANNED_TEXT = "No language model could answer. This is a canned text; nothing was generated."


def answer(
    cards: Sequence[ModelCard],
    call_for: Callable[[ModelCard], Call],
    open_: Callable[[ModelCard], Backend],
    *,
    canned: bool = False,
) -> Reply:
    """The first reply that a link gives; it says which link, and why the earlier ones did not."""
    failures: list[ModelCallError] = []
    for position, card in enumerate(cards):
        try:
            reply = open_(card).generate(call_for(card))
        except Exception as error:
            failures.append(_typed(error, card))
            continue
        return reply.with_(link="fallback" if position else "primary", failures=_reasons(failures))
    if not canned:
        raise AllModelsFailed(failures)
    return Reply(CANNED_TEXT, model="canned", link="canned", failures=_reasons(failures))


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
