"""What a verdict is, in every tier: honest solutions pass, and nothing else does."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pytest_llmroute.sandbox import run_solution
from tests.sandbox.conftest import TIERS, Runner


class Case(NamedTuple):
    code: str
    tests: tuple[str, ...]
    setup: str = ""


PASSES = {
    "two asserts": Case("def f(x): return x + 1", ("assert f(1) == 2", "assert f(-1) == 0")),
    "a class": Case(
        "class Node:\n    def __init__(self, v): self.v, self.next = v, None\ndef last(n):\n"
        "    while n.next: n = n.next\n    return n.v",
        ("assert last(n) == 3", "n.next.v = 5\nassert last(n) == 5"),
        "n = Node(1)\nn.next = Node(3)",
    ),
    "a class of a list": Case(
        "class Stack(list):\n    def push(self, x): self.append(x)\n    def peek(self): return self[-1]",
        ("s = Stack(); s.push(1); s.push(2)\nassert s.peek() == 2\nassert len(s) == 2\nassert s == [1, 2]",
         "assert [1, 2] == s", "assert isinstance(s, list)", "s.append(7)\nassert s.peek() == 7"),
    ),
    "a named tuple": Case(
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
        ("assert f() == (1, 2)", "assert f().x == 1", "assert f() == P(1, 2)"),
    ),
    "an enum": Case(
        "from enum import Enum\nclass C(Enum):\n    A = 1\n    B = 2\ndef f(): return C.B",
        ("assert f() is C.B", "assert f() == C.B", "assert f().name == 'B'", "assert C['A'].value == 1"),
    ),
    "a data class": Case(
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(): return P(1)",
        ("assert f().x == 1", "assert isinstance(f(), P)", "assert repr(f()) == 'P(x=1)'"),
    ),
    "an exception of its own": Case(
        "class Odd(ValueError): pass\ndef f(): raise Odd('x', 3)",
        ("try:\n    f()\n    assert False\nexcept Odd as e:\n    assert e.args == ('x', 3)",
         "try:\n    f()\n    assert False\nexcept ValueError:\n    pass"),
    ),
    "an exception of the library": Case(
        "import json\ndef f(s): return json.loads(s)",
        ("import json\ntry:\n    f('{')\n    assert False\nexcept json.JSONDecodeError:\n    pass",),
    ),
    "functions of the tests": Case(
        "def f(g, x): return g(x) + 1",
        ("assert f(lambda y: y * 2, 4) == 9", "assert f(len, [1, 2]) == 3", "assert f(int, '4') == 5"),
    ),
    "a generator": Case(
        "def f():\n    yield from range(4)", ("assert list(f()) == [0, 1, 2, 3]", "assert next(f()) == 0"),
    ),
    "in place": Case("def f(l): l.sort()", ("l = [3, 1, 2]\nf(l)\nassert l == [1, 2, 3]",)),
    "a global that changes": Case("n = 0\ndef inc():\n    global n\n    n += 1", ("inc(); inc()", "assert n == 2")),
    "named like a builtin": Case("def sum(a, b): return a + b", ("assert sum(10, 15) == 25", "assert sum(1, 2) == 3")),
    "the library's own": Case(
        "import math\nfrom collections import Counter\ndef f(x): return Counter(x)",
        ("assert f('aab') == Counter({'a': 2, 'b': 1})", "assert math.isclose(f('a')['a'], 1)"),
    ),
    "many types": Case(
        "import decimal, fractions, datetime, collections\n"
        "def f(): return [1.5, -0.0, float('inf'), 2 ** 90, 1 + 2j, b'x', {1, 2}, frozenset([3]), range(2, 9, 3),"
        " decimal.Decimal('1.10'), fractions.Fraction(1, 3), datetime.date(2024, 2, 29), datetime.timedelta(hours=1),"
        " collections.deque([1], 3), None, True, '\\ud800', {(1, 2): [3]}]",
        ("import decimal, fractions, datetime, collections\n"
         "assert f() == [1.5, -0.0, float('inf'), 2 ** 90, 1 + 2j, b'x',"
         " {1, 2}, frozenset([3]), range(2, 9, 3), decimal.Decimal('1.10'), fractions.Fraction(1, 3),"
         " datetime.date(2024, 2, 29), datetime.timedelta(hours=1), collections.deque([1], 3), None, True, '\\ud800',"
         " {(1, 2): [3]}]", "assert str(f()[1]) == '-0.0'", "assert f()[13].maxlen == 3"),
    ),
    "not a number": Case("def f(): return float('nan')", ("assert f() != f()",)),
    "deep, and many": Case(
        "def f(n): return 0 if n == 0 else 1 + f(n - 1)\ndef g(): return list(range(100_000))",
        ("assert f(900) == 900", "assert sum(g()) == 4999950000"),
    ),
    "threads": Case(
        "import threading, time\ndef f():\n"
        "    ts = [threading.Thread(target=time.sleep, args=(0.02,)) for _ in range(9)]\n"
        "    [t.start() for t in ts]; [t.join() for t in ts]\n    return len(ts)",
        ("assert f() == 9",),
    ),
    "asynchronous": Case(
        "import asyncio\nasync def g():\n    await asyncio.sleep(0.01)\n    return 5\ndef f(): return asyncio.run(g())",
        ("assert f() == 5",),
    ),
    "prints much": Case("def f():\n    for _ in range(9000): print('x' * 1000)\n    return 1", ("assert f() == 1",)),
    "a byte order mark": Case("\ufeffdef f(): return 1", ("assert f() == 1",)),
    "a main block": Case(
        "def f(): return 1\nif __name__ == '__main__':\n    raise RuntimeError(input())", ("assert f() == 1",),
    ),
    "the seed": Case("import random\ndef f(): return random.random()", ("assert 0 <= f() < 1",)),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSES)
def test_an_honest_solution_passes(everywhere: Runner, name: str) -> None:
    case = PASSES[name]
    verdict = everywhere(case.code, *case.tests, setup=case.setup)
    assert (verdict.status, verdict.message) == ("pass", "")
    assert verdict.held == (True,) * len(case.tests)
    assert verdict.tier == everywhere.tier


LIE = "class Always:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
OTHERS = {
    "wrong": ("fail", "def f(x): return 2", ("assert f(1) == 3",)),
    "wrong once": ("fail", "def f(x): return x", ("assert f(1) == 1", "assert f(2) == 3", "assert f(3) == 3")),
    "always equal": ("fail", LIE + "def f(x): return Always()", ("assert f(1) == 3",)),
    "always equal, turned round": ("fail", LIE + "def f(x): return Always()", ("assert 3 == f(1)",)),
    "equal to anything": ("fail", "from unittest.mock import ANY\ndef f(x): return ANY", ("assert f(1) == 3",)),
    "an int that lies": (
        "fail", "class I(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def f(x): return I(1)",
        ("assert f(1) == 3",),
    ),
    "a list that lies": (
        "fail", "class L(list):\n    def __eq__(self, other): return True\ndef f(x): return L([1])",
        ("assert f(1) == [3]", "assert [3] == f(1)"),
    ),
    "near to anything": (
        "error", "class N:\n    def __sub__(self, o): return self\n    def __rsub__(self, o): return self\n"
        "    def __abs__(self): return 0\n    def __lt__(self, o): return True\ndef f(x): return N()",
        ("assert abs(f(1) - 3.0) < 1e-9",),
    ),
    "a builtin that the tests use": (
        "error", "def set(x): return 1\ndef f(x): return 0", ("assert set(f([1])) == set([2])",),
    ),
    "a module that the tests use": (
        "fail", "class M:\n    def isclose(self, a, b): return True\nmath = M()\ndef f(x): return 1",
        ("assert math.isclose(f(1), 2)",),
    ),
    "a name that the tests use": (
        "fail", "eps = 1e9\ndef f(x): return 7", ("eps = 1e-6", "assert abs(f(1) - 3) < eps"),
    ),
    "leaves": ("error", "import os\ndef f(x): os._exit(0)", ("try:\n    f(1)\nexcept BaseException:\n    pass",)),
    "leaves politely": ("error", "import sys\nsys.exit(0)", ("assert True",)),
    "gives the way out": ("error", "import os\nf = os._exit", ("f(0)",)),
    "raises": ("error", "def f(x): return 1 / x", ("assert f(0) == 1",)),
    "asserts itself": ("error", "def f(x): assert False", ("assert f(1) == 1",)),
    "no such name": ("error", "def g(): pass", ("assert f(1) == 1",)),
    "nothing": ("error", "", ("assert f(1) == 1",)),
    "no Python": ("error", "def f(:", ("assert f(1) == 1",)),
    "a null byte": ("error", "x = '\0'", ("assert x",)),
    "for ever": ("timeout", "def f(x):\n    while True: pass", ("f(1)",)),
    "for ever in C": ("timeout", "def f(x): return 10 ** 10 ** 8", ("f(1)",)),
    "sleeps": ("timeout", "import time\ntime.sleep(60)", ("assert True",)),
    "without end": ("timeout", "def f():\n    while True: yield 1", ("list(f())",)),
    "too large": ("memory", "def f(): return [bytearray(1 << 20) for _ in range(2000)]", ("f()",)),
    "too deep": ("error", "def f(n): return f(n + 1)", ("f(0)",)),
    "holds itself": ("fail", "def f():\n    x = []\n    x.append(x)\n    return x", ("assert f() == 1",)),
    "crashes": ("error", "import ctypes\ndef f(): ctypes.string_at(0)", ("f()",)),
    "tests that leave": ("error", "x = 1", ("import sys\nsys.exit(0)",)),
    "tests that are no Python": ("error", "x = 1", ("assert x ==",)),
}  # fmt: skip


SLOW = {("unsafe-local", "for ever in C"), ("unsafe-local", "without end")}
"""Without a jail the processor's time is counted in whole seconds."""


