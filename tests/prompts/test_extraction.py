"""Code comes out of replies as the table says, from any prose, the same when read again, and hostile text is cheap."""

from __future__ import annotations

import ast
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_llmroute.prompts.blocks import Rule
from pytest_llmroute.prompts.extraction import Extracted, extract_code


@dataclass(frozen=True)
class Row:
    title: str
    reply: str
    names: tuple[str, ...]
    code: str
    rule: str
    truncated: bool


def rows() -> list[Row]:
    text = (Path(__file__).parent / "replies.txt").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        head, _, rest = part.partition("\n")
        title, *notes = (note.strip() for note in head.split("|"))
        words = {word.strip() for word in ",".join(notes).split(",")} - {""}
        reply, _, answer = rest.partition("\n--- ") if "\n--- " in rest else ("", "", rest.removeprefix("--- "))
        rule, _, code = answer.partition("\n")
        reply = reply.replace("\n", "\r\n") if "crlf" in words else reply
        found.append(
            Row(title, reply, tuple(words - {"crlf"}), code.rstrip("\n"), rule.split()[0], "truncated" in rule)
        )
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.title)
def test_a_reply_of_the_table(row: Row) -> None:
    found = extract_code(row.reply, names=row.names)
    assert found.code == row.code
    assert (found.rule, found.truncated) == (row.rule, row.truncated)
    assert extract_code(found.code, names=row.names).code == found.code


some = settings(deadline=None, suppress_health_check=list(HealthCheck))
many = settings(some, max_examples=300)

# Programs that work, put together from statements; among them strings and docstrings that look like fences and prompts.
WORDS = st.sampled_from(["total", "items", "count", "left", "right", "node", "value", "key"])
VALUES = st.sampled_from(
    ["0", "[]", "{}", '"text"', "'it\\'s'", "len(items)", "[x for x in items if x]", "(1, 2)", "lambda x: x + 1", '"`x`"',
     '"""two\nlines"""', 'f"{items!r}"', "items[::-1]", '"<|endoftext|>"', "'[DONE]'", '"</think>"', "r'\\d+'", '"\\\\"']
)  # fmt: skip
DOCSTRINGS = st.sampled_from(
    ["", '"""It\'s described here (see below)."""', '"""\n    >>> f([])\n    0\n    """', '"""\n    ```python\n    f([])\n    ```\n    """',
     "'''Uses `items`.\n\n        ~~~\n        indented\n        ~~~\n    '''", '"""Note: the list isn\'t changed.\n\n    Example:\n        f([1])\n    """']
)  # fmt: skip
COMMENTS = st.sampled_from(["", "  # what isn't closed: (", "  # ```", "  # e.g. `x`"])


@st.composite
def functions(draw: st.DrawFn, name: str = "f") -> str:
    indent = draw(st.sampled_from(["    ", "  ", "\t"]))
    lines = [draw(st.sampled_from(["", "@cache\n", "async "])) + f"def {name}(items):{draw(COMMENTS)}"]
    if docstring := draw(DOCSTRINGS):
        lines.append(indent + docstring)
    for _ in range(draw(st.integers(0, 4))):
        lines.append(draw(st.sampled_from(["", indent + f"{draw(WORDS)} = {draw(VALUES)}{draw(COMMENTS)}"])))
        if draw(st.booleans()):
            lines += [f"{indent}for {draw(WORDS)} in items:", f"{indent}{indent}{draw(WORDS)} = {draw(VALUES)}"]
    return "\n".join([*lines, f"{indent}return {draw(VALUES)}"])


@st.composite
def programs(draw: st.DrawFn) -> str:
    parts = draw(st.sampled_from([[], ["from functools import cache"], ["import math", "LIMIT = 3"], ['"""About."""']]))
    parts = [
        *parts,
        *(draw(functions(name)) for name in draw(st.sampled_from([["f"], ["g", "f"], ["f", "Main", "h"]]))),
    ]
    parts += draw(st.sampled_from([[], ["print(f([1, 2]))"], ['if __name__ == "__main__":\n    print(f([]))']]))
    return draw(st.sampled_from(["\n", "\n\n", "\n\n\n"])).join(parts)


SENTENCES = st.sampled_from(
    ["Sure! Here's what you asked for.", "Here is the function:", "**Explanation**", "- It doesn't sort (that would be slow).", "1. first",
     "Complexity: O(n log n)", "It calls `sorted(items)` and `f([])`.", "> quoted", "# Solution", "", "for example: f([1]) -> 1", "Note (important",
     "| a | b |", "Try it, e.g. with [1, 2] or \"text\".", "import it where you need it", "Output: 3", "class dismissed", "…and that's it 🎉"]
)  # fmt: skip
PROSE = st.one_of(
    st.lists(SENTENCES, max_size=5).map("\n".join),
    st.text(alphabet=st.characters(exclude_characters="`~<[|>\r", exclude_categories=["Cs", "Cc"]), max_size=60),
)


