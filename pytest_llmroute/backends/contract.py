"""What a backend is: it opens one model and answers calls to it, from several threads at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.errors import UserError


class Backend(Protocol):
    """One opened model. A call that can't be answered raises ModelCallError with its cause."""

    def generate(self, call: Call) -> Reply: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BackendType:
    """A kind of backend: its name on model cards, and how one model is opened."""

    name: str
    open: Callable[[ModelCard], Backend]
    missing: Callable[[ModelCard], UserError | None] | None = None
    """Says before any test what keeps a model from being opened; None where nothing does."""
