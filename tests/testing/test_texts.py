"""Prompts and conversations: never blank, of every kind, as the API takes them."""

from __future__ import annotations

import ast
import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.core.requests import Message, Request, as_messages
from pytest_llmroute.errors import UserError
from pytest_llmroute.testing.strategies import code, long_text, messages, prompts, prose, unicode_text

from .reach import reached


@given(prompts() | prose() | unicode_text() | code() | long_text())
def test_a_prompt_is_text_that_can_be_sent(prompt: str) -> None:
    assert prompt.strip()
    assert json.loads(json.dumps(prompt)) == prompt
    prompt.encode("utf-8")
    assert not [char for char in prompt if unicodedata.category(char) == "Cc" and char not in "\n\t"]
    assert len(prompt) <= 4000


@settings(max_examples=30)
@given(st.integers(1, 3000), st.data())
def test_a_prompt_is_no_longer_than_said(max_size: int, data: st.DataObject) -> None:
    assert 1 <= len(data.draw(prompts(max_size))) <= max_size
    assert max_size // 2 <= len(data.draw(long_text(max_size))) <= max_size


@pytest.mark.parametrize(
    "pattern", [r"\?$", r"```python\n", "#include", r"[\u0590-\u08ff]", "[\u4e00-\u9fff]", "(?s).{2000}", "{", "\\d"]
)
def test_prompts_are_of_many_kinds(pattern: str) -> None:
    reached(prompts(), lambda prompt: re.search(pattern, prompt) is not None)


@given(code())
def test_code_is_sound(text: str) -> None:
    assert len(text) < 600
    fenced = re.search(r"```(\w+)\n(.*)\n```", text, re.DOTALL)
    language, body = fenced.groups() if fenced else ("", text)
    if language == "python" or body.startswith(("def ", "class ", "import ", "try:")):
        ast.parse(body)
    elif language == "json" or body.startswith("{"):
        json.loads(body)
    elif language == "c" or "#include" in body:
        assert body.count("{") == body.count("}") > 0


@given(messages(max_turns=4))
def test_conversations_are_taken_as_they_are(conversation: tuple[Message, ...]) -> None:
    assert as_messages(conversation) == conversation
    roles = [message.role for message in conversation]
    turns = roles[1:] if roles[0] == "system" else roles
    assert turns == ["user", "assistant"] * (len(turns) // 2) + ["user"]
    assert turns.count("user") <= 4
    assert Request(conversation).text == conversation[-1].content


@given(messages(st.just("hello"), system=True, max_turns=1))
def test_what_is_said_and_by_whom_can_be_chosen(conversation: tuple[Message, ...]) -> None:
    assert conversation == (Message("system", "hello"), Message("user", "hello"))


@given(messages(system=False))
def test_the_system_message_can_be_left_out(conversation: tuple[Message, ...]) -> None:
    assert {message.role for message in conversation} <= {"user", "assistant"}


def test_with_and_without_a_system_message_and_with_several_turns() -> None:
    reached(messages(), lambda said: said[0].role == "system" and len(said) > 3)
    reached(messages(), lambda said: said[0].role == "user" and len(said) > 3)


@pytest.mark.parametrize(
    "make", [lambda: prompts(0), lambda: long_text(-1), lambda: prose(0), lambda: messages(max_turns=0)]
)
def test_sizes_that_can_not_be_are_told(make: object) -> None:
    with pytest.raises(UserError, match=r"must be at least 1.*LLR209"):
        make()  # type: ignore[operator]
