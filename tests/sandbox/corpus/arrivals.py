"""Right values: each has to arrive as it is."""

from __future__ import annotations

from .entry import Entry, group, loose, right


def exact(name: str, value: str, test: str, imports: str = "") -> Entry:
    """A value that has to arrive as it is."""
    return right(name, f"{imports}\ndef answer(*args):\n    return {value}\n", test)


ENTRIES = (
    *group(
        "values that arrive",
        exact(
            "true and false",
            "(True, False, None)",
            "x = answer()\nassert x[0] is True and x[1] is False and x[2] is None",
        ),
        exact("one is not True", "[1, 0, True]", "assert [type(x) for x in answer()] == [int, int, bool]"),
        exact(
            "special floats",
            '[float("inf"), -float("inf"), -0.0, 5e-324, 0.1]',
            "import math\nx = answer()\nassert x[:2] == [math.inf, -math.inf] and math.copysign(1, x[2]) == -1 and x[3:] == [5e-324, 0.1]",
        ),
        exact("not a number", 'float("nan")', "import math\nassert math.isnan(answer())"),
        exact("complex", "complex(1.5, -0.0)", "assert answer() == 1.5 and isinstance(answer(), complex)"),
        exact("bytes", "bytes(range(256))", "assert answer() == bytes(range(256))"),
        exact(
            "keys of every kind",
            '{1: "a", "1": "b", (1, 2): "c", None: "d", 1.5: "e", frozenset({1}): "f", b"x": "g"}',
            'assert answer() == {1: "a", "1": "b", (1, 2): "c", None: "d", 1.5: "e", frozenset({1}): "f", b"x": "g"}',
        ),
        exact("order of a dict", '{"b": 1, "a": 2}', 'assert list(answer()) == ["b", "a"]'),
        exact(
            "sets of frozensets",
            "{frozenset({1, 2}), frozenset()}",
            "assert answer() == {frozenset({1, 2}), frozenset()}",
        ),
        exact(
            "tuples and lists apart",
            "([1], (2,), [(3,)])",
            "assert answer() == ([1], (2,), [(3,)]) and type(answer()[1]) is tuple",
        ),
        exact(
            "Counter",
            'Counter("abca")',
            'from collections import Counter\nassert answer() == Counter(a=2, b=1, c=1) and answer()["z"] == 0 and answer().most_common(1) == [("a", 2)]',
            "from collections import Counter",
        ),
        exact(
            "deque",
            "deque([1, 2, 3], maxlen=3)",
            "from collections import deque\nassert answer() == deque([1, 2, 3])",
            "from collections import deque",
        ),
        exact(
            "OrderedDict",
            "OrderedDict([(2, 1), (1, 2)])",
            "from collections import OrderedDict\nassert answer() == OrderedDict([(2, 1), (1, 2)])",
            "from collections import OrderedDict",
        ),
        exact(
            "defaultdict",
            "d",
            "assert answer() == {1: [2]}",
            "from collections import defaultdict\nd = defaultdict(list)\nd[1].append(2)",
        ),
        exact(
            "Decimal",
            'Decimal("1.10")',
            'from decimal import Decimal\nassert answer() == Decimal("1.1") and str(answer()) == "1.10"',
            "from decimal import Decimal",
        ),
        exact(
            "Fraction",
            "Fraction(3, 6)",
            "from fractions import Fraction\nassert answer() == Fraction(1, 2) and answer() + 1 == Fraction(3, 2)",
            "from fractions import Fraction",
        ),
        exact(
            "dates and times",
            "[date(2026, 2, 3), datetime(2026, 2, 3, 4, 5, 6, 7), time(1, 2), timedelta(days=-1, microseconds=5)]",
            "from datetime import *\nassert answer() == [date(2026, 2, 3), datetime(2026, 2, 3, 4, 5, 6, 7), time(1, 2), timedelta(days=-1, microseconds=5)]",
            "from datetime import *",
        ),
        exact("range", "range(2, 20, 3)", "assert answer() == range(2, 20, 3) and list(answer())[-1] == 17"),
        exact("a large number", "3**40_000", "assert answer() == 3**40_000"),
        exact("a negative number of 64 bits", "[-2**63, 2**63, 2**64]", "assert answer() == [-2**63, 2**63, 2**64]"),
        exact(
            "every character", '"".join(map(chr, range(0x3000)))', 'assert answer() == "".join(map(chr, range(0x3000)))'
        ),
        exact("a megabyte of text", '"ab" * 500_000', 'assert answer() == "ab" * 500_000'),
        exact("a hundred thousand numbers", "list(range(100_000))", "assert answer() == list(range(100_000))"),
        exact(
            "lists fifty deep",
            "x",
            "x = 7\nfor _ in range(50):\n    x = [x]\nassert answer() == x",
            "x = 7\nfor _ in range(50):\n    x = [x]",
        ),
        exact(
            "empty ones",
            '["", b"", [], (), {}, set(), frozenset(), range(0)]',
            'assert answer() == ["", b"", [], (), {}, set(), frozenset(), range(0)]',
        ),
        exact(
            "a right value of a lying class",
            "Liar(42)",
            "assert answer() == 42 and answer() + 1 == 43 and not answer() == 41",
            "class Liar(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__",
        ),
        right(
            "an int whose methods say another",
            "class Int(int):\n    def __str__(self): return '977'\n    __repr__ = __format__ = __index__ = __int__ = lambda self, *args: 977\ndef answer(): return Int(0)",
            "assert answer() == 0 and answer() + 1 == 1",
        ),
        right(
            "a date whose methods say another",
            "from datetime import date\nclass Day(date):\n    def isoformat(self): return '2026-01-01'\n    __str__ = isoformat\n    year = 2026\ndef answer(): return Day(2000, 1, 1)",
            "from datetime import date\nassert answer() == date(2000, 1, 1)",
        ),
        right(
            "a decimal whose methods say another",
            "from decimal import Decimal\nclass D(Decimal):\n    def __str__(self): return '977'\n    as_tuple = lambda self: Decimal(977).as_tuple()\ndef answer(): return D(0)",
            "assert answer() == 0",
        ),
        exact(
            "a named tuple",
            "P(1, 2)",
            "assert answer() == (1, 2)",
            "from collections import namedtuple\nP = namedtuple('P', 'x y')",
        ),
        exact(
            "numbers of an enumeration",
            "[Level.HIGH, Level.LOW]",
            "assert answer() == [2, 1]",
            "from enum import IntEnum\nclass Level(IntEnum):\n    LOW = 1\n    HIGH = 2",
        ),
        exact("a generator", "(x * x for x in range(4))", "assert list(answer()) == [0, 1, 4, 9]"),
        exact(
            "map, zip, filter and reversed",
            "[map(abs, [-1]), zip([1], [2]), filter(None, [0, 3]), reversed([1, 2])]",
            "assert [list(x) for x in answer()] == [[1], [(1, 2)], [3], [2, 1]]",
        ),
        exact("views of a dict", "{1: 2}.items()", "assert list(answer()) == [(1, 2)]"),
        loose(
            "a time with a zone",
            "from datetime import *\ndef answer(): return datetime(2026, 1, 1, tzinfo=timezone.utc)",
            "from datetime import *\nassert answer() == datetime(2026, 1, 1, tzinfo=timezone.utc)",
        ),
        loose("bytearray", 'def answer(): return bytearray(b"x")', 'assert answer() == bytearray(b"x")'),
        loose(
            "fields of a named tuple",
            "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef answer(): return P(1, 2)",
            "assert answer().x == 1",
        ),
        loose(
            "equal data classes",
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef answer(): return P(1)",
            "assert answer() == P(1)",
        ),
        loose(
            "sums of objects",
            "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, other): return V(self.x + other.x)",
            "assert (V(1) + V(2)).x == 3",
        ),
        loose(
            "objects in order",
            "from functools import total_ordering\n@total_ordering\nclass V:\n    def __init__(self, x): self.x = x\n    def __lt__(self, other): return self.x < other.x\n    def __eq__(self, other): return self.x == other.x",
            "assert V(1) < V(2)",
        ),
        loose(
            "a context",
            "class C:\n    def __enter__(self): return 7\n    def __exit__(self, *args): pass",
            "with C() as x:\n    assert x == 7",
        ),
        loose(
            "parts of an object",
            "class L:\n    def __getitem__(self, at): return [1, 2, 3][at]\n    def __setitem__(self, at, value): pass\n    def __contains__(self, x): return x == 2",
            "x = L()\nx[0] = 5\nassert x[0:2] == [1, 2] and 2 in x",
        ),
        loose(
            "an instance of a class",
            "class A: pass\nclass B(A): pass\ndef answer(): return B()",
            "assert isinstance(answer(), A)",
        ),
        loose("a global that changes", "ITEMS = []\ndef add(x): ITEMS.append(x)", "add(1)\nassert ITEMS == [1]"),
    ),
)
