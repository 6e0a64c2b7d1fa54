"""Tests in Python: calls of their own, routed by task; and a call that is declared by the marker."""

import ast

import pytest

C = [
    (
        "main.c:2: error: expected ')'",
        "int byte = 48;\ndigitalWrite(byte, HIGH;",
        "int byte = 48;\ndigitalWrite(byte, HIGH);",
    ),
    (
        "main.c:1: error: expected ';'",
        "int step = 35\nwhile (step > 87) { step = step - 9; }",
        "int step = 35;\nwhile (step > 87) { step = step - 9; }",
    ),
]


@pytest.mark.parametrize(("message", "code", "whole"), C, ids=["parenthesis", "semicolon"])
def test_repairs_and_says_so(llm, message, code, whole):
    """Two calls, each routed by its own task: a small model may validate what a larger one has repaired."""
    repaired = llm.generate(f"fix c\n{message}\n{code}", task="fix").text
    assert repaired == whole
    assert llm.generate(f"validate c\n{repaired}", task="validate").text == "valid"


@pytest.mark.parametrize(
    ("message", "code", "names"),
    [
        (
            "'(' was never closed",
            "def check(value:\n    for i in range(67):\n        height_line(i)",
            "height_line i range",
        ),
        ("expected ':'", "def turns(step)\n    print(step)", "print step"),
    ],
    ids=["parenthesis", "colon"],
)
@pytest.mark.llm(task="fix", prompt="fix python\nline 1: SyntaxError: {message}\n{code}")
def test_the_repair_parses(llm_reply, names):
    """A parser decides, and no name may be lost or made up."""
    found = {node.id for node in ast.walk(ast.parse(llm_reply.text)) if isinstance(node, ast.Name)}
    assert sorted(found) == names.split()


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("region `iram0_0_seg' overflowed by 56 bytes in col", "link_error"),
        ("CORRUPT HEAP: bad head at depth", "memory_fault"),
    ],
)
@pytest.mark.llm(task="analyze", prompt="analyze\n{message}")
def test_names_the_class(llm_reply, kind):
    """The call stands in the marker, with the test's parameters in it."""
    assert llm_reply.text == kind
