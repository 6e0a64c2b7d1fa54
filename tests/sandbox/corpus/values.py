"""What a solution hands to the tests: values without end, objects that act when they are looked at."""

from __future__ import annotations

from .entry import ERROR, FAIL, MEMORY, TIMEOUT, WANTED, Entry, group, wrong


def gives(name: str, value: str, test: str, *, imports: str = "", timeout: float = 2.0) -> Entry:
    return wrong(name, f"{imports}\ndef answer(*args):\n    return {value}\n", test, timeout=timeout)


def acts(name: str, methods: str, test: str = WANTED, *, timeout: float = 2.0) -> Entry:
    """An object whose `methods` do something when the judge looks at it."""
    return wrong(
        name, f"import os, sys, time\nclass Acts:\n{methods}\ndef answer(*args): return Acts()\n", test, timeout=timeout
    )


EVERY = "__repr__ = __str__ = __eq__ = __ne__ = __hash__ = __bool__ = __len__ = __iter__ = __call__ = __format__ = act"

ENTRIES = (
    *group(
        "values without end",
        gives("a generator, listed", "iter(int, 1)", "assert list(answer()) == [1]", timeout=0.3),
        gives("a generator, searched", "iter(int, 1)", "assert 977 in answer()", timeout=0.3),
        gives("a generator, summed", "iter(int, 1)", "assert sum(answer()) == 977", timeout=0.3),
        wrong(
            "a list in itself", "def answer():\n    x = [1]\n    x.append(x)\n    return x", "assert answer() == [1, 2]"
        ),
        wrong(
            "a dict in itself", 'def answer():\n    x = {}\n    x["a"] = x\n    return x', 'assert answer() == {"a": 1}'
        ),
        wrong(
            "lists a hundred thousand deep",
            "def answer():\n    x = []\n    for _ in range(100_000):\n        x = [x]\n    return x",
            "assert answer() == [[]]",
        ),
        wrong(
            "tuples a thousand deep",
            "def answer():\n    x = ()\n    for _ in range(1_000):\n        x = (x,)\n    return x",
            "assert answer() == ((),)",
        ),
        wrong(
            "doubling references",
            "def answer():\n    x = [1]\n    for _ in range(60):\n        x = [x, x]\n    return x",
            "assert answer() == [[1], [1]]",
            timeout=0.5,
        ),
        gives("a text of 200 megabytes", '"x" * (200 << 20)', 'assert answer() == "x"'),
        gives("bytes of 200 megabytes", "bytes(200 << 20)", 'assert answer() == b"x"'),
        gives("three million texts", '["x" * 9] * 3_000_000', "assert answer() == []"),
        gives("a number of forty million digits", "1 << 133_000_000", WANTED),
        gives(
            "a fraction of large numbers",
            "Fraction(1 << 10_000_000, 3)",
            WANTED,
            imports="from fractions import Fraction",
        ),
        gives(
            "a decimal of a large exponent",
            'Decimal("1E+999999999")',
            "assert int(answer()) == 977",
            imports="from decimal import Decimal",
            timeout=0.1,
        ),
        gives("a decimal that signals", 'Decimal("sNaN")', WANTED, imports="from decimal import Decimal"),
        gives("a range without end, listed", "range(10**12)", "assert list(answer()) == [1]", timeout=1.0),
        gives("a range without end, summed", "range(10**12)", "assert sum(answer()) == 977", timeout=0.1),
        gives(
            "a range without end, reversed and sorted",
            "range(10**12)",
            "assert sorted(answer(), reverse=True) == [1]",
            timeout=1.0,
        ),
        gives("a count for a product", "10**10", 'assert "a" * answer() == "aa"'),
        gives("an exponent", "10**9", "assert 7 ** answer() == 977", timeout=0.1),
        gives(
            "a text for a backtracking expression",
            '"a" * 40 + "b"',
            'import re\nassert re.fullmatch("(a+)+", answer())',
            timeout=0.1,
        ),
        gives(
            "keys that collide",
            "[(2**61 - 1) * n for n in range(60_000)]",
            "assert len(set(answer())) == 977",
            timeout=0.1,
        ),
        gives("a width of a format", "2**31", 'assert f"{7:{answer()}}" == "7"'),
        gives(
            "items of a generator of large items",
            "(bytes(8 << 20) for _ in iter(int, 1))",
            "assert list(answer()) == []",
            timeout=1.0,
        ),
        wrong(
            "a fresh object for every item",
            "class A: pass\ndef answer():\n    while True:\n        yield A()",
            "assert list(answer()) == []",
            timeout=0.5,
        ),
        wrong(
            "attributes of attributes",
            "class A:\n    def __getattr__(self, name): return A()\ndef answer(): return A()",
            "x = answer()\nfor _ in range(2_000):\n    x = x.next\nassert x == 977",
        ),
        wrong(
            "a hundred thousand objects",
            "class A: pass\ndef answer(): return [A() for _ in range(100_000)]",
            "assert answer() == [1]",
        ),
        wrong(
            "an iterator that never says",
            "import time\nclass A:\n    def __iter__(self): return self\n    def __next__(self): time.sleep(1e6)\ndef answer(): return A()",
            "assert list(answer()) == []",
            timeout=0.1,
            allowed=TIMEOUT,
        ),
        wrong("a very long exception", 'def answer(): raise ValueError("x" * (50 << 20))', WANTED),
        wrong(
            "an exception of exceptions",
            "def answer():\n    error = None\n    for _ in range(20_000):\n        new = ValueError()\n        new.__cause__ = error\n        error = new\n    raise error",
            WANTED,
        ),
        wrong(
            "an exception whose cause is itself",
            "def answer():\n    error, other = ValueError(), TypeError()\n    error.__cause__, other.__cause__ = other, error\n    raise error",
            WANTED,
        ),
        wrong(
            "a very long wrong answer",
            'def answer(): return "x" * (10 << 20)',
            'assert answer() == "y" * 10, answer()',
            allowed=FAIL | MEMORY | ERROR,
        ),
        wrong(
            "a very long name of a class",
            'def answer(): return type("x" * (10 << 20), (), {})()',
            WANTED,
        ),
    ),
    *group(
        "objects that act",
        acts(
            "__repr__ without end",
            "    def act(self, *args):\n        while True: pass\n    __repr__ = __str__ = act",
            "x = answer()\nassert x == 977, x",
            timeout=0.5,
        ),
        acts(
            "__repr__ that is no text",
            "    def __repr__(self): return 977\n    __str__ = __repr__",
            "x = answer()\nassert x == 977, str(x)",
        ),
        acts(
            "__repr__ of 100 megabytes",
            "    def __repr__(self): return 'x' * (100 << 20)",
            "x = answer()\nassert x == 977, str(x)",
        ),
        acts(
            "__str__ that says what is wanted of it",
            "    def __str__(self): return 'passed'",
            'assert str(answer()) == "977"',
        ),
        acts("__eq__ that raises SystemExit", "    def __eq__(self, other): raise SystemExit(0)"),
        acts("__bool__ that raises SystemExit", "    def __bool__(self): raise SystemExit(0)", "assert answer()"),
        acts(
            "__len__ that raises SystemExit", "    def __len__(self): raise SystemExit(0)", "assert len(answer()) == 3"
        ),
        acts(
            "__iter__ that raises SystemExit",
            "    def __iter__(self): raise SystemExit(0)",
            "assert list(answer()) == []",
        ),
        acts("__bool__ that is no bool", "    def __bool__(self): return 'yes'", "assert answer()"),
        acts("a negative length", "    def __len__(self): return -1", "assert len(answer()) >= 0"),
        acts("a length beyond all bounds", "    def __len__(self): return 2**80", "assert len(answer()) == 2**80"),
        acts("a length that is a text", "    def __len__(self): return '3'", "assert len(answer()) == 3"),
        acts("an iterator that is none", "    def __iter__(self): return 977", "assert list(answer()) == []"),
        acts(
            "__getattribute__ that leaves",
            "    def __getattribute__(self, name): os._exit(0)",
            "assert answer().value == 977",
        ),
        acts(
            "__class__ that leaves",
            "    __class__ = property(lambda self: os._exit(0))",
            "assert isinstance(answer(), int)",
        ),
        acts(
            "every method leaves",
            f"    def act(self, *args): os._exit(0)\n    {EVERY}",
            "x = answer()\nassert x == 977 and str(x) and list(x)",
        ),
        acts(
            "every method raises what no one knows",
            f"    class Odd(BaseException): pass\n    def act(self, *args): raise self.Odd\n    {EVERY}",
            "x = answer()\nassert bool(x) and len(x) == 977",
        ),
        acts(
            "every method calls itself",
            f"    def act(self, *args): return self.act()\n    {EVERY}",
            "x = answer()\nassert bool(x) and len(x) == 977",
        ),
        acts("__del__ that leaves", "    def __del__(self): os._exit(0)"),
        acts("__del__ without end", "    def __del__(self):\n        while True: pass", timeout=0.5),
        acts(
            "__reduce__ that leaves",
            "    def __reduce__(self): return os._exit, (0,)\n    __reduce_ex__ = lambda self, version: self.__reduce__()",
        ),
        acts(
            "__reduce__ that calls system",
            "    def __reduce__(self): return os.system, ('true',)\n    __reduce_ex__ = lambda self, version: self.__reduce__()",
        ),
        acts(
            "__getstate__ and __deepcopy__ that leave",
            "    def act(self, *args): os._exit(0)\n    __getstate__ = __deepcopy__ = __copy__ = act",
            "import copy\nassert copy.deepcopy(answer()) == 977",
        ),
        acts(
            "a value of json's",
            "    def __json__(self): return 977\n    to_json = toJSON = default = _asdict = __json__",
        ),
        wrong(
            "a text whose pickle leaves",
            "import os\nclass Text(str):\n    def __reduce__(self): return os._exit, (0,)\ndef answer(): return [Text('no'), {Text('no'): Text('no')}]",
            'assert answer() == ["yes"]',
        ),
        wrong(
            "a list whose iteration leaves",
            "import os\nclass L(list):\n    def __iter__(self): os._exit(0)\n    __len__ = __getitem__ = __iter__\ndef answer(): return L([1])",
            "assert answer() == [2]",
        ),
        wrong(
            "a dict whose items leave",
            "import os\nclass D(dict):\n    def items(self): os._exit(0)\n    keys = values = __iter__ = __len__ = items\ndef answer(): return D(a=1)",
            'assert answer() == {"a": 2}',
        ),
        wrong(
            "an exception that is a pass",
            "class Passed(AssertionError):\n    def __init__(self): self.args = ('pass',)\n    def __str__(self): return ''\ndef answer(): raise Passed",
            WANTED,
        ),
        wrong(
            "an exception whose text leaves",
            "import os\nclass E(Exception):\n    def __str__(self): os._exit(0)\n    __repr__ = __str__\ndef answer(): raise E",
            WANTED,
        ),
        wrong(
            "an exception of a lying class",
            "class Meta(type):\n    def __getattribute__(cls, name): raise SystemExit(0)\nclass E(Exception, metaclass=Meta): pass\ndef answer(): raise E",
            WANTED,
        ),
        wrong(
            "an exception of the wrong type",
            "class Both(KeyError):\n    __class__ = ValueError\ndef answer(): raise Both",
            "try:\n    answer()\nexcept ValueError:\n    pass",
        ),
        wrong(
            "a warning for an exception",
            "import warnings\ndef answer():\n    warnings.warn('x')\n    return 0",
            "try:\n    answer()\n    assert False\nexcept Warning:\n    pass",
        ),
        wrong("a coroutine for an answer", "async def answer(): return 977", WANTED),
    ),
)
