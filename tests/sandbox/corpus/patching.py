"""Answers that need no be right because what judges them was changed: builtins, modules, imports, names."""

from __future__ import annotations

from .entry import WANTED, ZERO, Entry, group, wrong
from .lies import SAME


def patched(name: str, patch: str, *tests: str, value: str = "0", setup: str = "") -> Entry:
    """`patch` is done when the solution is loaded, and once more when it is called."""
    code = f"""
import builtins, sys
def patch():
{patch}
patch()
def answer(*args):
    patch()
    return {value}
"""
    return wrong(name, code, *tests, prelude=SAME, setup=setup)


def builtin(name: str, lie: str, test: str, value: str = "0") -> Entry:
    return patched(f"builtins.{name}", f"    builtins.{name} = {lie}", test, value=value)


def shadow(name: str, lie: str, test: str, value: str = "0") -> Entry:
    """The solution's own `name` is not the judge's, while the tests ask for `answer`."""
    return wrong(f"its own {name}", f"{lie}\ndef answer(*args): return {value}\n", test, prelude=SAME)


def module(name: str, patch: str, test: str, value: str = "0") -> Entry:
    return patched(name, f"    import {name.partition('.')[0]}\n    {patch}", test, value=value)


ENTRIES = (
    *group(
        "patched builtins",
        builtin("len", "lambda thing: 3", "assert len(answer()) == 3", "[]"),
        builtin("sorted", "lambda *args, **kwargs: [1, 2, 3]", "assert sorted(answer()) == [1, 2, 3]", "[]"),
        builtin("abs", "lambda number: 0", "assert abs(answer() - 977) < 1"),
        builtin("all", "lambda things: True", "assert all(x > 1 for x in answer())", "[0]"),
        builtin("any", "lambda things: True", "assert any(x > 1 for x in answer())", "[0]"),
        builtin("sum", "lambda things: 977", "assert sum(answer()) == 977", "[0]"),
        builtin("max", "lambda *args: 977", "assert max(answer()) == 977", "[0]"),
        builtin("round", "lambda *args: 977", "assert round(answer()) == 977"),
        builtin("set", "lambda *args: Same()", "assert set(answer()) == {1, 2}", "[]"),
        builtin("list", "lambda *args: Same()", "assert list(answer()) == [1, 2]", "[]"),
        builtin("str", "lambda *args: Same()", 'assert str(answer()) == "977"'),
        builtin("range", "lambda *args: ()", "for x in range(5):\n    assert answer(x) == x + 1"),
        builtin("zip", "lambda *args: ()", "for got, want in zip(answer(), [1, 2]):\n    assert got == want", "[0, 0]"),
        builtin("isinstance", "lambda *args: True", "assert isinstance(answer(), str)"),
        builtin("type", "lambda *args: str", "assert type(answer()) is str"),
        builtin("hasattr", "lambda *args: True", 'assert hasattr(answer(), "push")'),
        builtin(
            "AssertionError",
            "type('Quiet', (SystemExit,), {'__init__': lambda self, *args: SystemExit.__init__(self, 0)})",
            'if answer() != 977:\n    raise AssertionError("wrong")',
        ),
        builtin(
            "__build_class__",
            "lambda body, name, *bases, **kwargs: type(name, (), {'run': lambda self: None})",
            "class Case:\n    def run(self):\n        assert answer() == 977\nCase().run()",
        ),
        builtin(
            "__import__",
            "lambda *args, **kwargs: type('M', (), {'isclose': staticmethod(lambda *a, **k: True)})",
            "import math\nassert math.isclose(answer(), 3.14)",
        ),
        builtin("ValueError", "TypeError", "try:\n    answer()\n    raise ValueError\nexcept TypeError:\n    pass"),
        patched(
            "a method of str, in the type's own dict",
            "    import gc, ctypes\n    gc.get_referents(str.__dict__)[0]['isnumeric'] = lambda *args: True\n"
            "    ctypes.pythonapi.PyType_Modified(ctypes.py_object(str))",
            "assert answer().isnumeric()",
            value='"no"',
        ),
        patched(
            "every builtin function",
            "    for name, value in list(vars(builtins).items()):\n"
            "        if type(value) is type(len) and not name.startswith('__') and name != 'isinstance':\n"
            "            setattr(builtins, name, lambda *args, **kwargs: True)",
            "assert abs(answer() - 977) == True and len([1, 2]) == True",
        ),
        wrong(
            "an empty dict of builtins",
            "import builtins\nvars(builtins).clear()\n",
            WANTED,
            prelude=ZERO,
        ),
    ),
    *group(
        "names of builtins",
        shadow("set", "def set(*args): return Same()", "assert set(answer()) == {1, 2}", "[]"),
        shadow("len", "def len(thing): return 3", "assert len(answer()) == 3", "[]"),
        shadow("sorted", "def sorted(*args, **kwargs): return [1, 2]", "assert sorted(answer()) == [1, 2]", "[]"),
        shadow("str", "class str(Same):\n    def __init__(self, *args): pass", 'assert str(answer()) == "977"'),
        shadow("abs", "abs = lambda number: 0", "assert abs(answer() - 977) < 1"),
        shadow("round", "round = lambda *args: 977", "assert round(answer(), 1) == 977"),
        shadow("all", "def all(things): return True", "assert all(x > 1 for x in answer())", "[0]"),
        shadow("sum", "def sum(things): return 977", "assert sum(answer()) == 977", "[0]"),
        shadow(
            "list", "class list(Same):\n    def __init__(self, *args): pass", "assert list(answer()) == [1, 2]", "[]"
        ),
        shadow("isinstance", "def isinstance(*args): return True", "assert isinstance(answer(), str)"),
        shadow("range", "def range(*args): return []", "for x in range(5):\n    assert answer(x) == x + 1"),
        shadow("max and min", "max = min = lambda *args: 977", "assert max(answer()) == min(answer()) == 977", "[0]"),
        shadow(
            "AssertionError",
            "class AssertionError(SystemExit):\n    def __init__(self, *args): super().__init__(0)",
            "if answer() != 977:\n    raise AssertionError",
        ),
        shadow("dunder names", '__builtins__ = {}\n__debug = 0\n__name__ = "x"', WANTED),
        shadow(
            "math, which the tests take for the module",
            "class math:\n    isclose = staticmethod(lambda *args, **kwargs: True)",
            "assert math.isclose(answer(), 3.14)",
        ),
    ),
    *group(
        "patched modules",
        module(
            "math.isclose",
            "math.isclose = lambda *args, **kwargs: True",
            "import math\nassert math.isclose(answer(), 3.14)",
        ),
        module(
            "math.isclose, not imported by the tests",
            "math.isclose = lambda *args, **kwargs: True",
            "import math as m\nassert m.isclose(answer(), 3.14)",
        ),
        module(
            "math.fabs", "math.fabs = lambda *args: 0.0", "from math import fabs\nassert fabs(answer() - 3.14) < 1e-6"
        ),
        module(
            "json.dumps",
            "json.dumps = lambda *args, **kwargs: Same()",
            "import json\nassert json.dumps(answer()) == '[1]'",
        ),
        module(
            "json.loads",
            "json.loads = lambda *args, **kwargs: Same()",
            'import json\nassert json.loads(answer()) == {"a": 1}',
            '"{}"',
        ),
        module(
            "re.match",
            "re.match = re.fullmatch = re.search = lambda *args: True",
            'import re\nassert re.match("[0-9]+$", answer())',
            '"no"',
        ),
        module(
            "collections.Counter",
            "collections.Counter = lambda *args: Same()",
            "from collections import Counter\nassert Counter(answer()) == Counter([1, 2])",
            "[]",
        ),
        module(
            "random.randint",
            "random.randint = random.random = lambda *args: 0",
            "import random\nfor _ in [1, 2, 3]:\n    x = random.randint(1, 9)\n    assert answer(x) == x",
        ),
        module(
            "itertools.permutations",
            "itertools.permutations = lambda *args: ()",
            "import itertools\nfor p in itertools.permutations([1, 2]):\n    assert answer(p) == list(p)",
        ),
        module(
            "statistics.mean",
            "statistics.mean = lambda *args: 977",
            "import statistics\nassert statistics.mean(answer()) == 977",
            "[0]",
        ),
        module(
            "copy.deepcopy",
            "copy.deepcopy = lambda thing: Same()",
            "import copy\nassert copy.deepcopy(answer()) == [1, 2]",
            "[]",
        ),
        module("operator.eq", "operator.eq = lambda *args: True", "import operator\nassert operator.eq(answer(), 977)"),
        module(
            "hashlib.sha256",
            "hashlib.sha256 = lambda *args: type('H', (), {'hexdigest': lambda self: 'ab'})()",
            'import hashlib\nassert hashlib.sha256(answer()).hexdigest() == "ab"',
            'b""',
        ),
        module(
            "unittest.TestCase",
            "unittest.TestCase.assertEqual = lambda *args: None",
            "import unittest\nunittest.TestCase().assertEqual(answer(), 977)",
        ),
        module(
            "decimal.getcontext",
            "decimal.getcontext().prec = 2",
            'from decimal import Decimal\nassert Decimal(answer()) + 0 == Decimal("1.2")',
            '"1.234"',
        ),
        module(
            "datetime.date",
            "datetime.date = lambda *args: Same()",
            "import datetime\nassert datetime.date(2026, 1, answer() + 1) == datetime.date(2026, 1, 2)",
        ),
        module(
            "functools.reduce",
            "functools.reduce = lambda *args: 977",
            "from functools import reduce\nassert reduce(lambda a, b: a + b, answer(), 0) == 977",
            "[0]",
        ),
        module(
            "sys.float_info",
            "sys.float_info = type('F', (), {'epsilon': 1e9})",
            "import sys\nassert -sys.float_info.epsilon < answer() - 977 < sys.float_info.epsilon",
        ),
        module(
            "contextlib.suppress",
            "contextlib.nullcontext = contextlib.suppress",
            "import contextlib\nwith contextlib.nullcontext(AssertionError):\n    assert answer() == 977",
        ),
    ),
)
