"""A test that makes its own calls, and one whose call is declared."""

import pytest


@pytest.mark.llm(task="fix", phase="execution")
def test_adds_the_semicolon(llm):
    """The reply is the repaired line."""
    reply = llm.generate("Fix this C line and answer with the line only:\nreturn 0")
    assert reply.text.strip() == "return 0;"


@pytest.mark.parametrize(
    ("message", "kind"), [("error: expected ')'", "syntax"), ("undefined reference to `main'", "link")]
)
@pytest.mark.llm(task="analyze", prompt="Name the class of this error in one word: {message}")
def test_names_the_class(llm_reply, kind):
    """The class stands in the reply."""
    assert kind in llm_reply.text.lower()
