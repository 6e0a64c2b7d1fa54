"""Formulations of a task's prompt: the words of an attempt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytest_llmroute.core.requests import Message

FORMATS = ("plain",)


def formulated(
    messages: Sequence[Message],
    parts: Any,  # noqa: ARG001 - formats that are made of parts are yet to come
    format: str,  # noqa: ARG001
    *,
    hint: str = "",
    share: float = 1.0,
) -> tuple[Message, ...]:
    """The messages in a format; of the last one's paragraphs only a share, and a hint below it.

    `parts`: what the prompt is made of, where that is known; None: it stays as it is written.
    """
    said = tuple(messages)
    place = next((at for at in reversed(range(len(said))) if said[at].role == "user"), None)
    if place is None or (share >= 1 and not hint):
        return said
    paragraphs = said[place].content.split("\n\n")
    kept = paragraphs[: max(1, math.ceil(share * len(paragraphs)))]
    content = "\n\n".join([*kept, *([hint] if hint else [])])
    return (*said[:place], replace(said[place], content=content), *said[place + 1 :])
