"""Conversations, as `llm.generate` takes them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_llmroute.codes import Code
from pytest_llmroute.core.requests import Message
from pytest_llmroute.errors import UserError
from pytest_llmroute.testing.strategies.texts import prompts

Conversation = tuple[Message, ...]


def messages(
    texts: SearchStrategy[str] | None = None, *, system: bool | None = None, max_turns: int = 3
) -> SearchStrategy[Conversation]:
    """User and assistant in turns, the last word with the user, at most `max_turns` of the user's.

    `system`: whether a system message stands before them; None: with and without. `texts` are what they say,
    `prompts(max_size=500)` unless said.
    """
    if max_turns < 1:
        raise UserError(f"messages: max_turns={max_turns!r} must be at least 1", code=Code.VALUES)
    says = prompts(max_size=500) if texts is None else texts
    rules = {None: st.none() | says, True: says, False: st.none()}[system]
    before = st.lists(st.tuples(says, says), max_size=max_turns - 1)
    return st.builds(_conversation, rules, before, says)


def _conversation(system: str | None, before: list[tuple[str, str]], last: str) -> Conversation:
    head = () if system is None else (Message("system", system),)
    turns = (turn for asked, said in before for turn in (Message("user", asked), Message("assistant", said)))
    return (*head, *turns, Message("user", last))
