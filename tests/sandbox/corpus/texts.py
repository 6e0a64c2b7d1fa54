"""Source text that means something else where it is joined to tests, decoded or parsed."""

from __future__ import annotations

from .entry import DOUBLE, DOUBLED, ERROR, NO_PASS, WANTED, ZERO, Entry, group, loose, right, wrong


def tail(name: str, end: str, test: str = WANTED) -> Entry:
    """A wrong solution whose last characters are meant for what follows."""
    return Entry(name, ZERO + end, (test,), NO_PASS)


def broken(name: str, code: str) -> Entry:
    return Entry(name, DOUBLE + code, (DOUBLED,), ERROR)


def raw(name: str, code: str, *tests: str) -> Entry:
    return right(name, code, *(tests or (DOUBLED,)))


ENTRIES = (
    *group(
        "joined to the tests",
        tail("a trailing backslash", "if 0: pass; \\"),
        tail("a trailing backslash in a comment", "# \\"),
        tail("a function that takes the test as its body", "def later(): \\"),
        tail("a loop that takes the test as its body", "while 0: \\"),
        tail("an open triple quote", '"""'),
        tail("an open triple quote that the test closes", 'x = """', 'assert answer() == 977  # """'),
        tail("an open single triple quote", "'''", "'''a test'''\nassert answer() == 977"),
        tail("an open bracket", "x = ("),
        tail("an open block", "if False:"),
        tail("an open function", "def later():"),
        tail("an open try", "try:\n    pass\nfinally:"),
        tail(
            "a decorator for the next",
            "@lambda function: lambda: None",
            "def check():\n    assert answer() == 977\ncheck()",
        ),
        tail("no end of line", "print(0) #"),
        tail("a return", "return"),
        tail("a with that swallows", "import contextlib\nwith contextlib.suppress(AssertionError):"),
        tail("an async for", "async def f():\n  async for x in y:"),
        tail("a carriage return", "if 0: pass; \\\r"),
        tail("a form feed", "#\f"),
        tail("a line separator", "# \u2028"),
        tail("an end of file in the middle", "\x1a"),
        tail("a future import for the rest", "from __future__ import annotations"),
        tail("__debug__ set to false", "__debug__ = False"),
        tail("a class of the tests", "class Quiet(Exception): pass\nclass rest:"),
        wrong(
            "a marker of the end of the solution",
            ZERO + '# --- end of solution ---\nassert True\nraise SystemExit(0)\n"""',
            WANTED,
        ),
    ),
    *group(
        "codecs and characters",
        Entry(
            "a hidden exit in utf-7", "# coding: utf-7\n" + ZERO + "# +AAo-import os; os._exit(0)\n", (WANTED,), NO_PASS
        ),
        Entry(
            "a hidden exit in escapes",
            "# coding: unicode_escape\n" + ZERO + "# \\u000aimport os; os._exit(0)\n",
            (WANTED,),
            NO_PASS,
        ),
        Entry(
            "a hidden exit in raw escapes",
            "# coding: raw_unicode_escape\n" + ZERO + "# \\u000aimport os; os._exit(0)\n",
            (WANTED,),
            NO_PASS,
        ),
        Entry("a cookie of no codec", "# coding: nonsense\n" + ZERO, (WANTED,), NO_PASS),
        raw(
            "a cookie that isn't true",
            '# -*- coding: latin-1 -*-\ndef size(): return len("é→")\n',
            "assert size() == 2",
        ),
        raw("a cookie of utf-16", "# coding: utf-16\n" + DOUBLE),
        raw("a byte order mark", "\ufeff" + DOUBLE),
        raw("line ends of another system", DOUBLE.replace("\n", "\r\n") + "x = 1\r\n"),
        raw("line ends of an older system", "def double(x):\r    return 2 * x\r"),
        raw("form feeds between functions", "x = 1\n\f\n" + DOUBLE),
        raw("tabs", "def double(x):\n\ty = x\n\treturn 2 * y\n"),
        raw("names with accents", "def größe(maß_é): return 2 * maß_é\n", "assert größe(4) == 8"),
        raw(
            "names of other scripts",
            "def 長さ(文): return len(文)\nдлина = 長さ\n",
            'assert 長さ("文字") == 2 and длина("три") == 3',
        ),
        raw("names that are normalised", "def ﬁnd(x): return x\n", "assert find(3) == 3 and ﬁnd(4) == 4"),
        raw(
            "texts with emoji and zeros",
            'def text(): return "🦊\\0\\x1b"\n',
            'assert text() == "🦊" + chr(0) + chr(27)',
        ),
        raw(
            "a lone surrogate as an escape",
            'def text(): return "\\ud800"\n',
            "assert text() == chr(0xd800) and len(text()) == 1",
        ),
        broken("a null byte", "x = 1\x00\n"),
        broken("a null byte after a comment", "# x\x00 = 1"),
        broken("a lone surrogate", 'x = "\ud800"\n'),
        broken("a lone surrogate in a comment", "# \udfff\n"),
        broken("a zero-width name", "do\u200buble = None\n"),
        broken("a no-break space", "x\u00a0= 1\n"),
        broken("a byte order mark in the middle", "\ufeffx = 1\n"),
        broken("a right-to-left override", "x = 1 \u202e# )\n("),
        broken("typographic quotes", "x = “text”\n"),
        broken("control characters", "x = 1\x01\n"),
    ),
    *group(
        "large and deep text",
        raw(
            "a long line",
            "table = [" + "1, " * 50_000 + "1]\ndef size(): return sum(table)\n",
            "assert size() == 50_001",
        ),
        raw("many lines", "x = 0\n" + "x += 1\n" * 20_000 + "def count(): return x\n", "assert count() == 20_000"),
        raw("a long text", f'text = "{"a" * 300_000}"\ndef size(): return len(text)\n', "assert size() == 300_000"),
        raw(
            "a large number in hexadecimal",
            f"number = 0x{'f' * 20_000}\ndef bits(): return number.bit_length()\n",
            "assert bits() == 80_000",
        ),
        raw(
            "many functions",
            "".join(f"def f{n}(): return {n}\n" for n in range(2_000)),
            "assert f7() == 7 and f1999() == 1999",
        ),
        broken("a large number in decimal", "x = " + "9" * 20_000 + "\n"),
        broken("brackets nested too deep", "x = " + "[" * 5_000 + "]" * 5_000 + "\n"),
        broken("an open bracket a thousand times", "x = " + "(" * 1_000 + "\n"),
        broken("blocks nested too deep", "".join(" " * n + "if 1:\n" for n in range(150)) + " " * 150 + "pass\n"),
        loose("signs nested deep", DOUBLE + "x = " + "-" * 100_000 + "1\n", DOUBLED),
        loose("attributes nested deep", DOUBLE + "x = double" + ".x" * 50_000 + "\n", DOUBLED),
        loose("operators nested deep", DOUBLE + "x = " + "1+" * 100_000 + "1\n", DOUBLED),
        Entry(
            "constants that grow when folded",
            DOUBLE + "x = " + "(" * 50 + "9" + "**9)" * 50 + "\n",
            (DOUBLED,),
            NO_PASS,
            timeout=1.0,
        ),
        Entry("a text that grows when folded", DOUBLE + 'x = "x" * 10**10\n', (DOUBLED,), NO_PASS),
        loose(
            "a comprehension of comprehensions", DOUBLE + "x = " + "[" * 90 + "1" + " for a in ()]" * 90 + "\n", DOUBLED
        ),
        loose("f-strings in f-strings", DOUBLE + "x = f'{" * 40 + "1" + "}'" * 40 + "\n", DOUBLED),
        loose("eight megabytes of comment", DOUBLE + "# " + "x" * (8 << 20) + "\n", DOUBLED),
        loose(
            "a regular expression of nested groups",
            "import re\n"
            + DOUBLE
            + "try:\n    re.compile('(' * 5000 + ')' * 5000)\nexcept (RecursionError, re.error, OverflowError):\n    pass\n",
            DOUBLED,
        ),
    ),
    *group(
        "code made at run time",
        wrong("exec that leaves", ZERO + 'exec("import os; os._exit(0)")', WANTED),
        wrong("compile of an exit", ZERO + 'eval(compile("__import__(\'os\')._exit(0)", "<tests>", "eval"))', WANTED),
        wrong(
            "base64 of an exit",
            ZERO + 'import base64\nexec(base64.b64decode("aW1wb3J0IG9zOyBvcy5fZXhpdCgwKQ=="))',
            WANTED,
        ),
        wrong(
            "marshal of an exit",
            ZERO + 'import marshal\nexec(marshal.loads(marshal.dumps(compile("import os; os._exit(0)", "x", "exec"))))',
            WANTED,
        ),
        wrong("an exit in a default", "import os\ndef answer(x=os._exit(0)): return 0", WANTED),
        wrong(
            "an exit in an annotation",
            "import os\ndef answer() -> os._exit(0): return 0",
            "answer.__annotations__\n" + WANTED,
        ),
        wrong("an exit in a decorator", "import os\n@(lambda function: os._exit(0))\ndef answer(): return 0", WANTED),
        wrong("an exit in a class body", ZERO + "class A:\n    import os\n    os._exit(0)", WANTED),
        wrong(
            "an exit in __init_subclass__",
            ZERO + "import os\nclass A:\n    def __init_subclass__(cls): os._exit(0)\nclass B(A): pass",
            WANTED,
        ),
        wrong(
            "an exit in __set_name__",
            ZERO + "import os\nclass A:\n    def __set_name__(self, *args): os._exit(0)\nclass B:\n    a = A()",
            WANTED,
        ),
        wrong("an exit in the module's __getattr__", "import os\ndef __getattr__(name): os._exit(0)", WANTED),
        wrong(
            "exec in the callers' globals",
            'import sys\ndef answer():\n    exec("import os; os._exit(0)", sys._getframe(1).f_globals)\n    return 0',
            WANTED,
        ),
        right("exec of a definition", 'exec("def double(x): return 2 * x")', DOUBLED),
        right("eval of an expression", "def double(x): return eval('x * 2')", DOUBLED),
    ),
)
