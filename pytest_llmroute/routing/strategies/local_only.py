"""local_only: never leaves the machine."""

from __future__ import annotations

from pytest_llmroute.codes import Code
from pytest_llmroute.routing.contract import Choice, Query, StrategyUnusable
from pytest_llmroute.routing.strategies.providers import DISABLED, Pair


class LocalOnly:
    """Fails closed: without a local model, or with tools, there is no answer."""

    name = "local_only"
    about = "the local model only: no tools, no cost, nothing leaves the machine"
    stays_here = True
    """A remote model is refused also where a test, a variable or a role names it."""

    def route(self, query: Query) -> Choice:
        pair = Pair.of(query)
        if not pair.local_enabled:
            raise StrategyUnusable(
                f"strategy local_only has no model: {DISABLED}",
                code=Code.STRATEGY,
                means="every test on this column would be without an answer",
                fix="unset LOCAL_LLM_ENABLED, or set LOCAL_LLM_ENABLED=true",
                instead="--llm-strategy=claude_only",
            )
        if query.request.tools:
            raise StrategyUnusable(
                "strategy local_only offers no tools, and this request brings some",
                code=Code.STRATEGY,
                fix="leave tools= away, or route it: --llm-strategy=hybrid",
            )
        return pair.use_local("local_only: local models only", "local_only never reaches a remote model")
