"""What one side does to the other: callbacks and arguments."""

from __future__ import annotations

from .entry import ANSWER, HUNT, Entry, group, right, wrong
from .lies import SAME


def searches(name: str, body: str) -> Entry:
    """Looks for the expected value through the function that a test passes."""
    code = f"{HUNT}\nimport sys\ndef loot(function):\n    {body}\n"
    return wrong(
        name,
        code,
        f"expected = {ANSWER}\ndef own(x):\n    return x == {ANSWER}\nassert answer(own) == expected",
        leak="answer",
    )


ENTRIES = (
    *group(
        "callbacks",
        searches(
            "its globals",
            "yield from map(repr, function.__globals__.values())\n    for thing in list(function.__globals__.values()):\n        yield thing",
        ),
        searches("its constants", "yield from function.__code__.co_consts"),
        searches(
            "its cells and defaults",
            "for part in (function.__closure__ or ()):\n        yield part.cell_contents\n    yield from (function.__defaults__ or ())\n    yield from function.__code__.co_consts",
        ),
        searches(
            "the globals of its class",
            "for name in dir(type(function)):\n        more = getattr(getattr(type(function), name, None), '__globals__', {})\n        for thing in list(more.values()):\n            yield thing\n            yield repr(thing)[:10000]\n    yield from function.__getattribute__('__code__').co_consts",
        ),
        searches(
            "what it is called with",
            "seen = []\n    class Spy:\n        def __eq__(self, other):\n            seen.append(other)\n            return True\n        __hash__ = None\n    function(Spy())\n    yield from seen",
        ),
        searches(
            "frames of its error",
            "class Bad:\n        def __eq__(self, other): raise ValueError\n    try:\n        function(Bad())\n    except ValueError as error:\n        trace = error.__traceback__\n        while trace:\n            yield from trace.tb_frame.f_code.co_consts\n            yield from map(repr, trace.tb_frame.f_globals.values())\n            trace = trace.tb_next",
        ),
        searches(
            "its attributes",
            "for name in dir(function):\n        yield repr(getattr(function, name, None))\n        yield getattr(function, name, None)",
        ),
        wrong(
            "its result is believed",
            "def answer(check): return check",
            "def check(x): return x == 977\nassert answer(check) == 977",
        ),
        wrong(
            "it is told of an equal",
            "def answer(check): return check(Same())",
            "def check(x): return x == 977\nassert answer(check) is True",
            prelude=SAME,
        ),
        wrong(
            "it is called for ever",
            "def answer(f):\n    while True: f(1)",
            "assert answer(lambda x: x) == 977",
            timeout=0.5,
        ),
        wrong(
            "it is called by itself",
            "def answer(f): return f(f)",
            "def own(f): return answer(own)\nassert answer(own) == 977",
        ),
        wrong(
            "it calls back and forth without end",
            "def answer(f): return f(answer)",
            "def own(g): return g(own)\nassert answer(own) == 977",
        ),
        wrong(
            "it is called in a thread",
            "import threading\ndef answer(f):\n    for _ in range(8): threading.Thread(target=f, args=(1,)).start()\n    return 0",
            "assert answer(lambda x: x) == 977",
        ),
        wrong(
            "it is called after the end",
            "import atexit, threading, time\ndef answer(f):\n    atexit.register(f, 1)\n    def later():\n        time.sleep(0.2)\n        f(1)\n    threading.Thread(target=later, daemon=True).start()\n    return 0",
            "assert answer(lambda x: x) == 977",
        ),
        wrong(
            "its exit is taken for the judge's",
            "def answer(f): return f()",
            "def own():\n    raise SystemExit(0)\ntry:\n    answer(own)\nexcept SystemExit:\n    pass\nassert answer(int) == 977",
        ),
        wrong(
            "its error is swallowed",
            "def answer(f):\n    try:\n        f(0)\n    except BaseException:\n        return 0\n    return 0",
            "def own(x):\n    assert x == 977\n    return x\nassert answer(own) == 977",
        ),
        wrong(
            "it is given a function",
            "import os\ndef answer(f): return f(lambda *args: os._exit(0))",
            "def own(g):\n    g(1)\n    return 0\nassert answer(own) == 977",
        ),
        wrong("it is given a large value", "def answer(f): return f('x' * (100 << 20))", "assert answer(len) == 977"),
        wrong(
            "it is given a value in itself",
            "def answer(f):\n    x = []\n    x.append(x)\n    return f(x)",
            "assert answer(str) == 'no'",
        ),
        wrong(
            "builtins of the judge, by name",
            "def answer(f): return f('__import__(\"os\")._exit(0)')",
            "assert answer(eval) == 977",
        ),
        right("a lambda", "def apply(f, *args): return f(*args)", "assert apply(lambda x, y: x * y, 3, 4) == 12"),
        right(
            "a key",
            "def best(items, key): return max(items, key=key)",
            'assert best(["a", "ccc", "bb"], len) == "ccc"\nassert best([3, -5], key=lambda x: x * x) == -5',
        ),
        right(
            "a type",
            "def convert(kind, items): return [kind(x) for x in items]",
            'assert convert(int, ["1", "2"]) == [1, 2] and convert(str, [1]) == ["1"]',
        ),
        right(
            "a method of the test's list",
            "def walk(items, visit):\n    for x in items: visit(x)",
            "seen = []\nwalk([1, 2], seen.append)\nassert seen == [1, 2]",
        ),
        right(
            "a function that raises",
            "def safe(f):\n    try:\n        return f()\n    except ZeroDivisionError:\n        return 'inf'",
            'assert safe(lambda: 1 / 0) == "inf" and safe(lambda: 2) == 2',
        ),
        right(
            "a function that is given a function",
            "def twice(f): return lambda x: f(f(x))",
            "assert twice(lambda x: x + 3)(1) == 7",
        ),
        right(
            "a fold",
            "from functools import reduce\ndef fold(f, items, start): return reduce(f, items, start)",
            "assert fold(lambda a, b: a * b, [1, 2, 3, 4], 1) == 24",
        ),
    ),
    *group(
        "arguments changed in place",
        wrong(
            "filled with equals",
            "def sort(x): x[:] = [Same() for _ in x]",
            "x = [3, 1, 2]\nsort(x)\nassert x == [1, 2, 3]",
            prelude=SAME,
        ),
        wrong(
            "a dict filled with equals",
            'def fill(d): d["a"] = Same()',
            'd = {}\nfill(d)\nassert d == {"a": 1}',
            prelude=SAME,
        ),
        wrong(
            "an inner list filled with equals",
            "def sort(x): x[0][:] = [Same()]",
            "x = [[2]]\nsort(x)\nassert x == [[1]]",
            prelude=SAME,
        ),
        wrong(
            "grown without end",
            "def sort(x):\n    while True: x.append(0)",
            "x = [1]\nsort(x)\nassert x == [0]",
            timeout=1.0,
        ),
        wrong(
            "grown to a large one",
            "def sort(x): x.extend([0] * 30_000_000)",
            "x = [1]\nsort(x)\nassert x == [0]",
            timeout=1.0,
        ),
        wrong("put into itself", "def sort(x): x.append(x)", "x = [1]\nsort(x)\nassert x == [1, [1]]"),
        wrong("not sorted in place", "def sort(x): return sorted(x)", "x = [2, 1]\nsort(x)\nassert x == [1, 2]"),
        wrong(
            "changed after the answer",
            "import threading, time\ndef sort(x):\n    def later():\n        time.sleep(0.05)\n        x[:] = [1, 2]\n    threading.Thread(target=later).start()",
            "x = [2, 1]\nsort(x)\nassert x == [1, 2]",
        ),
        wrong(
            "changed to equals before an error",
            "def sort(x):\n    x[:] = [Same()] * 2\n    raise ValueError",
            "x = [2, 1]\ntry:\n    sort(x)\nexcept ValueError:\n    pass\nassert x == [1, 2]",
            prelude=SAME,
        ),
        right("sorted in place", "def sort(x): x.sort()", "x = [3, 1, 2]\nsort(x)\nassert x == [1, 2, 3]"),
        right(
            "swapped in an inner list",
            "def turn(m):\n    for row in m: row.reverse()",
            "m = [[1, 2], [3, 4]]\nturn(m)\nassert m == [[2, 1], [4, 3]]",
        ),
        right(
            "keys added and removed",
            'def change(d):\n    d["b"] = 2\n    del d["a"]',
            'd = {"a": 1}\nchange(d)\nassert d == {"b": 2}',
        ),
        right("a set emptied", "def empty(s): s.clear()", "s = {1, 2}\nempty(s)\nassert s == set()"),
        right(
            "returned and changed",
            "def push(x, y):\n    x.append(y)\n    return x",
            "x = [1]\nassert push(x, 2) == [1, 2]\nassert x == [1, 2]",
        ),
        right(
            "changed before an error",
            "def sort(x):\n    x.sort()\n    raise ValueError",
            "x = [2, 1]\ntry:\n    sort(x)\nexcept ValueError:\n    pass\nassert x == [1, 2]",
        ),
        right(
            "a default that is kept",
            "def add(x, kept=[]):\n    kept.append(x)\n    return kept",
            "assert add(1) == [1]\nassert add(2) == [1, 2]",
        ),
        right(
            "left alone",
            "def ordered(x): return sorted(x)",
            "x = [2, 1]\nassert ordered(x) == [1, 2]\nassert x == [2, 1]",
        ),
    ),
)
