"""local_fallback: the local model first, Claude when it fails."""

from __future__ import annotations

from pytest_llmroute.routing.contract import Choice, Query
from pytest_llmroute.routing.strategies.providers import DISABLED, Pair


class LocalFallback:
    """Claude is the second link of the chain; tools go straight to it."""

    name = "local_fallback"
    about = "the local model first, Claude when it fails"

    def route(self, query: Query) -> Choice:
        pair = Pair.of(query)
        if query.request.tools:
            return pair.use_claude("tools required", "local models are not given tools")
        if not pair.local_enabled:
            return pair.use_claude("local_fallback: local model disabled", DISABLED)
        return pair.use_local("local_fallback: local first", "asked only when the local model fails", rescue=True)
