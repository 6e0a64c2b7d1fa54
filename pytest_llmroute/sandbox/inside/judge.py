"""The side that holds the tests and decides. What the solver sends is taken as hostile: values, and nothing else.

Names of the solution are proxies here. `==` on one is identity, and there is neither order nor arithmetic: an object
of the solution can never say that it is the value that a test expects.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn, TypeVar

from .channel import Channel, Garbled, Gone
from .solver import name_of
from .values import NoValue, decode, encode

T = TypeVar("T")
LONGEST_MESSAGE = 2000
MOST_PROXIES = 1_000_000


class Foreign(Exception):
    """Mixed into every exception that came from the solution."""


class Ended(BaseException):
    """The solver ended, or sent what is no message: no test can go on."""


class Proxy:
    """An object of the solution: its attributes, calls, items and iteration go there and back."""

    __slots__ = ("_judge_number", "_judge_side")

    def __init__(self, side: Side, number: int) -> None:
        object.__setattr__(self, "_judge_side", side)
        object.__setattr__(self, "_judge_number", number)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._judge_side.call(self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._judge_side.do("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._judge_side.do("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._judge_side.do("delete", self, name)

    def __len__(self) -> int:
        return _exact(int, self._judge_side.do("len", self))

    def __bool__(self) -> bool:
        return _exact(bool, self._judge_side.do("bool", self))

    def __str__(self) -> str:
        return _exact(str, self._judge_side.do("str", self))

    def __repr__(self) -> str:
        return _exact(str, self._judge_side.do("repr", self))

    def __format__(self, spec: str) -> str:
        return _exact(str, self._judge_side.do("format", self, spec))

    def __dir__(self) -> Iterable[str]:
        return [str(name) for name in self._judge_side.do("dir", self)]

    def __iter__(self) -> Iterator[Any]:
        iterator = self._judge_side.do("iter", self)
        return iterator if isinstance(iterator, Proxy) else iter(iterator)

    def __next__(self) -> Any:
        more, item = self._judge_side.do("next", self)
        if more is not True:
            raise StopIteration
        return item

    def __reversed__(self) -> Iterator[Any]:
        return iter(self._judge_side.do("reversed", self))

    def __getitem__(self, key: Any) -> Any:
        return self._judge_side.do("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._judge_side.do("setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        self._judge_side.do("delitem", self, key)

    def __enter__(self) -> Any:
        return self._judge_side.do("enter", self)

    def __exit__(self, *_: object) -> None:
        self._judge_side.do("exit", self)

    def __instancecheck__(self, value: Any) -> bool:
        return number_of(value) is not None and _exact(bool, self._judge_side.do("isinstance", value, self))

    def __subclasscheck__(self, value: Any) -> bool:
        return number_of(value) is not None and _exact(bool, self._judge_side.do("issubclass", value, self))


def _exact(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"the solution gave {type(value).__name__} where {kind.__name__} belongs")
    return value


def _within(kind: type) -> Any:
    """Builtin values of this type that are an object of the solution too: what the type lacks is asked there."""

    class Within(kind):  # type: ignore[misc]
        _judge_side: Side
        _judge_number: int

        def __getattr__(self, name: str) -> Any:
            if name[:6] == "_judge":
                raise AttributeError(name)
            return self._judge_side.do("get", self, name)

    Within.__name__ = Within.__qualname__ = kind.__name__
    return Within


_WITHIN: dict[type, Any] = {kind: _within(kind) for kind in (int, float, str, bytes, tuple, frozenset)}


class Container(Proxy):
    """A list, set or dict with a class of the solution's: compared by its content of the moment, exactly."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return bool(
            self._judge_side.plain(self) == (other._judge_side.plain(other) if type(other) is Container else other)
        )

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._judge_side.plain(self))


def number_of(value: Any) -> int | None:
    """Which object of the solution it is; None for every other value."""
    if type(value) in (Proxy, Container) or type(value) in _WITHIN.values():
        number: int = value._judge_number
        return number
    return None


