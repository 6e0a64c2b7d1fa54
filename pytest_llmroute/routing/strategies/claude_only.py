"""claude_only: everything to Claude."""

from __future__ import annotations

from pytest_llmroute.routing.contract import Choice, Query
from pytest_llmroute.routing.strategies.providers import Pair


class ClaudeOnly:
    """The local model is off."""

    name = "claude_only"
    about = "everything to Claude; needs a key"

    def route(self, query: Query) -> Choice:
        return Pair.of(query).use_claude("claude_only: Claude for everything", "claude_only: local models are off")
