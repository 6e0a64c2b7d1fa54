"""Plain values as JSON and back. What is none goes by a hook: a handle of the one side or of the other.

Only these types cross; what came is built anew from exact builtin types, so no method of the sender's comes with it.
"""

from __future__ import annotations

import datetime
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

DEEPEST = 200
"""Levels of a value; what is deeper does not cross."""
SMALL = 2**62
Hook = Callable[[Any], Any]


class NoValue(Exception):
    """What came stands for no value, or is too deep to cross."""


# Writing


def encode(value: Any, other: Hook, depth: int = 0) -> Any:
    """`other` writes what is no plain value."""
    kind = type(value)
    if kind is str or kind is bool or value is None or kind is float:
        return value
    if kind is int:
        return value if -SMALL < value < SMALL else ["i", hex(value)]
    if depth > DEEPEST:
        raise NoValue("a value of more levels than can cross")
    if kind in _SEQUENCES:
        return [_SEQUENCES[kind], *(encode(item, other, depth + 1) for item in value)]
    if kind in _MAPPINGS:
        return [_MAPPINGS[kind], *_pairs(value, other, depth)]
    if kind in _RARE:
        return _RARE[kind](value)
    if kind is deque:
        return ["q", value.maxlen, *(encode(item, other, depth + 1) for item in value)]
    return other(value)


def base_of(value: Any) -> Any:
    """The builtin value within one of a subclass; the value itself where there is none."""
    for kind, rebuilt in _BASES.items():
        if isinstance(value, kind):
            return rebuilt(value)
    return value


def _pairs(value: Any, other: Hook, depth: int) -> list[Any]:
    return [encode(part, other, depth + 1) for item in dict.items(value) for part in item]


_SEQUENCES: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "f"}
_MAPPINGS: dict[type, str] = {dict: "d", defaultdict: "d", Counter: "C", OrderedDict: "o"}
_RARE: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: ["b", value.hex()],
    bytearray: lambda value: ["B", value.hex()],
    complex: lambda value: ["c", value.real, value.imag],
    range: lambda value: ["r", hex(value.start), hex(value.stop), hex(value.step)],
    Decimal: lambda value: ["D", str(value)],
    Fraction: lambda value: ["F", hex(value.numerator), hex(value.denominator)],
    datetime.date: lambda value: ["date", value.isoformat()],
    datetime.time: lambda value: ["time", value.isoformat()],
    datetime.datetime: lambda value: ["datetime", value.isoformat()],
    datetime.timedelta: lambda value: ["delta", value.days, value.seconds, value.microseconds],
}
_BASES: dict[type, Callable[[Any], Any]] = {
    datetime.datetime: lambda value: datetime.datetime.fromisoformat(datetime.datetime.isoformat(value)),
    datetime.date: lambda value: datetime.date.fromisoformat(datetime.date.isoformat(value)),
    datetime.time: lambda value: datetime.time.fromisoformat(datetime.time.isoformat(value)),
    datetime.timedelta: datetime.timedelta.__pos__,
    Decimal: lambda value: Decimal(Decimal.__str__(value)),
    Fraction: lambda value: Fraction(value.numerator, value.denominator),
    complex: lambda value: complex.__pos__(value),
    bytearray: lambda value: bytearray(memoryview(value)),
    deque: lambda value: deque(deque.__iter__(value), value.maxlen),
    int: lambda value: int.__add__(value, 0),
    float: lambda value: float.__neg__(float.__neg__(value)),
    str: lambda value: str.__str__(value),
    bytes: lambda value: bytes(memoryview(value)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
}


# Reading


def decode(told: Any, other: Hook, depth: int = 0) -> Any:
    """`other` reads what is no plain value; raises NoValue for whatever else may have come."""
    if told is None or type(told) in (str, bool, int, float):
        return told
    if depth > DEEPEST or type(told) is not list or not told or type(told[0]) is not str:
        raise NoValue("no value")
    tag = told[0]
    try:
        if tag in _FROM_ITEMS:
            return _FROM_ITEMS[tag]([decode(item, other, depth + 1) for item in told[1:]])
        if tag in _FROM_PAIRS:
            parts = [decode(item, other, depth + 1) for item in told[1:]]
            return _FROM_PAIRS[tag](dict(zip(parts[::2], parts[1::2], strict=True)))
        if tag == "q":
            return deque([decode(item, other, depth + 1) for item in told[2:]], told[1])
        if tag in _FROM_TEXTS:
            return _FROM_TEXTS[tag](*told[1:])
    except (TypeError, ValueError, LookupError, ArithmeticError):
        raise NoValue("no value") from None
    return other(told)


def _number(text: str) -> int:
    return int(text, 16)


_FROM_ITEMS: dict[str, Callable[[list[Any]], Any]] = {"l": list, "t": tuple, "s": set, "f": frozenset}
_FROM_PAIRS: dict[str, Callable[[dict[Any, Any]], Any]] = {"d": dict, "C": Counter, "o": OrderedDict}
_FROM_TEXTS: dict[str, Callable[..., Any]] = {
    "i": _number,
    "b": bytes.fromhex,
    "B": bytearray.fromhex,
    "c": lambda real, imag: complex(float(real), float(imag)),
    "r": lambda *numbers: range(*map(_number, numbers)),
    "D": lambda text: Decimal(str(text)),
    "F": lambda *numbers: Fraction(*map(_number, numbers)),
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "delta": lambda days, seconds, micro: datetime.timedelta(days, seconds, micro),
}
