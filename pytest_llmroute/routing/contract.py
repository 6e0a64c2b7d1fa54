"""What a strategy is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.core.decisions import Rejected
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.profiles import Profile
from pytest_llmroute.core.requests import Request, Sampling
from pytest_llmroute.errors import UnknownName, UserError

if TYPE_CHECKING:
    from pytest_llmroute.routing.classify import Classification, Classifier


@dataclass(frozen=True, slots=True)
class Query:
    """All that a strategy may look at."""

    request: Request
    profile: Profile
    catalog: Catalog
    env: Mapping[str, str]
    classifier: Callable[[], Classifier]
    """Loaded by the first strategy that asks which kind of work a message is."""

    def classify(self) -> Classification:
        """The task type of the last user message; a declared task wins."""
        request = self.request
        return self.classifier().classify(
            request.text, declared=request.task, user=request.user, has_tools=bool(request.tools)
        )

    def role(self, role: str) -> str:
        """The model that plays `role` in the profile."""
        if role not in self.profile.roles:
            raise UnknownName("role", role, self.profile.roles, where=f"profile {self.profile.name}")
        return self.profile.roles[role]

    def card(self, name: str) -> ModelCard:
        return self.catalog.model(name)


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy's answer: a model by name, why, and what was turned down."""

    model: str
    reason: str
    task: str | None = None
    """The task type that decided, where the strategy classified."""
    chain: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    """Models that may be asked for a better answer, when what came is judged."""
    canned: bool = False
    rejected: tuple[Rejected, ...] = ()
    sampling: Sampling = Sampling()
    log_as: str | None = None
    """What the log calls the model: `local model`, `Claude`; its name where None."""


@runtime_checkable
class Strategy(Protocol):
    """A way to find the model for a request. `about` is one line for lists and plans."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    def route(self, query: Query) -> Choice: ...


class StrategyUnusable(UserError):
    """A strategy that can't answer as things are set up."""
