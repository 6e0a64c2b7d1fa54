"""The side that runs the solution. Nothing that it says is believed: it only answers with values.

A solution may change whatever it finds here. It can lie to the judge no further than by returning a wrong value.
"""

from __future__ import annotations

import builtins
import importlib
import io
import operator
import os
import sys
import types
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .channel import Channel, Gone
from .values import NoValue, base_of, decode, encode

NAME = "solution"
RUNTIME_ERROR = ["n", "builtins", "RuntimeError", "RuntimeError"]
SHOWN = 300
"""Characters of a text that tells of an exception."""


class Callback:
    """A function of the tests, to be called by the solution."""

    def __init__(self, solver: Solver, number: int) -> None:
        self._solver, self._number = solver, number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._solver.call_back(self._number, args, kwargs)


class Solver:
    """Answers the judge's requests, one after the other."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        """Which place in `_objects` an object has, by its identity."""
        self._module = types.ModuleType(NAME)
        self._operations: dict[str, Callable[..., list[Any]]] = {
            "define": self._define, "program": self._program, "fetch": self._fetch, "call": self._call,
            "plain": self._plain, "do": self._do,
        }  # fmt: skip

    def serve(self) -> None:
        """Until the judge has ended."""
        while True:
            try:
                operation, *told = self._channel.receive()
            except Gone:
                return
            self._answer(operation, told)

    def _answer(self, operation: str, told: list[Any]) -> None:
        try:
            answer = ["value", *self._operations[operation](*(self.read(item) for item in told))]
        except Exception as error:
            answer = ["raised", *self._raised(error)]
        except BaseException as error:  # an exit, or what only pretends to be one
            text = f"{type(error).__name__}: {error}"[:SHOWN]
            answer = ["raised", RUNTIME_ERROR, ["l", text], ""]
        with suppress(Exception):  # what a solution has made of its output is its own affair
            sys.stdout.flush()
        try:
            self._channel.send(answer)
        except OverflowError as error:
            self._channel.send(["raised", RUNTIME_ERROR, ["l", str(error)], ""])

    def call_back(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Asks the judge to call; meanwhile the judge may ask for something itself."""
        self._channel.send(["callback", number, self.write(args), self.write(kwargs)])
        while True:
            operation, *told = self._channel.receive()
            if operation == "returned":
                return self.read(told[0])
            if operation == "failed":
                raise self.read(told[0])(*self.read(told[1]))
            self._answer(operation, told)

    # Requests

    def _define(self, code: str) -> list[Any]:
        """Runs the solution; the names that it defines."""
        sys.modules[NAME] = self._module
        exec(compiled(code), self._module.__dict__)
        return [[name for name in vars(self._module) if type(name) is str and name[:2] != "__"]]

    def _fetch(self, name: str) -> list[Any]:
        """A global value; where it is the library's own, its name there, so that the judge takes its own."""
        value = getattr(self._module, name)
        return [self.write(value), *(name_of(value) or ())]

    def _program(self, code: str, stdin: str) -> list[Any]:
        """Runs the solution as a program; leaving with success is no failure."""
        with open(0, "wb", closefd=False) as file:
            file.write(stdin.encode("utf-8", "surrogatepass"))
        os.lseek(0, 0, os.SEEK_SET)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        try:
            exec(compiled(code), module.__dict__)
        except SystemExit as error:
            if error.code not in (None, 0):
                raise
        finally:
            sys.stdout.flush()
        return []

    def _call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The result; before it comes every mutable argument that has another content now."""
        before = [self.write(value) if type(value) in _MUTABLE else None for value in args]
        try:
            return [self.write(target(*args, **kwargs))]
        finally:
            for place, (value, was) in enumerate(zip(args, before, strict=True)):
                if was is not None and (now := self.write(value)) != was:
                    self._channel.send(["changed", place, now])

    def _plain(self, target: Any) -> list[Any]:
        """The builtin value within an object, as it is now."""
        return [encode(base_of(target), self._other)]

    def _do(self, name: str, target: Any, *args: Any) -> list[Any]:
        return [self.write(_DOINGS[name](target, *args))]

    # Values

    def write(self, value: Any) -> Any:
        try:
            return encode(value, self._other)
        except NoValue:
            return self._handle(value, [])

    def read(self, told: Any) -> Any:
        return decode(told, self._object)

    def _other(self, value: Any) -> Any:
        """What is no plain value: a builtin class, a function of the tests, or a handle."""
        if isinstance(value, Callback):
            return ["k", value._number]
        if isinstance(value, type) and (name := _builtin_name(value)):
            return ["n", "builtins", name]
        base = base_of(value)
        return self._handle(value, [] if base is value else [encode(base, self._other)])

    def _handle(self, value: Any, base: list[Any]) -> Any:
        number = self._numbers.setdefault(id(value), len(self._objects))
        if number == len(self._objects):
            self._objects.append(value)
        return ["h", number, _kind(value), *base]

    def _object(self, told: Any) -> Any:
        tag, *rest = told
        if tag == "h":
            return self._objects[rest[0]]
        if tag == "n":
            return named(*rest)
        return Callback(self, rest[0])

    def _raised(self, error: BaseException) -> list[Any]:
        """Its class, its arguments and where it was raised."""
        args = error.args if all(type(value) in (str, int, float, bool) for value in error.args) else (str(error),)
        place = ""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == f"<{NAME}>":
                place = f"line {trace.tb_lineno}"
            trace = trace.tb_next
        if isinstance(error, SyntaxError):
            args, place = (str(error.msg),), f"line {error.lineno}" if error.lineno else ""
        return [self._class_of(error), self.write([_shortened(value) for value in args]), place]

    def _class_of(self, error: BaseException) -> Any:
        """A class of the library by its name; one of the solution by its handle; both with the builtin one below."""
        kind = type(error)
        if name := name_of(kind):
            return ["n", *name, _builtin_below(kind)]
        return ["e", self._handle(kind, [])[1], kind.__name__[:SHOWN], _builtin_below(kind)]


def _next(iterator: Any) -> tuple[bool, Any]:
    """Whether there was one more, and which."""
    try:
        return True, next(iterator)
    except StopIteration:
        return False, None


_SHY = frozenset({"__main__", "antigravity", "idlelib", "test", "this", "turtledemo"})
"""Modules that do something when they are imported."""
_MUTABLE = frozenset({list, dict, set, bytearray, deque})
_DOINGS: dict[str, Callable[..., Any]] = {
    "get": getattr, "set": setattr, "delete": delattr, "len": len, "iter": iter, "bool": bool, "str": str,
    "repr": repr, "reversed": reversed, "format": format, "dir": dir, "isinstance": isinstance,
    "issubclass": issubclass, "getitem": operator.getitem, "setitem": operator.setitem,
    "delitem": operator.delitem,
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value: type(value).__exit__(value, None, None, None),
    "next": _next,
}  # fmt: skip


def compiled(code: str) -> types.CodeType:
    """A text has no encoding any more, so a byte order mark is no part of it."""
    return compile(code.removeprefix("\ufeff"), f"<{NAME}>", "exec", dont_inherit=True)


def _kind(value: Any) -> str:
    """What the judge has to know: a class of exceptions, and the builtin one below it."""
    is_exception = isinstance(value, type) and issubclass(value, BaseException)
    return f"exception {_builtin_below(value)}" if is_exception else ""


def _builtin_below(kind: type) -> str:
    return next(name for cls in kind.__mro__ if (name := _builtin_name(cls)))


def _builtin_name(kind: type) -> str:
    name = str(kind.__name__)
    return name if vars(builtins).get(name) is kind else ""


def name_of(value: Any) -> tuple[str, str] | None:
    """Module and name under which the standard library has this very object."""
    if isinstance(value, types.ModuleType):
        whole = value.__name__
        return (whole, "") if _of_library(whole) and sys.modules.get(whole) is value else None
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if type(module) is not str or type(name) is not str or not _of_library(module):
        return None
    return (module, name) if getattr(sys.modules.get(module), name, None) is value else None


def named(module: str, name: str) -> Any:
    """The object of the standard library by its name; what it is not, raises."""
    if module.partition(".")[0] not in sys.stdlib_module_names or module.partition(".")[0] in _SHY:
        raise NoValue("no name of the library")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def _of_library(module: str) -> bool:
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names and top not in _SHY


def _shortened(value: Any) -> Any:
    return value[:SHOWN] if type(value) is str else value
