"""Right solutions of many shapes: each has to pass."""

from __future__ import annotations

from .entry import DOUBLED, group, right

ENTRIES = (
    *group(
        "functions",
        right("one line", "def double(x): return 2 * x", DOUBLED, "assert double(-1) == -2"),
        right("a lambda", "double = lambda x: 2 * x", DOUBLED),
        right("a partial", "from functools import partial\ntimes = partial(pow, 2)", "assert times(10) == 1024"),
        right("a builtin under another name", "biggest = max", "assert biggest([3, 9, 2]) == 9"),
        right("a function of a module", "from math import gcd", "assert gcd(12, 18) == 6"),
        right(
            "recursion",
            "def fact(n): return 1 if n < 2 else n * fact(n - 1)",
            "import math\nassert fact(300) == math.factorial(300)",
        ),
        right(
            "mutual recursion",
            "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)",
            "assert even(100) and not even(7)",
        ),
        right(
            "defaults and keywords",
            "def power(base, *, exponent=2, plus=0): return base ** exponent + plus",
            "assert power(3) == 9\nassert power(3, exponent=3) == 27\nassert power(3, plus=1) == 10",
        ),
        right("positional only", "def minus(a, b, /): return a - b", "assert minus(5, 3) == 2"),
        right(
            "stars",
            "def spread(*args, **kwargs): return args, kwargs",
            'assert spread(1, 2, a=3) == ((1, 2), {"a": 3})\nassert spread(*[1], **{"b": 2}) == ((1,), {"b": 2})',
        ),
        right("no arguments", "def version(): return (3, 11)", "assert version() == (3, 11)"),
        right("many arguments", "def total(*numbers): return sum(numbers)", "assert total(*range(1000)) == 499500"),
        right(
            "nested functions",
            "def outer(x):\n    def inner(y): return x * y\n    return inner(3)",
            "assert outer(2) == 6",
        ),
        right(
            "a closure",
            "def adder(n): return lambda x: x + n",
            "add = adder(3)\nassert add(4) == 7 and add(add(1)) == 7",
        ),
        right(
            "a closure with a state",
            "def counter():\n    n = 0\n    def count():\n        nonlocal n\n        n += 1\n        return n\n    return count",
            "c, d = counter(), counter()\nassert [c(), c(), d()] == [1, 2, 1]",
        ),
        right(
            "a decorator",
            "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*args): return f(f(*args))\n    return inner\n@twice\ndef inc(x): return x + 1",
            "assert inc(1) == 3",
        ),
        right(
            "a cache",
            "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)",
            "assert fib(90) == 2880067194370816120",
        ),
        right(
            "single dispatch",
            "from functools import singledispatch\n@singledispatch\ndef kind(x): return 'other'\n@kind.register\ndef _(x: int): return 'int'\n@kind.register\ndef _(x: list): return 'list'",
            'assert [kind(1), kind([]), kind("")] == ["int", "list", "other"]',
        ),
        right("a name of a builtin", "def sum(a, b): return a + b", "assert sum(10, 15) == 25"),
        right(
            "a name of another builtin",
            "def max(items): return sorted(items)[-1] if items else None",
            "assert max([3, 9, 2]) == 9\nassert max([]) is None",
        ),
        right(
            "variables named like builtins",
            "list = [3, 1]\nstr = 'ab'\nset = {1}\ndef ordered(): return sorted(list)",
            "assert list((1, 2)) == [1, 2] if False else ordered() == [1, 3]",
        ),
        right(
            "a helper named like a builtin",
            "def len(x): return 977\ndef sorted(x): return x\ndef letters(text): return [*text]",
            'assert len(letters("abc")) == 3\nassert sorted(letters("cab")) == ["a", "b", "c"]',
        ),
        right(
            "annotations",
            "from __future__ import annotations\nfrom typing import Iterable, TypeVar\nT = TypeVar('T')\ndef first(items: Iterable[T], default: T | None = None) -> T | None:\n    return next(iter(items), default)",
            "assert first([7, 8]) == 7 and first([], 1) == 1",
        ),
        right(
            "match",
            "def area(shape):\n    match shape:\n        case {'kind': 'square', 'side': s}: return s * s\n        case ('box', a, b): return a * b\n        case _: return 0",
            "assert area({'kind': 'square', 'side': 3}) == 9 and area(('box', 2, 5)) == 10 and area(None) == 0",
        ),
        right(
            "a walrus and comprehensions",
            "def squares(n): return {k: v for k in range(n) if (v := k * k) % 2 == 0}",
            "assert squares(5) == {0: 0, 2: 4, 4: 16}",
        ),
        right(
            "try, else and finally",
            "def parse(text):\n    log = []\n    try:\n        value = int(text)\n    except ValueError:\n        log.append('bad')\n        value = None\n    else:\n        log.append('good')\n    finally:\n        log.append('done')\n    return value, log",
            'assert parse("7") == (7, ["good", "done"])\nassert parse("x") == (None, ["bad", "done"])',
        ),
        right(
            "an attribute of a function",
            "def count():\n    count.calls += 1\n    return count.calls\ncount.calls = 0",
            "assert count() == 1\nassert count() == 2",
        ),
        right(
            "a docstring of examples",
            'def double(x):\n    """Doubles.\n\n    >>> double(4)\n    8\n    """\n    return 2 * x\nimport doctest\n',
            DOUBLED,
        ),
    ),
    *group(
        "classes",
        right(
            "a stack",
            """
            class Stack:
                def __init__(self): self.items = []
                def push(self, item): self.items.append(item)
                def pop(self): return self.items.pop()
                def __len__(self): return len(self.items)
                def __bool__(self): return bool(self.items)
            """,
            "s = Stack()\nassert not s\ns.push(1)\ns.push([2])\nassert len(s) == 2 and s\nassert s.pop() == [2] and s.pop() == 1",
            "s = Stack()\ntry:\n    s.pop()\n    assert False\nexcept IndexError:\n    pass",
        ),
        right(
            "a tree of nodes made by the test",
            """
            class Node:
                def __init__(self, data):
                    self.data = data
                    self.left = None
                    self.right = None
            def height(root): return 0 if root is None else 1 + max(height(root.left), height(root.right))
            """,
            "assert height(root) == 3",
            "assert root.left.data == 2 and root.right is None",
            setup="root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(3)",
        ),
        right(
            "a linked list",
            """
            class Cell:
                def __init__(self, value, rest=None): self.value, self.rest = value, rest
            def build(items):
                head = None
                for item in reversed(items): head = Cell(item, head)
                return head
            def total(cell): return cell.value + total(cell.rest) if cell else 0
            """,
            "head = build([1, 2, 3])\nassert head.rest.value == 2 and total(head) == 6 and total(head.rest) == 5",
        ),
        right(
            "inheritance",
            "class Shape:\n    def area(self): return 0\n    def text(self): return f'{type(self).__name__}: {self.area()}'\nclass Square(Shape):\n    def __init__(self, side): self.side = side\n    def area(self): return self.side ** 2",
            'assert Square(3).text() == "Square: 9"\nassert Shape().area() == 0',
        ),
        right(
            "an abstract class",
            "from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\nclass Square(Shape):\n    def area(self): return 4",
            "assert Square().area() == 4\ntry:\n    Shape()\n    assert False\nexcept TypeError:\n    pass",
        ),
        right(
            "a data class",
            "from dataclasses import dataclass, field\n@dataclass\nclass Point:\n    x: int\n    y: int = 0\n    tags: list = field(default_factory=list)",
            "p = Point(1)\nassert (p.x, p.y, p.tags) == (1, 0, [])\np.x = 5\nassert p.x == 5",
        ),
        right(
            "a frozen data class",
            "from dataclasses import dataclass, asdict\n@dataclass(frozen=True, slots=True)\nclass Point:\n    x: int\n    def moved(self, by): return Point(self.x + by)\ndef data(p): return asdict(p)",
            "assert data(Point(1).moved(2)) == {'x': 3}\ntry:\n    Point(1).x = 2\n    assert False\nexcept AttributeError:\n    pass",
        ),
        right(
            "properties",
            "class Circle:\n    def __init__(self, r): self._r = r\n    @property\n    def r(self): return self._r\n    @r.setter\n    def r(self, value):\n        if value < 0: raise ValueError('negative')\n        self._r = value",
            "c = Circle(1)\nc.r = 3\nassert c.r == 3\ntry:\n    c.r = -1\n    assert False\nexcept ValueError:\n    pass",
        ),
        right(
            "class and static methods",
            "class Day:\n    count = 0\n    def __init__(self, n):\n        self.n = n\n        Day.count += 1\n    @classmethod\n    def parse(cls, text): return cls(int(text))\n    @staticmethod\n    def valid(n): return 0 < n < 32",
            'assert Day.parse("7").n == 7\nassert Day.valid(31) and not Day.valid(32)\nassert Day.count == 1',
        ),
        right(
            "a container",
            "class Bag:\n    def __init__(self, *items): self.items = list(items)\n    def __iter__(self): return iter(self.items)\n    def __len__(self): return len(self.items)\n    def __getitem__(self, at): return self.items[at]",
            "b = Bag(3, 1, 2)\nassert list(b) == [3, 1, 2] and sorted(b) == [1, 2, 3] and b[0] == 3 and b[-1] == 2 and len(b) == 3\nassert 3 in b and 9 not in b",
        ),
        right(
            "an iterator",
            "class Count:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n    def __next__(self):\n        if self.n == 0: raise StopIteration\n        self.n -= 1\n        return self.n",
            "assert list(Count(3)) == [2, 1, 0]\nassert sum(Count(4)) == 6",
        ),
        right(
            "a callable",
            "class Times:\n    def __init__(self, n): self.n = n\n    def __call__(self, x): return self.n * x",
            "assert Times(3)(4) == 12\nassert list(map(Times(2), [1, 2])) == [2, 4]",
        ),
        right(
            "a text of an object",
            "class Money:\n    def __init__(self, n): self.n = n\n    def __str__(self): return f'{self.n:.2f} EUR'",
            'assert str(Money(3)) == "3.00 EUR"',
        ),
        right(
            "sums within the solution",
            "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, other): return V(self.x + other.x)\n    def __eq__(self, other): return self.x == other.x\ndef total(items): return sum(items, V(0)).x\ndef same(a, b): return a == b",
            "assert total([V(1), V(2)]) == 3\nassert same(V(1), V(1)) and not same(V(1), V(2))",
        ),
        right(
            "an enumeration",
            "from enum import Enum\nclass Colour(Enum):\n    RED = 1\n    BLUE = 2\n    def next(self): return Colour(self.value % 2 + 1)",
            'assert Colour.RED.value == 1 and Colour(2).name == "BLUE"\nassert Colour.RED.next() == Colour.BLUE and Colour.RED != Colour.BLUE\nassert [c.name for c in Colour] == ["RED", "BLUE"]',
        ),
        right(
            "one object, twice the same",
            "class A: pass\nkept = A()\ndef get(): return kept\ndef new(): return A()",
            "assert get() == get() and new() != new()",
        ),
        right(
            "objects that hold each other",
            "class Person:\n    def __init__(self, name): self.name, self.friends = name, []\n    def meet(self, other):\n        self.friends.append(other)\n        other.friends.append(self)",
            'a, b = Person("a"), Person("b")\na.meet(b)\nassert [p.name for p in a.friends] == ["b"] and b.friends[0] == a',
        ),
        right(
            "an account",
            "class Account:\n    def __init__(self): self.balance = 0\n    def deposit(self, n):\n        if n <= 0: raise ValueError('n')\n        self.balance += n\n        return self",
            "a = Account()\nassert a.deposit(5).deposit(2).balance == 7\ntry:\n    a.deposit(0)\nexcept ValueError as error:\n    assert 'n' in str(error)\nelse:\n    assert False",
        ),
        right(
            "a metaclass",
            "class Registry(type):\n    known = []\n    def __new__(meta, name, bases, body):\n        kind = super().__new__(meta, name, bases, body)\n        meta.known.append(name)\n        return kind\nclass A(metaclass=Registry): pass\nclass B(A): pass\ndef names(): return Registry.known",
            'assert names() == ["A", "B"]',
        ),
        right(
            "a class of that name within the solution",
            "class Solution:\n    def twoSum(self, nums, target):\n        seen = {}\n        for i, n in enumerate(nums):\n            if target - n in seen: return [seen[target - n], i]\n            seen[n] = i",
            "assert Solution().twoSum([2, 7, 11, 15], 9) == [0, 1]",
        ),
    ),
)