class Side:
    """The solver, as the judge sees it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._objects: dict[int, Any] = {}
        self._exceptions: dict[int, type[Exception]] = {}
        self._callbacks: list[Any] = []
        self._args: list[tuple[Any, ...]] = []
        """Of the calls that run, one within the other."""
        self.out_of_memory = False
        self.ended = ""
        """Why nothing more can be asked: a test that catches everything must not hide it."""

    def ask(self, operation: str, *told: Any) -> list[Any]:
        """The parts of an answer; raises what the solution raised."""
        try:
            self._channel.send([operation, *told])
            while True:
                kind, *parts = _as_list(self._channel.receive())
                if kind == "callback":
                    self._called_back(*parts)
                elif kind == "changed":
                    self._changed(*parts)
                elif kind == "raised":
                    self._raise(*parts)
                elif kind == "value":
                    return parts
                else:
                    raise Garbled
        except Gone:
            self.ended = self.ended or "the solution ended its process"
        except (Garbled, NoValue, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            if isinstance(error, Foreign):
                raise
            self.ended = self.ended or "the solution's process sent what is no value"
        raise Ended(self.ended)

    def do(self, name: str, target: Any, *args: Any) -> Any:
        return self.read(_one(self.ask("do", self.write(name), self.write(target), *map(self.write, args))))

    def plain(self, target: Any) -> Any:
        """The builtin value within an object, as it is now."""
        return self.read(_one(self.ask("plain", self.write(target))))

    def fetch(self, name: str) -> Any:
        """A global value of the solution; what is the library's own under this name is taken from the judge's own."""
        told, *origin = self.ask("fetch", name)
        own = library_object(name, origin)
        return self.read(told) if own is None else own

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._args.append(args)
        try:
            return self.read(_one(self.ask("call", self.write(target), self.write(args), self.write(kwargs))))
        finally:
            self._args.pop()

    def _changed(self, place: Any, content: Any) -> None:
        """An argument of the call that runs has another content now."""
        args = self._args[-1]
        if type(place) is int and 0 <= place < len(args):
            _take_over(args[place], self.read(content))

    # Values

    def write(self, value: Any) -> Any:
        return encode(value, self._other)

    def read(self, told: Any) -> Any:
        return decode(told, self._object)

    def _other(self, value: Any) -> Any:
        if (number := number_of(value)) is not None:
            return ["h", number]
        if (name := name_of(value)) is not None:
            return ["n", *name]
        if callable(value):
            self._callbacks.append(value)
            return ["k", len(self._callbacks) - 1]
        raise TypeError(f"a {type(value).__name__} of the tests can't be given to a solution")

    def _object(self, told: Any) -> Any:
        tag, *rest = told
        if tag == "h" and type(rest[0]) is int and type(rest[1]) is str:
            return self._held(*rest)
        if tag == "n" and rest[0] == "builtins" and type(rest[1]) is str:
            return builtin_class(rest[1])
        if tag == "k" and type(rest[0]) is int:
            return self._callbacks[rest[0]]
        raise NoValue("no value")

    def _held(self, number: int, kind: str, base: Any = None) -> Any:
        """The same proxy for the same object."""
        if number not in self._objects:
            if len(self._objects) >= MOST_PROXIES:
                raise NoValue("too many objects")
            self._objects[number] = self._made(number, kind, base)
        return self._objects[number]

    def _made(self, number: int, kind: str, base: Any) -> Any:
        plain = None if base is None else self.read(base)
        if type(plain) in (list, set, dict, deque, bytearray):
            return Container(self, number)
        if type(plain) in _WITHIN:
            value = _WITHIN[type(plain)](plain)
            value._judge_side, value._judge_number = self, number
            return value
        if base is not None:
            return plain
        if kind.startswith("exception "):
            return self._exception(number, "Exception", kind.partition(" ")[2])
        return Proxy(self, number)

    def _exception(self, number: int, name: str, below: str) -> type[Exception]:
        """A class that stands for one of the solution's exceptions, so that tests can name it."""
        if number not in self._exceptions:
            base = _builtin_exception(below)
            self._exceptions[number] = type(name[:100], (base,), {})
        return self._exceptions[number]

    # What comes from there

    def _called_back(self, number: Any, args: Any, kwargs: Any) -> None:
        function = self._callbacks[number] if type(number) is int else None
        if function is None:
            raise Garbled
        try:
            answer = ["returned", self.write(function(*self.read(args), **self.read(kwargs)))]
        except Exception as error:
            kind = name_of(type(error)) or ("builtins", "RuntimeError")
            answer = ["failed", ["n", *kind], self.write((str(error),))]
        self._channel.send(answer)

    def _raise(self, kind: Any, args: Any, place: Any) -> NoReturn:
        tag, place_of_it, name, below = _as_list(kind)
        if tag == "e" and type(place_of_it) is int:
            base = self._exception(place_of_it, str(name), str(below))
        else:
            base = _library_exception(str(place_of_it), str(name)) or _builtin_exception(str(below))
        if issubclass(base, MemoryError):
            self.out_of_memory = True
        told = self.read(args)
        foreign = type(base.__name__, (base, Foreign), {})
        error = _made_of(foreign, told if type(told) is list else [])
        vars(error)["place"] = str(place)[:100]
        raise error


