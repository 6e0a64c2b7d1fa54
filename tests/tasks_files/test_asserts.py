"""What tests say of the code that they test."""

from __future__ import annotations

import pytest

from pytest_llmroute.tasks.asserts import names_in, piece, signature


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["assert double(2) == 4"], ("double",)),
        (["assert set(f(1)) == {g(2)}", "assert len(h([])) == 0"], ("f", "g", "h")),
        (["assert max(12, 18) == 6", "assert max(7, 5) == 1"], ("max",)),
        (["root = Node(1)", "assert depth(root) == 1"], ("Node", "depth")),
        (["import math", "assert math.isclose(area(1), 3.14)"], ("area",)),
        (["assert size((1, 2)) == sys.getsizeof((1, 2))"], ("size",)),
        (["assert all(f(n) == n for n in range(3))"], ("f",)),
        (["def helper(x):\n    return f(x)\nassert helper(1) == 1"], ("f",)),
        (["assert list(map(f, [1])) == [1]"], ("f",)),
        (["with raises(ValueError) as caught:\n    f(caught)"], ("raises", "f")),
        (["try:\n    f()\nexcept E as error:\n    assert error"], ("f", "E")),
        (["assert len([1]) == max([1])"], ()),
    ],
)
def test_names_are_what_the_tests_do_not_have_themselves(texts: list[str], names: tuple[str, ...]) -> None:
    assert names_in([piece(text) for text in texts]) == names


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["assert f() == 1"], "f()"),
        (["assert f(1, [2]) == 1", "assert f(3, []) == 1"], "f(a, b)"),
        (["assert f(1) == 1", "assert f(1, 2, 3) == 1"], "f(a, b=…, c=…)"),
        (["assert f(1, b=2) == 1", "assert f(1, b=3, key=len) == 1"], "f(a, b, key=…)"),
        (["assert f(1, 2, a=3) == 1"], "f(b, c, a)"),
        (["assert f(*[1, 2]) == 1"], "f(*args)"),
        (["assert f(**{'a': 1}) == 1"], "f(*args)"),
        ([f"assert f({', '.join('1' * 27)}) == 1"], "f(*args)"),
        (["assert list(map(f, [1])) == [1]"], "f"),
    ],
)
def test_a_signature_has_the_arguments_that_the_tests_give(texts: list[str], told: str) -> None:
    assert signature("f", [piece(text) for text in texts]) == told
