"""What the provider strategies share: the local model, Claude, and whether local is allowed."""

from __future__ import annotations

from typing import NamedTuple

from pytest_llmroute.config.resolve import environment_flag
from pytest_llmroute.core.decisions import Rejected
from pytest_llmroute.routing.contract import Choice, Query

LOCAL, CLAUDE = "local model", "Claude"
DISABLED = "LOCAL_LLM_ENABLED is false"


class Pair(NamedTuple):
    """The two candidates of a provider strategy."""

    local: str
    claude: str
    local_enabled: bool

    @staticmethod
    def of(query: Query) -> Pair:
        named = query.env.get("LOCAL_MODEL_NAME")
        local = query.catalog.model(named, "LOCAL_MODEL_NAME").name if named else query.role("small")
        enabled = environment_flag(query.env, "LOCAL_LLM_ENABLED") is not False
        return Pair(local, query.role("remote"), enabled)

    def use_local(self, reason: str, turned_down: str, task: str | None = None, *, rescue: bool = False) -> Choice:
        return Choice(
            self.local,
            reason,
            task=task,
            chain=(self.claude,) if rescue else (),
            rejected=(Rejected(self.claude, turned_down),),
            log_as=LOCAL,
        )

    def use_claude(self, reason: str, turned_down: str, task: str | None = None) -> Choice:
        return Choice(self.claude, reason, task=task, rejected=(Rejected(self.local, turned_down),), log_as=CLAUDE)
