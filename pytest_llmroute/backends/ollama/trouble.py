"""From what Ollama says went wrong to its cause. Ollama has no error numbers: the status and the words must do."""

from __future__ import annotations

import re

from pytest_llmroute.backends.wire import Refusal
from pytest_llmroute.errors import Cause, ModelCallError, printable

WORDS: tuple[tuple[str, Cause], ...] = (
    (r"does not support|doesn't support|not supported by", Cause.CAPABILITY),
    (r"context length|context size|context window|exceed_context", Cause.CONTEXT),
    (r"system memory|out of memory|insufficient memory|cudamalloc|unable to allocate|failed to allocate|bad_alloc"
     r"|memory layout cannot be allocated|signal: killed", Cause.OUT_OF_MEMORY),
    (r"maximum pending requests|server busy|too many requests|rate limit|usage limit", Cause.RATE),
    (r"unauthorized|forbidden|sign ?in", Cause.AUTH),
    (r"invalid format|json schema|invalid schema|parse grammar|failed to parse.*grammar", Cause.SCHEMA),
    (r"model .*not found|no such model", Cause.MISSING_MODEL),
    (r"timed out waiting", Cause.TIMEOUT),
    (r"unknown model architecture|unable to load model", Cause.BACKEND),
)  # fmt: skip
STATUSES = {
    401: Cause.AUTH, 403: Cause.AUTH, 402: Cause.RATE, 429: Cause.RATE, 503: Cause.RATE, 408: Cause.TIMEOUT,
    504: Cause.TIMEOUT,
}  # fmt: skip
LONGEST = 300


def refusal(said: Refusal, name: str) -> ModelCallError:
    """The error of an answer whose status is not 200."""
    text = said.told.get("error") if isinstance(said.told, dict) else None
    known = isinstance(text, str) and bool(text)
    if said.status == 404 and not known:
        return ModelCallError(Cause.BACKEND, "what answers there is no Ollama server: it knows no such path")
    return failure(str(text) if known else f"status {said.status}", name, said.status, said.retry_after)


def failure(text: str, name: str, status: int = 200, retry_after: float | None = None) -> ModelCallError:
    """The error of Ollama's words, with the command that mends it where one does."""
    cause = _cause(text, status)
    said = printable(text.strip(), LONGEST)
    if cause is Cause.MISSING_MODEL:
        said = f"Ollama has not pulled {printable(name, 80)}: ollama pull {printable(name, 80)}"
    elif cause is Cause.OUT_OF_MEMORY:
        said = f"Ollama has not the memory for it: {said}"
    return ModelCallError(cause, said, retry_after=retry_after)


def _cause(text: str, status: int) -> Cause:
    lowered = text.lower()
    for words, cause in WORDS:
        if re.search(words, lowered):
            return cause
    if status in STATUSES:
        return STATUSES[status]
    return Cause.SERVER if status == 200 or status >= 500 else Cause.BACKEND