def _as_list(told: Any) -> list[Any]:
    if type(told) is not list or not told:
        raise Garbled
    return told


def _one(parts: Sequence[Any]) -> Any:
    if len(parts) != 1:
        raise Garbled
    return parts[0]


def _made_of(kind: type[Exception], args: list[Any]) -> Exception:
    """An exception with these arguments, also where its class wants others."""
    error = kind.__new__(kind, *args)
    with suppress(Exception):
        kind.__init__(error, *args)
    return error


def _builtin_exception(name: str) -> type[Exception]:
    """The builtin class of that name; such as would end more than a test are RuntimeError."""
    found = vars(builtins).get(name)
    odd = (StopIteration, StopAsyncIteration, BaseExceptionGroup)
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, odd):
        return found
    return RuntimeError


def builtin_class(name: str) -> Any:
    found = vars(builtins).get(name)
    if not isinstance(found, type):
        raise NoValue("no builtin class")
    return found


OPEN_LIBRARY = """
array bisect calendar cmath collections copy dataclasses datetime decimal enum fractions functools heapq itertools json
math numbers operator re statistics string textwrap typing unicodedata
"""
"""Modules of which tests may use what a solution has imported."""


def library_object(name: str, origin: Sequence[Any]) -> Any:
    """The judge's own object that a solution imported under its own name; None where it is none of those.

    The name must be the library's too: a solution must not give out one object for another.
    """
    if len(origin) != 2 or type(origin[0]) is not str or (origin[1] or origin[0]) != name:
        return None
    module = origin[0].removeprefix("_")
    if module not in OPEN_LIBRARY.split():
        return None
    found = importlib.import_module(module)
    return getattr(found, name, None) if origin[1] else found


def _library_exception(module: str, name: str) -> type[Exception] | None:
    """One that is here already: a solution must not make the judge import anything."""
    found = vars(sys.modules[module]).get(name) if module in sys.modules and module != "builtins" else None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _take_over(value: Any, content: Any) -> None:
    """Puts the content of one mutable value into another of its kind."""
    if isinstance(value, (list, bytearray)) and isinstance(content, (list, bytearray)):
        value[:] = content
    elif isinstance(value, deque) and isinstance(content, deque):
        value.clear()
        value.extend(content)
    elif isinstance(value, (dict, set)) and isinstance(content, (dict, set)):
        value.clear()
        value.update(content)


# Judging


def judge(channel: Channel, job: dict[str, Any], printed: Callable[[], str]) -> dict[str, Any]:
    """The verdict: status, message, and for each test whether it held."""
    side = Side(channel)
    count = len(job["tests"]) if "tests" in job else 1
    held: list[bool] = []
    status, message = "error", ""
    try:
        if "tests" in job:
            status, message = _run_tests(side, job, held)
        else:
            status, message = _run_program(side, job, printed)
    except Ended:
        pass
    except MemoryError:
        status, message = "memory", "what the solution sent did not fit"
    except Exception as error:
        status, message = "error", f"what the solution sent can't be judged: {_told(error)}"
    if side.ended:
        status, message = "error", side.ended
    if side.out_of_memory:
        status = "memory"
    held += [False] * (count - len(held))
    if "tests" not in job:
        held = [status == "pass"]
    if status == "pass" and not (held and all(held)):
        status, message = "error", "not all tests were run"
    return {"status": status, "message": message[:LONGEST_MESSAGE], "held": held}


def _run_program(side: Side, job: dict[str, Any], printed: Callable[[], str]) -> tuple[str, str]:
    """Whether it ended well and printed what was expected."""
    try:
        side.ask("program", job["code"], job["stdin"])
    except Exception as error:
        return "error", _told(error)
    wanted, got = _lines(job["expected"]), _lines(printed())
    if wanted == got:
        return "pass", ""
    place = next((n for n, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b), min(len(wanted), len(got)))
    return "fail", f"line {place + 1}: expected {_line(wanted, place)}, got {_line(got, place)}"


