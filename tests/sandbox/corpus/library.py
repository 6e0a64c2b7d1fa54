"""Right solutions that lean on the library, print, raise, and meet tests of many shapes."""

from __future__ import annotations

from .entry import DOUBLED, group, right

ENTRIES = (
    *group(
        "generators",
        right("listed", "def evens(n):\n    for x in range(0, n, 2): yield x", "assert list(evens(7)) == [0, 2, 4, 6]"),
        right(
            "stepped by next",
            "def naturals():\n    n = 0\n    while True:\n        yield n\n        n += 1",
            "g = naturals()\nassert [next(g), next(g), next(g)] == [0, 1, 2]",
        ),
        right(
            "cut by islice",
            "def naturals():\n    n = 0\n    while True:\n        yield n\n        n += 1",
            "from itertools import islice\nassert list(islice(naturals(), 4)) == [0, 1, 2, 3]",
        ),
        right(
            "in a for with a break",
            "def primes():\n    n = 2\n    while True:\n        if all(n % d for d in range(2, int(n ** 0.5) + 1)): yield n\n        n += 1",
            "found = []\nfor p in primes():\n    if p > 20:\n        break\n    found.append(p)\nassert found == [2, 3, 5, 7, 11, 13, 17, 19]",
        ),
        right(
            "of generators",
            "def flat(items):\n    for x in items:\n        if isinstance(x, list): yield from flat(x)\n        else: yield x",
            "assert list(flat([1, [2, [3, []]], 4])) == [1, 2, 3, 4]",
        ),
        right(
            "that end",
            "def one(): yield 1",
            "g = iter(one())\nassert next(g) == 1\ntry:\n    next(g)\n    assert False\nexcept StopIteration:\n    pass",
        ),
        right(
            "over the test's own generator",
            "def total(items): return sum(items)",
            "assert total([x for x in range(4)]) == 6 and total(range(5)) == 10",
        ),
    ),
    *group(
        "standard library",
        right(
            "Counter",
            "from collections import Counter\ndef count(text): return Counter(text)",
            'from collections import Counter\nassert count("aab") == Counter("aab") == {"a": 2, "b": 1}',
        ),
        right(
            "deque",
            "from collections import deque\ndef turn(items, n):\n    d = deque(items)\n    d.rotate(n)\n    return d",
            "assert list(turn([1, 2, 3], 1)) == [3, 1, 2]",
        ),
        right(
            "defaultdict",
            "from collections import defaultdict\ndef groups(words):\n    found = defaultdict(list)\n    for word in words: found[len(word)].append(word)\n    return found",
            'assert groups(["a", "bb", "c"]) == {1: ["a", "c"], 2: ["bb"]}',
        ),
        right(
            "Decimal",
            "from decimal import Decimal\ndef total(prices): return sum(map(Decimal, prices))",
            'from decimal import Decimal\nassert total(["0.1", "0.2"]) == Decimal("0.3")',
        ),
        right(
            "Fraction",
            "from fractions import Fraction\ndef third(n): return Fraction(n, 3)",
            "from fractions import Fraction\nassert third(2) + third(1) == 1",
        ),
        right(
            "dates",
            "from datetime import date, timedelta\ndef after(day, n): return day + timedelta(days=n)",
            "from datetime import date\nassert after(date(2024, 2, 28), 2) == date(2024, 3, 1)",
        ),
        right(
            "heapq",
            "import heapq\ndef smallest(items, n): return heapq.nsmallest(n, items)",
            "assert smallest([5, 1, 4], 2) == [1, 4]",
        ),
        right(
            "bisect",
            "import bisect\ndef place(items, x): return bisect.bisect_left(items, x)",
            "assert place([1, 3, 5], 4) == 2",
        ),
        right(
            "itertools",
            "import itertools\ndef pairs(items): return list(itertools.combinations(items, 2))",
            "assert pairs([1, 2, 3]) == [(1, 2), (1, 3), (2, 3)]",
        ),
        right(
            "re",
            "import re\ndef words(text): return re.findall(r'\\b\\w+\\b', text)",
            'assert words("a bc, d") == ["a", "bc", "d"]',
        ),
        right(
            "a match of re",
            "import re\ndef has_digits(text): return re.search(r'\\d', text)",
            'assert has_digits("a1")\nassert not has_digits("a")',
        ),
        right(
            "json",
            "import json\ndef again(x): return json.loads(json.dumps(x))",
            'assert again({"a": [1, None, 1.5]}) == {"a": [1, None, 1.5]}',
        ),
        right(
            "math, with a tolerance",
            "import math\ndef area(r): return math.pi * r * r",
            "import math\nassert math.isclose(area(2), 12.566370614, rel_tol=1e-6)\nassert abs(area(1) - 3.14159) < 1e-4",
        ),
        right(
            "math, imported by the solution only",
            "import math\ndef area(r): return math.pi * r * r",
            "assert math.isclose(area(2), 4 * math.pi)",
        ),
        right(
            "statistics",
            "import statistics\ndef middle(items): return statistics.median(items)",
            "assert middle([3, 1, 2]) == 2 and middle([1, 2]) == 1.5",
        ),
        right(
            "hashlib and base64",
            "import base64, hashlib\ndef digest(data): return hashlib.sha256(data).hexdigest()[:8], base64.b64encode(data)",
            'assert digest(b"x") == ("2d711642", b"eA==")',
        ),
        right(
            "random with a seed",
            "import random\ndef rolls(seed):\n    r = random.Random(seed)\n    return [r.random() for _ in range(2)]",
            "assert rolls(42) == [0.6394267984578837, 0.025010755222666936]",
        ),
        right(
            "random without one",
            "import random\ndef roll(): return random.randint(1, 6)",
            "assert all(1 <= roll() <= 6 for _ in range(50))",
        ),
        right(
            "string and textwrap",
            "import string, textwrap\ndef lines(text): return textwrap.wrap(string.capwords(text), 8)",
            'assert lines("one two three") == ["One Two", "Three"]',
        ),
        right(
            "struct and zlib",
            "import struct, zlib\ndef packed(n): return zlib.decompress(zlib.compress(struct.pack('<I', n)))",
            'assert packed(1) == b"\\x01\\x00\\x00\\x00"',
        ),
        right(
            "io and csv",
            "import csv, io\ndef rows(text): return list(csv.reader(io.StringIO(text)))",
            "assert rows('a,\"b,c\"') == [['a', 'b,c']]",
        ),
        right(
            "copy",
            "import copy\ndef apart(x):\n    y = copy.deepcopy(x)\n    y[0].append(9)\n    return x, y",
            "assert apart([[1]]) == ([[1]], [[1, 9]])",
        ),
        right(
            "contextlib",
            "from contextlib import contextmanager\n@contextmanager\ndef tag(out, name):\n    out.append(f'<{name}>')\n    yield\n    out.append(f'</{name}>')\ndef page():\n    out = []\n    with tag(out, 'p'): out.append('x')\n    return ''.join(out)",
            'assert page() == "<p>x</p>"',
        ),
        right(
            "operator and functools",
            "from functools import reduce\nfrom operator import mul, itemgetter\ndef product(items): return reduce(mul, items, 1)\ndef by(items, n): return sorted(items, key=itemgetter(n))",
            "assert product([2, 3, 4]) == 24\nassert by([(1, 2), (2, 1)], 1) == [(2, 1), (1, 2)]",
        ),
        right(
            "a pool of threads",
            "from concurrent.futures import ThreadPoolExecutor\ndef squares(items):\n    with ThreadPoolExecutor(2) as pool: return list(pool.map(lambda x: x * x, items))",
            "assert squares([1, 2, 3]) == [1, 4, 9]",
        ),
        right(
            "a queue and a lock",
            "import queue, threading\ndef total(n):\n    q, lock, box = queue.Queue(), threading.Lock(), [0]\n    def work():\n        while (x := q.get()) is not None:\n            with lock: box[0] += x\n    threads = [threading.Thread(target=work) for _ in range(3)]\n    for t in threads: t.start()\n    for x in range(n): q.put(x)\n    for t in threads: q.put(None)\n    for t in threads: t.join()\n    return box[0]",
            "assert total(50) == 1225",
        ),
        right(
            "time passes",
            "import time\ndef nap():\n    start = time.monotonic()\n    time.sleep(0.02)\n    return time.monotonic() - start",
            "assert 0.02 <= nap() < 2",
        ),
        right(
            "unicodedata and locale-free case",
            "import unicodedata\ndef plain(text): return ''.join(c for c in unicodedata.normalize('NFD', text) if not unicodedata.combining(c)).casefold()",
            'assert plain("Éclair Straße") == "eclair strasse"',
        ),
        right(
            "typing",
            "from typing import NamedTuple, Optional, Protocol, Generic, TypeVar\nT = TypeVar('T')\nclass Box(Generic[T]):\n    def __init__(self, item: Optional[T] = None): self.item = item\nclass P(NamedTuple):\n    x: int\n    y: int\ndef point(): return P(1, 2)",
            "assert Box(3).item == 3 and point() == (1, 2) and sum(point()) == 3",
        ),
        right(
            "array and memoryview",
            "from array import array\ndef numbers(): return list(array('i', [1, 2])), bytes(memoryview(b'abc')[1:])",
            'assert numbers() == ([1, 2], b"bc")',
        ),
        right(
            "ast and inspect",
            "import ast, inspect\ndef value(text): return ast.literal_eval(text)\ndef arity(): return len(inspect.signature(value).parameters)",
            'assert value("[1, {2: 3}]") == [1, {2: 3}] and arity() == 1',
        ),
        right(
            "weakref and gc",
            "import gc, weakref\nclass A: pass\ndef alive():\n    a = A()\n    r = weakref.ref(a)\n    del a\n    gc.collect()\n    return r() is not None",
            "assert alive() is False",
        ),
        right(
            "logging and warnings",
            "import logging, warnings\nlog = logging.getLogger('x')\ndef double(x):\n    log.warning('doubling %s', x)\n    warnings.warn('old')\n    return 2 * x",
            DOUBLED,
        ),
        right(
            "an in-memory database",
            "import sqlite3\ndef count():\n    db = sqlite3.connect(':memory:')\n    db.execute('create table t (x)')\n    db.executemany('insert into t values (?)', [(1,), (2,)])\n    return db.execute('select sum(x) from t').fetchone()[0]",
            "assert count() == 3",
        ),
    ),
    *group(
        "programs and their tests",
        right(
            "print debugging",
            "def double(x):\n    print('step 1', x)\n    return 2 * x",
            DOUBLED,
            prints="step 1 4",
        ),
        right(
            "a main block",
            "def double(x): return 2 * x\nif __name__ == '__main__':\n    print(double(3))",
            DOUBLED,
        ),
        right(
            "a main block that asks",
            "def double(x): return 2 * x\nif __name__ == '__main__':\n    print(double(int(input('n? '))))",
            DOUBLED,
        ),
        right(
            "a main block that leaves",
            "import sys\ndef main(): return 0\ndef double(x): return 2 * x\nif __name__ == '__main__':\n    sys.exit(main())",
            DOUBLED,
        ),
        right(
            "a question never asked",
            "def ask(): return int(input('n? '))\ndef double(x): return 2 * x",
            DOUBLED,
        ),
        right(
            "tests of its own",
            "def double(x): return 2 * x\nassert double(1) == 2\nimport unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(double(1), 2)",
            DOUBLED,
        ),
        right(
            "a global state",
            "count = 0\ndef step():\n    global count\n    count += 1\n    return count",
            "assert step() == 1",
            "assert step() == 2",
            "assert step() == 3",
        ),
        right(
            "a constant",
            "LIMITS = {'low': 1, 'high': (2, 3)}\nNAME = 'x'",
            "assert LIMITS['high'] == (2, 3) and NAME == 'x'",
        ),
        right(
            "an error that is meant",
            "def parse(text):\n    if not text: raise ValueError('empty')\n    return int(text)",
            'try:\n    parse("")\n    assert False\nexcept ValueError as error:\n    assert str(error) == "empty"',
            'assert parse("7") == 7',
        ),
        right(
            "an error of its own, caught as its base",
            "class Empty(ValueError): pass\ndef parse(text): raise Empty('x')",
            "try:\n    parse('')\n    ok = False\nexcept ValueError:\n    ok = True\nassert ok",
        ),
        right(
            "errors of many kinds",
            "def get(kind):\n    return {'key': lambda: {}['a'], 'index': lambda: [][0], 'zero': lambda: 1 / 0, 'type': lambda: 1 + 'a', 'attr': lambda: (1).x}[kind]()",
            "for kind, error in [('key', KeyError), ('index', IndexError), ('zero', ZeroDivisionError), ('type', TypeError), ('attr', AttributeError), ('no', LookupError)]:\n    try:\n        get(kind)\n    except error:\n        continue\n    assert False, kind",
        ),
        right(
            "a helper of the tests",
            "def double(x): return 2 * x",
            "def check(items):\n    for x in items:\n        assert double(x) == x + x\n    return True\nassert check(range(20))",
        ),
        right(
            "a class of the tests",
            "def double(x): return 2 * x",
            "class Case:\n    known = {1: 2, 5: 10}\n    def run(self):\n        return all(double(k) == v for k, v in self.known.items())\nassert Case().run()",
        ),
        right(
            "a test over many lines",
            "def table(n): return {k: [k * i for i in range(n)] for k in range(n)}",
            "assert table(2) == {\n    0: [0, 0],\n    1: [\n        0,\n        1,\n    ],\n}",
        ),
        right(
            "several asserts in one test",
            "def double(x): return 2 * x",
            "assert double(1) == 2; assert double(2) == 4\nassert double(3) == 6",
        ),
        right("a message of a test", "def double(x): return 2 * x", 'assert double(4) == 8, f"{double(4)} is no 8"'),
        right("fifty tests", "def double(x): return 2 * x", *(f"assert double({n}) == {2 * n}" for n in range(50))),
        right("a thousand calls", "def double(x): return 2 * x", "assert all(double(n) == 2 * n for n in range(1000))"),
        right(
            "imports in a setup",
            "def area(r): return 3.141592653589793 * r * r",
            "assert math.isclose(area(1), math.pi)",
            "assert LIMIT == 3",
            setup="import math\nLIMIT = 3",
        ),
        right(
            "a setup that makes a function",
            "def apply(f): return f(3)",
            "assert apply(plus) == 4",
            setup="def plus(x):\n    return x + 1",
        ),
        right(
            "a large argument",
            "def size(items): return len(items), sum(items)",
            "assert size(list(range(100_000))) == (100_000, 4_999_950_000)",
        ),
        right(
            "arguments of every kind",
            "def same(x): return x",
            "for x in [None, True, 1, 1.5, 1j, 'a', b'a', [1], (1,), {1}, frozenset({1}), {'a': (1, [2])}, range(3)]:\n    assert same(x) == x and type(same(x)) is type(x), x",
        ),
        right(
            "dates and decimals as arguments",
            "def later(day, by): return day + by\ndef total(a, b): return a + b",
            "from datetime import datetime, timedelta\nfrom decimal import Decimal\nfrom collections import Counter, deque\nassert later(datetime(2026, 1, 1), timedelta(hours=5)) == datetime(2026, 1, 1, 5)\nassert total(Decimal('0.1'), Decimal('0.2')) == Decimal('0.3')\nassert total(Counter('a'), Counter('ab')) == Counter('aab') and list(total(deque([1]), deque([2]))) == [1, 2]",
        ),
        right(
            "special arguments",
            "import math\ndef kind(x): return 'nan' if math.isnan(x) else 'inf' if math.isinf(x) else math.copysign(1, x)",
            "assert kind(float('nan')) == 'nan' and kind(-float('inf')) == 'inf' and kind(-0.0) == -1",
        ),
        right(
            "objects as arguments in a list",
            "class N:\n    def __init__(self, v): self.v = v\ndef total(items): return sum(n.v for n in items)\ndef make(n): return [N(i) for i in range(n)]",
            "assert total([N(1), N(2)]) == 3 and total(make(4)) == 6\nassert [n.v for n in make(3)] == [0, 1, 2]",
        ),
        right(
            "a solver of puzzles",
            "def queens(n):\n    def place(row, cols, down, up):\n        if row == n: return 1\n        return sum(place(row + 1, cols | {c}, down | {row - c}, up | {row + c}) for c in range(n) if c not in cols and row - c not in down and row + c not in up)\n    return place(0, frozenset(), frozenset(), frozenset())",
            "assert queens(6) == 4 and queens(7) == 40",
        ),
        right(
            "a sieve to a hundred thousand",
            "def primes(n):\n    sieve = bytearray([1]) * (n + 1)\n    sieve[:2] = b'\\0\\0'\n    for i in range(2, int(n ** 0.5) + 1):\n        if sieve[i]: sieve[i * i :: i] = bytes(len(sieve[i * i :: i]))\n    return [i for i, p in enumerate(sieve) if p]",
            "assert len(primes(100_000)) == 9592",
        ),
        right(
            "long division of work",
            "def longest(words): return max(words, key=len)\ndef wordy(n): return ['x' * (i % 97) for i in range(n)]",
            "assert len(longest(wordy(50_000))) == 96",
        ),
    ),
)
