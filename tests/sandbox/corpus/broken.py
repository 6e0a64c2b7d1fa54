"""Solutions that are simply wrong, and the status that each deserves."""

from __future__ import annotations

from .entry import DOUBLED, ERROR, FAIL, TIMEOUT, Entry, group, wrong


def errs(name: str, code: str, *tests: str) -> Entry:
    return wrong(name, code, *(tests or (DOUBLED,)), allowed=ERROR)


def fails(name: str, code: str, *tests: str) -> Entry:
    return wrong(name, code, *(tests or (DOUBLED,)), allowed=FAIL)


ENTRIES = (
    *group(
        "no Python",
        errs("a syntax error", "def double(x) return 2 * x"),
        errs("an unclosed bracket", "def double(x):\n    return (2 * x"),
        errs("an unclosed text", 'def double(x):\n    """Doubles.\n    return 2 * x'),
        errs("wrong indentation", "def double(x):\nreturn 2 * x"),
        errs("tabs and spaces mixed", "def double(x):\n\tif x:\n        return 2 * x"),
        errs("cut off", "def double(x):\n    result = 2 *"),
        errs("cut off after the head", "def double(x):"),
        errs("an older Python", 'def double(x):\n    print "x"\n    return 2 * x'),
        errs("fences left in", "```python\ndef double(x):\n    return 2 * x\n```"),
        errs("prose", "Here is the function you asked for. It doubles x."),
        errs("prose around it", "Sure! Here you go:\n\ndef double(x):\n    return 2 * x\n\nHope it helps."),
        errs("another language", "function double(x) { return 2 * x; }"),
        errs("return outside", "return 8"),
        errs("await outside", "await double(4)"),
        errs("break outside", "def double(x):\n    break"),
        errs("a name that is a keyword", "def class(x): return 2 * x"),
        errs("an assignment to a literal", "2 = x\ndef double(x): return 2 * x"),
        errs("a star too many", "def double(*x, *y): return 2"),
        errs("a placeholder", "def double(x):\n    <your code here>"),
        errs("a diff", "@@ -1 +1 @@\n-def double(x): pass\n+def double(x): return 2 * x"),
    ),
    *group(
        "nothing to call",
        errs("empty", ""),
        errs("white space", "  \n\t\n"),
        errs("comments only", "# def double(x): return 2 * x\n"),
        errs("a docstring only", '"""Doubles x."""'),
        errs("another name", "def times_two(x): return 2 * x"),
        errs("another case", "def Double(x): return 2 * x"),
        errs("within another function", "def outer():\n    def double(x): return 2 * x"),
        errs("within a class", "class Solution:\n    def double(self, x): return 2 * x"),
        errs("under a false condition", "if False:\n    def double(x): return 2 * x"),
        errs("for the main module only", 'if __name__ == "__main__":\n    def double(x): return 2 * x'),
        errs("deleted", "def double(x): return 2 * x\ndel double"),
        errs("no function", "double = 8"),
        errs("None", "double = None"),
    ),
    *group(
        "raises",
        errs("a name that is not there", "def double(x): return 2 * y"),
        errs("a name that is not imported", "def double(x): return math.ceil(2 * x)"),
        errs("a missing package", "import torch_of_nobody\ndef double(x): return 2 * x"),
        errs("at import", "def double(x): return 2 * x\nraise ValueError('x')"),
        errs("at import, division", "def double(x): return 2 * x\n1 / 0"),
        errs("ValueError", "def double(x): raise ValueError(x)"),
        errs("NotImplementedError", "def double(x): raise NotImplementedError"),
        errs("an error of its own", "class Mine(Exception): pass\ndef double(x): raise Mine(x)"),
        errs("a wrong number of arguments", "def double(): return 8"),
        errs("a keyword that is not taken", "def double(x): return 2 * x", "assert double(y=4) == 8"),
        errs("a wrong index", "def double(x): return [8][x]"),
        errs("recursion without end", "def double(x): return double(x)"),
        errs(
            "an error for one of three",
            "def double(x): return {1: 2, 2: 4}[x]",
            "assert double(1) == 2",
            "assert double(2) == 4",
            DOUBLED,
        ),
        errs("a key of another type", "def double(x): return {[x]: 1}"),
        errs("input that never comes", "def double(x): return int(input())"),
        errs(
            "the wrong error",
            "def parse(x): raise TypeError",
            "try:\n    parse('x')\n    assert False\nexcept ValueError:\n    pass",
        ),
        errs("a group of errors", "def double(x): raise ExceptionGroup('x', [ValueError(1), KeyError(2)])"),
        errs("a constructor", "class Stack:\n    def __init__(self): raise OSError", "assert Stack() is not None"),
        errs("in a generator", "def items():\n    yield 1\n    raise KeyError", "assert list(items()) == [1]"),
        errs(
            "a method that is missing",
            "class Stack:\n    def push(self, x): pass",
            "s = Stack()\ns.push(1)\nassert s.pop() == 1",
        ),
    ),
    *group(
        "wrong",
        fails("a wrong answer", "def double(x): return 3 * x"),
        fails("None", "def double(x): 2 * x"),
        fails("printed, not returned", "def double(x): print(2 * x)"),
        fails("a text", "def double(x): return str(2 * x)"),
        fails("a list", "def double(x): return [2 * x]"),
        fails("one too many", "def double(x): return 2 * x + 1", DOUBLED, "assert double(0) == 0"),
        fails(
            "right for one of three",
            "def double(x): return 2",
            "assert double(1) == 2",
            "assert double(2) == 4",
            DOUBLED,
        ),
        fails(
            "the last of three",
            "def double(x): return 2 * x if x < 4 else 0",
            "assert double(1) == 2",
            "assert double(2) == 4",
            DOUBLED,
        ),
        fails("the function itself", "def double(x): return double"),
        fails("a tuple for a list", "def pair(x): return (x, x)", "assert pair(1) == [1, 1]"),
        fails(
            "the order of a list", "def letters(text): return list(text)[::-1]", 'assert letters("ab") == ["a", "b"]'
        ),
        fails("almost", "def third(): return 0.3333", "assert abs(third() - 1 / 3) < 1e-9"),
        fails("infinite", "def third(): return float('inf')", "assert abs(third() - 1 / 3) < 1e-9"),
        fails("true where false is meant", "def is_odd(x): return True", "assert not is_odd(2)"),
        fails(
            "no error where one is meant",
            "def parse(x): return 0",
            'try:\n    parse("x")\n    assert False\nexcept ValueError:\n    pass',
        ),
        fails(
            "state of a call before",
            "calls = []\ndef count():\n    calls.append(1)\n    return len(calls)",
            "assert count() == 1\nassert count() == 1",
        ),
        fails("a message of its own", "def double(x): return 0", 'assert double(4) == 8, "double(4) shall be 8"'),
        wrong(
            "an assert of its own", "def double(x):\n    assert x < 4\n    return 2 * x", DOUBLED, allowed=FAIL | ERROR
        ),
        wrong(
            "too slow",
            "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)",
            "assert fib(60) == 1548008755920",
            allowed=TIMEOUT,
            timeout=0.5,
        ),
    ),
)
