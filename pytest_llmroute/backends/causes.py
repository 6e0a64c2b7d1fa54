"""What a server's refusal means, whoever the server is."""

from __future__ import annotations

from pytest_llmroute.backends.wire import Refusal
from pytest_llmroute.errors import Cause

CONTEXT_WORDS = (
    "context length", "context_length", "context size", "context_size", "context window", "maximum context",
    "too many tokens", "prompt is too long", "reduce the length", "exceeds the available context",
)  # fmt: skip
MEMORY_WORDS = ("out of memory", "failed to allocate", "insufficient memory", "cuda error")
ABLE_WORDS = ("not support", "unsupported", "not enabled", "requires --jinja", "not available for this model")
BY_STATUS = {
    401: Cause.AUTH, 403: Cause.AUTH, 402: Cause.BUDGET, 404: Cause.MISSING_MODEL, 408: Cause.TIMEOUT,
    413: Cause.CONTEXT, 429: Cause.RATE, 504: Cause.TIMEOUT, 529: Cause.RATE,
}  # fmt: skip
MONEY_WORDS = ("insufficient_quota", "billing", "credit balance")


def cause_of(refusal: Refusal) -> Cause:
    """What a refusal means: its words first, since servers differ in their statuses."""
    words = f"{refusal.kind} {refusal.message}".lower()
    if any(word in words for word in MONEY_WORDS):
        return Cause.BUDGET
    if refusal.status < 500 or refusal.status == 500:
        if any(word in words for word in CONTEXT_WORDS):
            return Cause.CONTEXT
        if any(word in words for word in MEMORY_WORDS):
            return Cause.OUT_OF_MEMORY
    if refusal.status in (400, 422, 501) and any(word in words for word in ABLE_WORDS):
        return Cause.CAPABILITY
    if refusal.status in BY_STATUS:
        return BY_STATUS[refusal.status]
    if refusal.status >= 500:
        return Cause.SERVER
    return Cause.BACKEND
