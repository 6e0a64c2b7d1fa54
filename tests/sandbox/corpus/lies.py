"""Answers that say of themselves that they are right."""

from __future__ import annotations

from .entry import Entry, group, wrong

SAME = """
class Same:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return hash(42)
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
"""
SELF = """
class Yes(Same):
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __getitem__(self, key): return self
    def __iter__(self): return iter([self] * 3)
    def __contains__(self, item): return True
    def __len__(self): return 3
    def __bool__(self): return True
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __truediv__ = __abs__ = __round__ = __call__
"""


def answers(name: str, value: str, *tests: str) -> Entry:
    """`answer()` gives `value`, made of an object that equals everything."""
    return wrong(name, f"def answer(*args): return {value}\n", *tests, prelude=SAME + SELF)


def based(base: str, made: str, test: str, imports: str = "") -> Entry:
    """A subclass of a plain type whose comparisons lie; its plain value is wrong."""
    code = f"""
{imports}
class Liar({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 1
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = startswith = endswith = __eq__
    def __sub__(self, other): return 0.0
    __rsub__ = __abs__ = __round__ = __mod__ = lambda *args: 0.0
def answer(*args): return Liar({made})
"""
    return wrong(f"a lying {base}", code, test)


def typed(name: str, code: str, *tests: str) -> Entry:
    return wrong(name, code, *tests, prelude=SAME)