@pytest.mark.parametrize(
    ("everywhere", "name"),
    [
        pytest.param(tier, name, marks=[pytest.mark.slow] if (tier, name) in SLOW else [])
        for tier in TIERS
        for name in OTHERS
    ],
    indirect=["everywhere"],
)
def test_any_other_has_its_status(everywhere: Runner, name: str) -> None:
    status, code, tests = OTHERS[name]
    verdict = everywhere(code, *tests, timeout=0.3 if status == "timeout" else 2.0)
    assert (verdict.status, verdict.passed) == (status, False)
    assert verdict.message
    assert not verdict.retried


def test_the_share_and_the_message_tell_which_test_did_not_hold(everywhere: Runner) -> None:
    verdict = everywhere("def f(x): return x", "assert f(1) == 1", "assert f(2) == 3", "assert f(3) == 3", "f(1) / 0")
    assert verdict.held == (True, False, True, False)
    assert verdict.share == 0.5
    assert verdict.message == "test 2 of 4: did not hold: assert f(2) == 3"
    assert everywhere("def f(x):\n    return 1 / x", "f(0)").message == (
        "test 1 of 1: ZeroDivisionError: division by zero, line 2 of the solution"
    )


def test_an_execution_has_its_figures(jailed: Runner) -> None:
    small = jailed("def f(n): return sum(range(n))", "f(10)")
    large = jailed("def f(n):\n    held = bytearray(100_000_000)\n    return sum(range(n))", "f(10_000_000)")
    assert 0 < small.cpu_seconds < 0.1 < large.cpu_seconds < large.seconds + 0.1
    assert 95e6 < large.rss_peak - small.rss_peak < 110e6


