"""hybrid: simple work to the local model, complex work and tools to Claude."""

from __future__ import annotations

from pytest_llmroute.routing.contract import Choice, Query
from pytest_llmroute.routing.strategies.providers import DISABLED, Pair


class Hybrid:
    """Decides by the class of the task; the doubtful go to Claude."""

    name = "hybrid"
    about = "simple tasks to the local model, complex ones and tools to Claude"

    def route(self, query: Query) -> Choice:
        pair = Pair.of(query)
        if query.request.tools:
            return pair.use_claude("tools required", "tool use always goes to Claude")
        kind = query.classify()
        if not pair.local_enabled:
            return pair.use_claude("hybrid: local model disabled", DISABLED, kind.task_type)
        if kind.complex:
            return pair.use_claude("hybrid: complex task", f"{kind.task_type} is complex", kind.task_type)
        return pair.use_local("hybrid: simple task", f"{kind.task_type} is simple", kind.task_type)