ENTRIES = (
    *group(
        "always equal",
        answers("an object", "Same()", "assert answer() == 42"),
        answers("an object on the right", "Same()", "assert 42 == answer()"),
        answers("an object that differs from nothing", "Same()", "assert not answer() != 42"),
        answers("an object against None", "Same()", "assert answer() == None"),
        answers("objects in a list", "[Same()] * 3", "assert answer() == [1, 2, 3]"),
        answers("objects in a tuple", "(Same(), [Same()])", "assert answer() == (1, [2])"),
        answers("objects in a dict", '{"a": Same()}', 'assert answer() == {"a": 1}'),
        answers("a key of a dict", "Same()", 'assert {42: "x"}[answer()] == "x"'),
        answers("a member of a set", "Same()", "assert answer() in {1, 2, 42}"),
        answers("a member of a list", "Same()", "assert answer() in [1, 2, 42]"),
        answers("an object that is all it is asked for", "Yes()", 'assert answer().a.b[3](5) == "x"'),
        answers("an object whose sums are itself", "Yes()", "assert (answer() + 1) * 2 == 86"),
        answers("an instance made in the test", "Same()", "assert answer().__class__() == 7"),
        typed("mock's ANY", "from unittest.mock import ANY\ndef answer(): return ANY", "assert answer() == 42"),
        typed(
            "a class with a lying metaclass",
            """
            class Meta(type):
                def __eq__(cls, other): return True
                __hash__ = type.__hash__
            class Answer(metaclass=Meta): pass
            def answer(): return Answer
            """,
            "assert answer() == 42",
        ),
        typed(
            "equality that comes later",
            """
            class Late: pass
            def answer():
                Late.__eq__ = lambda self, other: True
                return Late()
            """,
            "assert answer() == 42",
        ),
        typed(
            "equality that is no bool",
            'class Odd:\n    def __eq__(self, other): return "yes"\ndef answer(): return Odd()',
            "assert answer() == 42",
        ),
        typed("a class in the place of the function", "class answer(Same): pass", "assert answer() == 42"),
        typed(
            "an instance in the place of the function",
            "class Any(Same):\n    def __call__(self): return self\nanswer = Any()",
            "assert answer() == 42",
        ),
        based("int", "0", "assert answer() == 42"),
        based("str", "'no'", 'assert answer() == "yes" and answer().startswith("y")'),
        based("float", "0.5", "assert answer() == 1.5"),
        based("complex", "0", "assert answer() == 1j"),
        based("bytes", "b'no'", 'assert answer() == b"yes"'),
        based("list", "[0]", "assert answer() == [1, 2]"),
        based("tuple", "(0,)", "assert answer() == (1, 2)"),
        based("dict", "a=0", 'assert answer() == {"a": 1}'),
        based("set", "{0}", "assert answer() == {1, 2}"),
        based("frozenset", "{0}", "assert answer() == {1, 2}"),
        based("Counter", "'no'", 'assert answer() == {"a": 1}', "from collections import Counter"),
        based(
            "deque",
            "[0]",
            "from collections import deque\nassert answer() == deque([1, 2])",
            "from collections import deque",
        ),
        based("OrderedDict", "a=0", 'assert answer() == {"a": 1}', "from collections import OrderedDict"),
        based("defaultdict", "int, a=0", 'assert answer() == {"a": 1}', "from collections import defaultdict"),
        based("Decimal", "'0.5'", "assert answer() == 1", "from decimal import Decimal"),
        based("Fraction", "1, 2", "assert answer() == 1", "from fractions import Fraction"),
        based(
            "date",
            "2000, 1, 1",
            "from datetime import date\nassert answer() == date(2026, 1, 1)",
            "from datetime import date",
        ),
        based(
            "datetime",
            "2000, 1, 1",
            "from datetime import datetime\nassert answer() == datetime(2026, 1, 1)",
            "from datetime import datetime",
        ),
        based(
            "timedelta",
            "1",
            "from datetime import timedelta\nassert answer() == timedelta(2)",
            "from datetime import timedelta",
        ),
        based("UserList", "[0]", "assert answer() == [1, 2]", "from collections import UserList"),
        based("UserString", "'no'", 'assert answer() == "yes"', "from collections import UserString"),
    ),
    *group(
        "numbers that lie",
        answers("a difference of nothing", "Yes()", "assert abs(answer() - 3.14) < 1e-9"),
        answers("a difference of nothing on the right", "Yes()", "assert abs(3.14 - answer()) < 1e-9"),
        answers("rounded", "Yes()", "assert round(answer(), 2) == 3.14"),
        answers("between", "Same()", "assert 3 < answer() < 4"),
        answers("greater", "Same()", "assert answer() >= 10"),
        answers("a remainder", "Yes()", "assert answer() % 7 == 3"),
        answers("the larger of two", "Same()", "assert max(3, answer()) == 42"),
        answers("a sum of a list", "[Yes()]", "assert sum(answer()) == 42"),
        answers("not a number", 'float("nan")', "assert abs(answer() - 3.14) < 1e-9"),
        answers("not a number, in a list", '[float("nan")]', 'assert answer() == [float("nan")]'),
        answers("not a number, kept", 'kept\nkept = float("nan")', "assert answer() == 3.14 or answer() == answer()"),
        answers("infinite", 'float("inf")', "assert answer() - 1 < 100"),
        answers("a number of another type", '"3.14"', "assert answer() == 3.14"),
        typed(
            "a float by its own account",
            "class Real(Same):\n    def __float__(self): return self\n    __index__ = __float__\ndef answer(): return Real()",
            "import math\nassert math.isclose(answer(), 3.14)",
        ),
        typed(
            "a float whose arithmetic lies",
            "class Real(float):\n    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\ndef answer(): return Real(9)",
            "assert abs(answer() - 3.14) < 1e-9 and abs(3.14 - answer()) < 1e-9",
        ),
        typed(
            "a float that rounds to anything",
            "class Real(float):\n    def __round__(self, n=None): return Same()\ndef answer(): return Real(9)",
            "assert round(answer(), 2) == 3.14",
        ),
        typed(
            "an int whose division lies",
            "class Whole(int):\n    def __mod__(self, n): return 0\n    def __floordiv__(self, n): return Same()\ndef answer(): return Whole(7)",
            "assert answer() % 2 == 0 and answer() // 3 == 14",
        ),
    ),
    *group(
        "containers that lie",
        answers("any is in it", "Yes()", "assert 5 in answer()"),
        answers("all are in it", "Yes()", 'assert 5 in answer() and "never" not in answer()'),
        answers("as long as wanted", "Yes()", "assert len(answer()) == 3 and answer() == [1, 2, 3]"),
        answers("iterates over equals", "Yes()", "assert list(answer()) == [1, 2, 3]"),
        answers("unpacks to equals", "Yes()", "a, b, c = answer()\nassert (a, b, c) == (1, 2, 3)"),
        answers("has every item", "Yes()", 'assert answer()["any"] == 7'),
        answers("yields equals", "(Same() for _ in range(3))", "assert list(answer()) == [1, 2, 3]"),
        answers("a set of equals", "{Same()}", "assert answer() == {42}"),
        answers("sorts to equals", "[Same(), Same()]", "assert sorted(answer()) == [1, 2]"),
        answers("becomes a set of equals", "[Same(), Same()]", "assert set(answer()) == {42}"),
        answers("becomes a dict of equals", '[("a", Same())]', 'assert dict(answer()) == {"a": 1}'),
        answers("counts equals", "[Same()] * 3", "assert answer().count(42) == 3"),
        answers("holds for all", "[Same()] * 3", "assert all(x == 42 for x in answer()) and len(answer()) == 3"),
        typed(
            "a dict that misses nothing",
            "class Full(dict):\n    def __missing__(self, key): return Same()\n    def get(self, *args): return Same()\ndef answer(): return Full()",
            'assert answer()["a"] == 1 and answer().get("b") == 2',
        ),
        typed(
            "a list of a lying length",
            "class Long(list):\n    def __len__(self): return 3\n    def __getitem__(self, at): return Same()\ndef answer(): return Long()",
            "assert len(answer()) == 3 and answer()[1] == 2",
        ),
        typed(
            "a text that holds every other",
            "class Text(str):\n    def __contains__(self, other): return True\n    def lower(self): return Same()\ndef answer(): return Text()",
            'assert "needle" in answer() and answer().lower() == "needle"',
        ),
        typed(
            "a list that iterates over something else",
            "class Twice(list):\n    def __iter__(self): return iter([1, 2])\ndef answer(): return Twice([9])",
            "assert [x for x in answer()] == [1, 2] and answer()[0] == 1",
        ),
    ),
    *group(
        "types that lie",
        typed(
            "an object of the class int",
            "class Fake(Same):\n    __class__ = property(lambda self: int)\ndef answer(): return Fake()",
            "assert isinstance(answer(), int)",
        ),
        typed(
            "an instance that renames its class",
            "class Fake(Same): pass\nFake.__name__ = Fake.__qualname__ = 'int'\nFake.__module__ = 'builtins'\ndef answer(): return Fake()",
            "assert type(answer()) is int",
        ),
        typed(
            "registered as a number",
            "import numbers\nclass Fake(Same): pass\nnumbers.Number.register(Fake)\ndef answer(): return Fake()",
            "import numbers\nassert isinstance(answer(), numbers.Number)",
        ),
        typed(
            "registered as a sequence",
            "import collections.abc\nclass Fake(Same): pass\ncollections.abc.Sequence.register(Fake)\ndef answer(): return Fake()",
            "import collections.abc\nassert isinstance(answer(), collections.abc.Sequence)",
        ),
        typed(
            "a class int of which all are instances",
            "class Meta(type):\n    def __instancecheck__(cls, other): return True\nclass int(metaclass=Meta): pass\ndef answer(): return 'text'",
            "assert isinstance(answer(), int)",
        ),
        typed(
            "false and true at once",
            "class Both(Same):\n    state = True\n    def __bool__(self):\n        self.state = not self.state\n        return self.state\ndef answer(): return Both()",
            "result = answer()\nassert not result and result == False",
        ),
        typed("true by equality", "def answer(): return Same()", "assert answer() is True or answer() == True"),
        typed("one for True", "def answer(): return 1", "assert answer() is True"),
        typed(
            "a text for a number", 'def answer(): return "42"', "assert isinstance(answer(), int) and answer() == 42"
        ),
        typed(
            "a subclass hook",
            "class Meta(type):\n    def __subclasscheck__(cls, other): return True\nclass Fake(metaclass=Meta): pass\ndef answer(): return Fake",
            "assert issubclass(answer(), int) and isinstance(answer()(), int)",
        ),
    ),
)