def test_what_is_printed_is_kept_capped_and_inert(everywhere: Runner) -> None:
    verdict = everywhere(
        "print('\\x1b[31m1 passed'); print('\\ud800')\nfor _ in range(100_000): print('x' * 9)", "assert 1"
    )
    assert verdict.passed
    assert verdict.output.startswith("\x1b[31m1 passed\n\\ud800\nxxxxxxxxx\n")
    assert len(verdict.output) == 64 * 1024 < 1_000_000 < verdict.output_bytes


PROGRAMS = {
    "input": "a, b = map(int, input().split())\nprint(a + b)",
    "sys.stdin": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "open(0)": "print(sum(map(int, open(0).read().split())))\nraise SystemExit",
    "bytes": "import sys\nsys.stdout.buffer.write(b'%d' % sum(map(int, sys.stdin.buffer.readline().split())))",
    "main": "def main():\n    print(sum(int(x) for x in input().split()), end='  \\n\\n')\n"
    "if __name__ == '__main__':\n    main()",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_judged_by_what_it_prints(everywhere: Runner, name: str) -> None:
    assert everywhere.program(PROGRAMS[name], "20 3\n", "23\n").passed
    verdict = everywhere.program(PROGRAMS[name], "20 3\n", "24")
    assert (verdict.status, verdict.message) == ("fail", "line 1: expected '24', got '23'")


def test_a_program_that_fails_has_its_status(everywhere: Runner) -> None:
    assert everywhere.program("print(1); raise SystemExit(3)", "", "1").status == "error"
    assert everywhere.program("print(1); 1 / 0", "", "1").status == "error"
    assert everywhere.program("print(1)\nwhile True: pass", "", "1", timeout=0.3).status == "timeout"
    assert everywhere.program("", "", "1").message == "line 1: expected '1', got no more"


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="no tests"):
        run_solution("x = 1", [], 1.0)
    with pytest.raises(ValueError, match="above 0"):
        run_solution("x = 1", ["assert x"], 0.0)
