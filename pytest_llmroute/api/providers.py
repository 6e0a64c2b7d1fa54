"""The provider router: `get_router()`, its status, and the two providers on their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pytest_llmroute.api.engines import here, make_engine
from pytest_llmroute.codes import Code
from pytest_llmroute.config.resolve import environment_flag
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.processes import available_ram
from pytest_llmroute.core.profiles import Profile
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Message, Request, Sampling, as_messages
from pytest_llmroute.engine.survey import Need, look, troubles
from pytest_llmroute.errors import UnknownName, UserError
from pytest_llmroute.routing.classify import Rule

STRATEGIES = ("claude_only", "hybrid", "local_fallback", "local_only")
DEFAULT_STRATEGY = "claude_only"
DEFAULT_LOCAL = "MBZUAI/LaMini-Flan-T5-783M"
KEY = "ANTHROPIC_API_KEY"


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """Whether a provider could be asked, and what speaks for or against it."""

    available: bool
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class RouterStatus:
    """Both providers and the strategy in force."""

    claude: ProviderStatus
    local: ProviderStatus
    strategy: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the model's card says; sizes are expected ones."""

    name: str
    size: str
    capabilities: tuple[str, ...]


class LLMRouter:
    """Routes messages between a local model and Claude."""

    def __init__(
        self, strategy: str | None = None, *, rules: Iterable[Rule] | None = None,
        user_rules: Mapping[str, Iterable[Rule]] | None = None,
    ) -> None:  # fmt: skip
        found = here()
        self._env = found.env
        remote = found.project.catalog.profile("local").roles["remote"]
        self._profile = Profile("providers", {"small": DEFAULT_LOCAL, "remote": remote})
        self._engine = make_engine(
            self._profile,
            found=found,
            rules=None if rules is None else tuple(rules),
            user_rules={user: tuple(own) for user, own in (user_rules or {}).items()},
        )
        self._strategy: str | None = None
        self._used: Counter[str] = Counter()
        if strategy is not None:
            self.set_strategy(strategy)

    @property
    def strategy(self) -> str:
        """What `set_strategy` set, else LLM_STRATEGY, else claude_only."""
        if self._strategy is not None:
            return self._strategy
        return _known(self._env.get("LLM_STRATEGY") or DEFAULT_STRATEGY, "LLM_STRATEGY")

    def set_strategy(self, strategy: str) -> None:
        self._strategy = _known(strategy, "set_strategy")

    def generate(self, messages: str | Iterable[Any], **options: Any) -> Reply:
        """Route and ask; options are max_tokens, temperature, tools, task and user."""
        reply = self._engine.ask(_request(messages, **options), Column("strategy", self.strategy))
        self._used[reply.model] += 1
        return reply

    def explain(self, messages: str | Iterable[Any], **options: Any) -> Decision:
        """The decision for these messages; nobody is asked."""
        return self._engine.decide(_request(messages, **options), Column("strategy", self.strategy))

    def usage(self) -> dict[str, int]:
        """Replies so far by model."""
        return dict(self._used)

    def get_status(self) -> RouterStatus:
        claude, local = self.card("claude"), self.card("local")
        has_key = bool(self._env.get(KEY))
        off = None
        if self.strategy == "claude_only":
            off = "claude_only uses no local model"
        elif not self.local_enabled:
            off = "LOCAL_LLM_ENABLED is false"
        return RouterStatus(
            claude=self._status(claude, has_key, f"{KEY} is {'set' if has_key else 'not set'}"),
            local=self._status(local, off is None, off or "local models are on"),
            strategy=self.strategy,
        )

    @property
    def local_enabled(self) -> bool:
        return environment_flag(self._env, "LOCAL_LLM_ENABLED") is not False

    def _status(self, card: ModelCard, available: bool, reason: str) -> ProviderStatus:
        """Switched on, and there: its package, its files, its server."""
        if not available:
            return ProviderStatus(False, card.name, reason)
        if lacking := self._engine.pool.lacking(card):
            return ProviderStatus(False, card.name, f"{reason}; {lacking.what}: {lacking.fix}")
        servers = [] if card.remote else look(self._engine.pool.types, [Need(card)])
        for error in troubles(servers, available_ram()):
            return ProviderStatus(False, card.name, f"{reason}; {error.what}: {error.fix}")
        return ProviderStatus(True, card.name, reason)

    def card(self, which: str) -> ModelCard:
        """The card of `local` or `claude`."""
        catalog = self._engine.router.catalog
        if which == "claude":
            return catalog.model(self._profile.roles["remote"])
        return catalog.model(self._env.get("LOCAL_MODEL_NAME") or DEFAULT_LOCAL, "LOCAL_MODEL_NAME")

    def ask_model(self, card: ModelCard, messages: str | Iterable[Any], **options: Any) -> Reply:
        """Ask one model without routing."""
        reply = self._engine.ask(_request(messages, **options), Column("model", card.name))
        self._used[reply.model] += 1
        return reply


class Provider:
    """One side of the router."""

    def __init__(self, router: LLMRouter, which: str) -> None:
        self._router, self._which = router, which

    def generate(self, messages: str | Iterable[Any], **options: Any) -> Reply:
        if self._which == "local" and not self._router.local_enabled:
            raise UserError(
                "the local model is not enabled: LOCAL_LLM_ENABLED is false",
                code=Code.LOCAL_OFF,
                means="get_local_provider() has nobody to ask",
                fix="unset LOCAL_LLM_ENABLED, or set LOCAL_LLM_ENABLED=true",
                instead="get_claude_provider(), or get_router() with strategy claude_only",
            )
        return self._router.ask_model(self._router.card(self._which), messages, **options)

    def get_model_info(self) -> ModelInfo:
        card = self._router.card(self._which)
        gb = card.expected.ram_gb
        size = "remote" if card.remote else "unknown" if gb is None else f"{gb:g} GB (expected)"
        return ModelInfo(card.name, size, tuple(sorted(card.capabilities)))


@cache
def get_router() -> LLMRouter:
    """The process's router: `set_strategy` on it holds for everybody who asks for it."""
    return LLMRouter()


def get_claude_provider() -> Provider:
    return Provider(get_router(), "claude")


def get_local_provider() -> Provider:
    return Provider(get_router(), "local")


def to_llm_messages(conversation: str | Iterable[Any]) -> list[Message]:
    """A text, dicts, pairs, or objects with `role` and `content`, as messages."""
    if isinstance(conversation, str):
        return list(as_messages(conversation))
    items = [
        (item.role, item.content) if hasattr(item, "role") and hasattr(item, "content") else item
        for item in conversation
    ]
    return list(as_messages(items))


def _known(strategy: str, where: str) -> str:
    if strategy not in STRATEGIES:
        raise UnknownName("strategy", strategy, STRATEGIES, where=where)
    return strategy


def _request(
    messages: str | Iterable[Any], *, max_tokens: int | None = None, temperature: float | None = None,
    tools: Iterable[Mapping[str, Any]] = (), task: str | None = None, user: str | None = None,
    timeout: float | None = None,
) -> Request:  # fmt: skip
    return Request(
        messages=tuple(to_llm_messages(messages)),
        task=task,
        user=user,
        tools=tuple(tools),
        sampling=Sampling(temperature=temperature, max_tokens=max_tokens),
        timeout=timeout,
    )
