"""Solutions without their bodies."""

from __future__ import annotations

import ast
import asyncio
import inspect
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_llmroute.tasks.bodies import emptied

NAMES = st.sampled_from(["f", "g", "h", "size", "max"])
BODIES = st.sampled_from([
    "return 1",
    "raise ValueError",
    "yield 2",
    "x = [n for n in range(9)]\nreturn x",
    "def inner():\n    return 3\nreturn inner()",
    "'''says something'''\nreturn 4",
    "while True: pass",
    "return (lambda: 5)()",
])  # fmt: skip
HEADS = st.sampled_from(["", "@staticmethod\n", "@lost_decorator\n", "@functools.cache\n"])


def indented(text: str, by: int = 4) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


FUNCTIONS = st.builds(
    lambda head, name, body: f"{head}def {name}(*args, **more):\n{indented(body)}", HEADS, NAMES, BODIES
)
CLASSES = st.builds(
    lambda name, methods: f"class {name.title()}:\n    attribute = 1\n" + "\n".join(map(indented, methods)),
    NAMES,
    st.lists(FUNCTIONS, min_size=1, max_size=3),
)
PLAIN = st.sampled_from(["import math", "limit = 3", "double = lambda x: 2 * x"])


@given(st.lists(FUNCTIONS | CLASSES | PLAIN, min_size=1, max_size=5).map("\n".join))
def test_names_stay_and_whatever_can_be_called_gives_none(code: str) -> None:
    assume("def " in code or "lambda" in code)
    space: dict[str, Any] = {}
    exec(emptied(code), space)
    for name in names_of(code):
        made = space[name]
        if isinstance(made, type):
            assert made().attribute == 1
            methods = [getattr(made(), key) for key in vars(made) if not key.startswith("__")]
            assert [method() for method in methods if callable(method)] == [None] * (len(methods) - 1)
        elif callable(made):
            assert made(1) is None


def names_of(code: str) -> set[str]:
    """What the code binds at its top."""
    found = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.add(node.targets[0].id)
        elif isinstance(node, ast.Import):
            found.add(node.names[0].name)
    return found


@given(st.lists(FUNCTIONS | CLASSES | PLAIN, max_size=4).map("\n".join))
def test_nothing_is_left_to_be_emptied(code: str) -> None:
    once = emptied(code)
    assert emptied(once) == once


def test_properties_class_methods_and_coroutines_stay_what_they_are() -> None:
    code = """
class Point:
    @property
    def x(self): return 1
    @x.setter
    def x(self, value): self.y = value
    @classmethod
    def zero(cls): return cls()
    async def soon(self): return 2
"""
    space: dict[str, Any] = {}
    exec(emptied(code), space)
    point = space["Point"]()
    point.x = 5
    assert (point.x, space["Point"].zero(), asyncio.run(point.soon())) == (None, None, None)
    assert inspect.iscoroutinefunction(point.soon)


@pytest.mark.parametrize("code", ["print(2 * int(input()))", "", "x = 1\nprint(x)"])
def test_a_program_without_a_function_becomes_nothing(code: str) -> None:
    assert emptied(code) == "pass"


def test_what_is_no_python_is_said() -> None:
    with pytest.raises(ValueError, match="is no Python"):
        emptied("def f(")