@st.composite
def fences(draw: st.DrawFn, code: str) -> str:
    """The code between fences of some style."""
    mark = draw(st.sampled_from(["```", "~~~", "````"]))
    tag = draw(
        st.sampled_from(["", "python", "py", "Python", "python3", " python", "text", "java", '{.python title="a b"}'])
    )
    lines = [mark + tag, *code.split("\n"), mark]
    indent = draw(st.sampled_from(["", "  ", "    ", "\t"]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(indent + line if line.strip() else line for line in lines)


@some
@given(st.data(), programs(), PROSE, PROSE, st.sampled_from([(), ("f",)]))
def test_code_between_fences_comes_back_exactly(
    data: st.DataObject, code: str, before: str, after: str, names: tuple[str, ...]
) -> None:
    reply = f"{before}\n{data.draw(fences(code))}\n{after}"
    assert extract_code(reply, names=names).code == code


@some
@given(programs(), st.lists(SENTENCES, max_size=4), st.lists(SENTENCES, max_size=4))
def test_code_between_sentences_still_defines_its_functions(code: str, before: list[str], after: list[str]) -> None:
    found = extract_code("\n".join([*before, "", code, "", *after]), names=["f"]).code
    tree = ast.parse(found)
    assert "f" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


FRAGMENTS = st.sampled_from(
    ["```", "~~~", "````", "```python\n", "\n```\n", "\n", "\n\n", "def f(x):\n", "    return x\n", "  ", "\t", "<think>", "</think>", "\n</think>\n",
     "[BEGIN]", "[DONE]", "\n[DONE]\n", "<|endoftext|>", "<|im_start|>assistant\n", "<|channel|>", "<|channel|>final<|message|>", "</s>",
     "<code>", "</code>", "<answer>", ">>> ", "... ", "`", "`def g(): return 1`", "x = 1\n", "print(f(2))\n", "class A:\n", "python\n", "pass\n",
     "return", "(", "[", "{", ")", '"""', "'''", "'", '"', "\\", "#", "@", ":", "Done\n", "It's a word.\n", "import os\n", "else:\n", "\r\n", "\r",
     "\0", "\x0c", "\ufeff", "\ud800", "é", "İ", "\u2028", "1.\n", "- ", ";", "if x:\n", "lambda: 0", "9" * 5000]
)  # fmt: skip
ANYTHING = st.one_of(st.text(), st.lists(FRAGMENTS, max_size=30).map("".join))
NAMES = st.sampled_from([(), ("f",), ("f", "g"), ("x",)])


@many
@given(ANYTHING, NAMES)
def test_any_text_has_an_answer_and_reading_that_again_changes_nothing(text: str, names: tuple[str, ...]) -> None:
    found = extract_code(text, names=names)
    assert extract_code(found.code, names=names).code == found.code


@many
@given(ANYTHING, NAMES)
def test_each_line_is_part_of_a_line_of_the_reply_in_its_order(text: str, names: tuple[str, ...]) -> None:
    at = 0
    for line in filter(None, map(str.strip, extract_code(text, names=names).code.split("\n"))):
        at = text.find(line, at)
        assert at >= 0, line
        at += len(line)


@some
@given(ANYTHING)
def test_other_languages_have_an_answer_too(text: str) -> None:
    found = extract_code(text, language="java")
    assert extract_code(found.code, language="java").code == found.code


def test_another_language_is_found_by_its_tag() -> None:
    reply = "```sh\nmake\n```\n```java\nclass A {}\n```\n```\noutput\n```"
    assert extract_code(reply, language="java") == Extracted("class A {}", "fence", blocks=3)
    assert extract_code("int x = 1;", language="java") == Extracted("int x = 1;", "whole")


def test_the_blocks_of_a_reply_are_counted() -> None:
    assert extract_code("```\na()\n```\nor\n~~~\nb()\n~~~\n").blocks == 2
    assert extract_code("x = 1").blocks == 0


def test_the_page_names_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "extraction.md").read_text(encoding="utf-8")
    assert [rule for rule in get_args(Rule) if f"`{rule}`" not in page] == []


def test_code_is_never_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = "print('run')\nraise SystemExit(1)"
    assert extract_code(f"```python\n{code}\n```").code == code
    assert capsys.readouterr().out == ""


def test_the_compiler_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    code = 'def f():\n    return "\\d" is 1'
    assert extract_code(f"```python\n{code}\n```").code == code
    assert extract_code("x = 0in[1]\n\nand more text").code == "x = 0in[1]"
    assert not recwarn.list


MEGABYTE = 1_000_000
HOSTILE = [
    "`", "```\n", "``` ", "~~~\n```\n", "```python\nx = 1\n", "```\n(\n", "`a` ", "`def f(): 0` ", "x```\n", "a:```\n", "```a```", "- ```\n",
    "(", "(\n", "-", "a.", "1+", "lambda:", "if x:\n ", "@a\n", "def f(", "def f(x): return x\n", "class A:\n  ", "x = 1\n", "x=(\n", "'''",
    '"""\n', "\\\n", "don't (\n", "Note: a\n", "print(x)\n\nDone\n\n", "<think>\n", "</think>\n", "<think></think>", '"<|a|>', "<|", "<|channel|>",
    "[BEGIN]\n[DONE]\n", "<code>\n", "<code", "<code>x</code>", ">>> x\n", "... \n", " ", "\t\n", "\0", "\ud800", "9", "f'{", "\r",
]  # fmt: skip


@pytest.mark.parametrize(("size", "seconds"), [(200_000, 4.0), pytest.param(MEGABYTE, 20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_hostile_text_takes_no_time(piece: str, size: int, seconds: float) -> None:
    text = piece * (size // len(piece))
    began = time.process_time()
    extract_code(text, names=["f"])
    assert time.process_time() - began < seconds