def _run_tests(side: Side, job: dict[str, Any], held: list[bool]) -> tuple[str, str]:
    try:
        (names,) = side.ask("define", job["code"])
    except Exception as error:
        return "error", _told(error)
    namespace = Namespace(side, names if type(names) is list else [], [job["setup"], *job["tests"]])
    first: tuple[str, str] | None = None
    try:
        exec(compile(job["setup"], "<setup>", "exec", dont_inherit=True), namespace.values)
    except Ended:
        raise
    except BaseException as error:
        return "error", f"setup: {_told(error)}"
    for number, test in enumerate(job["tests"]):
        try:
            namespace.renew()
            exec(compile(test, "<test>", "exec", dont_inherit=True), namespace.values)
        except Ended:
            raise
        except BaseException as error:
            held.append(False)
            failed = isinstance(error, AssertionError) and not isinstance(error, Foreign)
            what = f"test {number + 1} of {len(job['tests'])}: {_told(error, test)}"
            first = first or ("fail" if failed else "error", what)
        else:
            held.append(True)
        if side.out_of_memory:
            break
    return first or ("pass", "")


def _lines(text: str) -> list[str]:
    """White space at the ends of lines and of the text does not count."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _line(lines: list[str], place: int) -> str:
    return repr(lines[place][:100]) if place < len(lines) else "no more"


class Namespace:
    """The globals of the tests: the solution's names as far as the tests use them."""

    def __init__(self, side: Side, names: list[Any], tests: Sequence[str]) -> None:
        self._side = side
        self.values: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
        trees = parsed(tests)
        wanted, modules = _names_in(trees), _modules_in(trees)
        self._plain: dict[str, Any] = {}
        """Values of the solution that are not the tests' own by now."""
        for name in dict.fromkeys(name for name in names if type(name) is str and name in wanted):
            value = importlib.import_module(name) if name in modules else side.fetch(name)
            self.values[name] = value
            if number_of(value) is None and not callable(value) and not isinstance(value, ModuleType):
                self._plain[name] = value

    def renew(self) -> None:
        """Global values that the solution may have bound anew."""
        self._plain = {name: value for name, value in self._plain.items() if self.values.get(name) is value}
        for name in self._plain:
            self.values[name] = self._plain[name] = self._side.fetch(name)


def names_for(tests: Sequence[str]) -> set[str]:
    """The names that tests want from a solution.

    A builtin stays the builtin, whatever the solution calls so; only where the tests call nothing but builtins, the
    one that every test calls, and not on both sides of a comparison, is the solution's.
    """
    return _names_in(parsed(tests))


def _names_in(trees: Sequence[ast.AST]) -> set[str]:
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    free = {name for name in used if not hasattr(builtins, name)}
    called = [_called(tree) for tree in trees]
    if any(name in free for names in called for name in names):
        return free
    testing = [names for names in called if names]
    shared = set.intersection(*map(set, testing)) if testing else set()
    both = {name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Compare) for name in _both(node)}
    target = shared - both
    return free | (target if len(target) == 1 else set())


def _modules_in(trees: Sequence[ast.AST]) -> set[str]:
    """Names of the library that tests use as modules: never the solution's, whatever it calls so."""
    uses: dict[str, set[bool]] = {}
    for tree in trees:
        bases = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                uses.setdefault(node.id, set()).add(id(node) in bases)
    return {name for name, as_base in uses.items() if as_base == {True} and name in OPEN_LIBRARY.split()}


def parsed(tests: Sequence[str]) -> list[ast.AST]:
    trees: list[ast.AST] = []
    for test in tests:
        with suppress(SyntaxError, ValueError, RecursionError):
            trees.append(ast.parse(test))
    return trees


def _called(tree: ast.AST) -> list[str]:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [func.id for func in calls if isinstance(func, ast.Name)]


def _both(node: ast.Compare) -> set[str]:
    return set(_called(node.left)) & {name for side in node.comparators for name in _called(side)}


def _told(error: BaseException, test: str = "") -> str:
    """What went wrong, in one line."""
    if isinstance(error, AssertionError) and not isinstance(error, Foreign):
        return f"did not hold: {' '.join(test.split())[:300]}" + (f" ({error})" if str(error) else "")
    text = " ".join(str(error).split())[:300]
    line = getattr(error, "place", "")
    place = f", {line} of the solution" if line else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"
