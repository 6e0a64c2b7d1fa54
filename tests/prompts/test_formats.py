"""Prompts made of a task's parts, and replies that continue them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.config.catalog import builtin_catalog
from pytest_llmroute.core.requests import Message, Request
from pytest_llmroute.core.templates import PARTS, Parts, Section, Template
from pytest_llmroute.errors import UserError
from pytest_llmroute.prompts.continuation import continued
from pytest_llmroute.prompts.formats import formulated, lacks, opening_of
from pytest_llmroute.prompts.templates import identity, messages_for

CATALOG = builtin_catalog()
MADE = ("detailed", "concise", "completion", "tests_first", "steps")
ASKED = (Message("user", "as it is written"),)
TASK: Parts = {
    "text": "Count things.",
    "tests": ("assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"),
    "setup": "import math",
    "define": "`f(a)`",
    "start": "def f(a):",
}


def told(name: str, parts: Parts = TASK, *, hint: str = "", share: float = 1.0) -> str:
    """All that the model reads."""
    return "\n".join(
        message.content for message in formulated(ASKED, parts, CATALOG.templates[name], hint=hint, share=share)
    )


def test_each_format_tells_what_it_is_for() -> None:
    system, user = formulated(ASKED, TASK, CATALOG.templates["detailed"])
    assert (system.role, user.role) == ("system", "user")
    assert "An example of a task and its solution:" in user.content
    assert user.content.endswith("Task: Count things.\n\nDefine: `f(a)`\n\nThis runs before the tests:\nimport math\n\n"
                                 "Tests:\nassert f(1) == 1\nassert f(2) == 2\nassert f(3) == 3")  # fmt: skip
    assert told("concise") == "Python code only. Count things.\n\nIt must pass: assert f(1) == 1"
    assert told("completion").endswith('assert f(3) == 3\n\n"""\n\ndef f(a):')
    assert told("tests_first").startswith("These tests must pass:\n\nassert f(1)")
    assert "think in three short lines" in told("steps")
    assert told("plain") == "as it is written"
    assert len({told(name) for name in (*MADE, "plain")}) == 6


@pytest.mark.parametrize("name", MADE)
@given(part=st.sampled_from(sorted(PARTS)), text=st.text(min_size=1))
def test_a_part_is_put_in_as_it_is(name: str, part: str, text: str) -> None:
    """Data sets are full of braces; what looks like a placeholder in them is none."""
    whole = told(name, {**TASK, part: "MARK"}).replace("MARK", text)
    assert told(name, {**TASK, part: text}) == whole
    assert "{text}" in told(name, {**TASK, "text": "{text} {nobody} {{"})


def test_a_section_without_its_part_goes_and_anything_else_is_an_error() -> None:
    bare = told("detailed", {"text": "Count."})
    assert bare.endswith("```\n\nTask: Count.")
    assert told("completion", {"text": "Count."}) == '"""\nCount.\n\n"""'
    with pytest.raises(UserError, match=r"template tests_first: the task has no \{tests\}") as caught:
        told("tests_first", {"text": "Count.", "tests": ()})
    assert caught.value.means == "its parts: text"
    open_ = Template("t", "t", "{text}", system="{mood}", sections=(Section("{a} {b}", needs=("a",)),))
    assert lacks(open_, {}) == ["b", "mood", "text"]


def test_less_text_is_fewer_tests_and_no_example() -> None:
    assert "assert f(2)" in told("detailed", share=0.5)
    assert "assert f(3)" not in told("detailed", share=0.5)
    assert "An example" not in told("detailed", share=0.5)
    assert "assert f(1)" in told("detailed", share=0.0)
    assert len(told("completion", share=0.3)) < len(told("completion", share=0.6)) < len(told("completion"))


@pytest.mark.parametrize("name", [*MADE, "plain", "react"])
def test_a_hint_is_told_once_where_the_template_has_it_else_at_the_end(name: str) -> None:
    hint = "it {raised} a TypeError"
    assert told(name, hint=hint).count(hint) == 1
    assert told(name, hint=hint).endswith(hint) is (name in ("detailed", "concise", "plain", "react"))
    assert formulated(ASKED, {}, None, hint=hint)[0].content == f"as it is written\n\n{hint}"
    assert formulated(ASKED, TASK, None) == ASKED


def test_a_request_tells_hint_and_share_for_its_next_attempt() -> None:
    """What an attempt after the first one changes stands in the request; with or without a template."""
    card, template = CATALOG.model("gpt-4"), CATALOG.templates["tests_first"]
    request = Request(ASKED, parts=TASK, hint="{no}", share=0.3)
    (message,) = messages_for(request, template, card)
    assert message.content.startswith("These tests must pass:\n\nassert f(1) == 1\n\nBefore")
    assert "What went wrong before: {no}" in message.content
    assert messages_for(request, None, card)[0].content == "as it is written\n\n{no}"
    system, user = messages_for(request, CATALOG.templates["system"], card)
    assert (system.role, user.content) == ("system", "as it is written\n\n{no}")


def test_an_own_system_message_stays_and_other_turns_too() -> None:
    talk = (Message("system", "S"), Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    made = formulated(talk, TASK, CATALOG.templates["detailed"])
    assert [m.content for m in made[:3]] == ["S", "one", "two"]
    (one,) = formulated(talk, TASK, CATALOG.templates["completion"])
    assert one.content.startswith("S\n\none\n\ntwo\n\n")


BODIES = {
    "as it is": ("    x = a\n    return x", "    x = a\n    return x"),
    "stripped": ("x = a\n    return x", "    x = a\n    return x"),
    "without indentation": ("if a:\n    return 1\nreturn 2", "    if a:\n        return 1\n    return 2"),
    "rambling": ("    return a\n\n\ndef g(b):\n    return b", "    return a\n\n\ndef g(b):\n    return b"),
    "in a fence": ("```python\n    return a\n```", "    return a"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_reply_that_continues_is_whole(name: str) -> None:
    reply, body = BODIES[name]
    assert continued("def f(a):", reply) == f"def f(a):\n{body}"


@pytest.mark.parametrize("reply", ["def f(a): return a", "Here:\n```python\ndef f(b):\n    return b\n```", "", " \n"])
def test_a_reply_that_says_the_opening_itself_stays(reply: str) -> None:
    assert continued("def f(a):", reply) == reply
    assert continued("", "    return a") == "    return a"


def test_an_opening_needs_its_part() -> None:
    completion = CATALOG.templates["completion"]
    assert opening_of(completion, TASK) == "def f(a):"
    assert opening_of(completion, {"text": "x"}) == opening_of(CATALOG.templates["concise"], TASK) == ""


def test_a_records_name_for_a_format_changes_with_any_of_its_texts() -> None:
    made = [
        Template("t", "t", "x"),
        Template("t", "t", "x", system="y"),
        Template("t", "t", "x", opening="y"),
        Template("t", "t", "x", sections=(Section("y"),)),
        Template("t", "t", "x", sections=(Section("y", spare=True),)),
    ]
    assert len({identity(template) for template in made}) == 5
