"""One line for an agent: `generate_code_with_llm(prompt, agent_name)`."""

from __future__ import annotations

from functools import cache

from pytest_llmroute.api.engines import make_engine
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Request, as_messages
from pytest_llmroute.engine.engine import Engine


def generate_code_with_llm(prompt: str, agent_name: str, *, profile: str = "local") -> str:
    """The text that the agent's model gives; a canned text when every model fails."""
    return ask_agent(prompt, agent_name, profile=profile).text


def ask_agent(prompt: str, agent_name: str, *, profile: str = "local") -> Reply:
    """The same with everything: which link answered, and why the earlier ones did not."""
    request = Request(as_messages(prompt), agent=agent_name)
    return _engine(profile).ask(request, Column("strategy", "agents"))


@cache
def _engine(profile: str) -> Engine:
    return make_engine(profile)
