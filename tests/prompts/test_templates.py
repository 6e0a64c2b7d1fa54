"""Templates are strict, chosen by model, and what the calls really use."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.config.catalog import builtin_catalog
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Request, as_messages
from pytest_llmroute.core.templates import PARTS, Template
from pytest_llmroute.errors import UserError
from pytest_llmroute.prompts.templates import identity, messages_for, render

CATALOG = builtin_catalog()


def test_a_value_too_few_or_too_many_is_an_error() -> None:
    assert render("t", "a {x} {{y}}", {"x": 1}) == "a 1 {y}"
    with pytest.raises(UserError, match="template t: no value for x, z"):
        render("t", "{x} {y} {z}", {"y": 1})
    with pytest.raises(UserError, match='no place for "promt" \\(did you mean "prompt"\\?\\)'):
        render("t", "{prompt}", {"promt": 1, "prompt": 2})


@given(st.text())
def test_a_value_is_put_in_as_it_is(value: str) -> None:
    assert render("t", "<{x}>", {"x": value}) == f"<{value}>"


def test_the_most_specific_template_is_taken() -> None:
    def name(kind: str, model: str) -> str:
        return CATALOG.template(kind, CATALOG.model(model)).name

    assert name("react", "llama-2") == "react-explicit"
    assert name("react", "gpt-4") == "react"
    assert name("planning", "tinyllama:1.1b") == "planning-short"
    assert name("planning", "gpt-4") == "planning"
    with pytest.raises(UserError, match='no template "plannin" \\(did you mean "planning"\\?\\)'):
        name("plannin", "gpt-4")
    only = replace(CATALOG, templates={"t": Template("t", "t", "x", models=("gpt-4",))})
    with pytest.raises(UserError, match='no template "t" for the model llama-2'):
        only.template("t", CATALOG.model("llama-2"))


@pytest.mark.parametrize("kind", CATALOG.template_types)
@pytest.mark.parametrize("model", ["gpt-4", "llama-2", "microsoft/DialoGPT-small"])
def test_every_template_can_be_rendered_for_every_model(kind: str, model: str) -> None:
    card = CATALOG.model(model)
    request = Request(as_messages([("system", "S"), ("user", "first"), ("assistant", "a"), ("user", "Fix {this}")]),
                      tools=({"name": "search"},), parts=dict.fromkeys(PARTS, "Fix {this}"))  # fmt: skip
    messages = messages_for(request, CATALOG.template(kind, card), card)
    if kind == "system":
        assert messages == request.messages
        return
    if kind == "completion":
        assert [m.role for m in messages] == ["user"]
        assert messages[0].content.startswith("S\n\nfirst\n\na\n\n")
        assert messages[0].content.endswith("\n\nFix {this}")
        return
    assert [m.role for m in messages] == ["system", "user", "assistant", "user"]
    assert "Fix {this}" in messages[-1].content
    assert messages[1].content == "first"


def test_a_system_template_comes_before_a_conversation_without_one() -> None:
    card = CATALOG.model("glm-4")
    messages = messages_for(Request(as_messages("hi")), CATALOG.template("system", card), card)
    assert [m.role for m in messages] == ["system", "user"]
    assert card.instructions in messages[0].content


def test_a_records_name_for_a_template_changes_with_its_text() -> None:
    first = CATALOG.template("react", ModelCard("x", "y"))
    assert identity(first).startswith("react@")
    assert identity(first) != identity(CATALOG.template("react", CATALOG.model("llama-2")))
