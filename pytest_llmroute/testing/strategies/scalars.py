"""Numbers and texts that fit the plain keywords of a JSON Schema; None where there are none."""

from __future__ import annotations

import math
import re
import string
import sys
from collections.abc import Callable, Mapping
from datetime import date
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_llmroute.testing.strategies.merging import Keywords, exact

FAR = 10**6
"""How many steps of a `multipleOf` numbers without a bound go."""
ALPHABET = st.characters(codec="utf-8")
ATOM = r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\[dDwWsS]|\\[^\w]|[^\\.()\[\]{}|^$*+?]|\."
REPEATED = re.compile(rf"\^(?P<atom>{ATOM})(?P<how>\+|\*|\{{(?P<low>\d+),(?P<high>\d*)\}})\$")
TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$|[^\\\[$]+|.", re.DOTALL)


def integers(keywords: Keywords) -> SearchStrategy[Any] | None:
    low, high = _bounds(keywords)
    # What is a multiple of p/q and whole is a multiple of p.
    step = exact(keywords["multipleOf"]).numerator if "multipleOf" in keywords else 1
    first, last = low.least(step) if low else None, high.most(step) if high else None
    if first is not None and last is not None and first > last:
        return None
    whole = st.integers(first, last)
    return whole if step == 1 else whole.map(lambda number: number * step)


def numbers(keywords: Keywords) -> SearchStrategy[Any] | None:
    found = [one for one in (integers(keywords), _floats(keywords)) if one is not None]
    return st.one_of(found) if found else None


class Bound:
    """The end of a range, which may itself be outside."""

    def __init__(self, at: Fraction, open_: bool) -> None:
        self.at, self.open = at, open_

    def least(self, step: Fraction | int) -> int:
        """The first multiple of `step` above this lower end, in steps."""
        steps = math.ceil(self.at / step)
        return steps + 1 if self.open and steps * step == self.at else steps

    def most(self, step: Fraction | int) -> int:
        steps = math.floor(self.at / step)
        return steps - 1 if self.open and steps * step == self.at else steps

    def next_float(self, towards: float) -> float:
        """The nearest float inside; infinite where there is none."""
        try:
            found = float(self.at) + 0.0
        except OverflowError:
            return math.inf if self.at > 0 else -math.inf
        outside = Fraction(found) < self.at if towards > 0 else Fraction(found) > self.at
        if outside or (self.open and Fraction(found) == self.at):
            return math.nextafter(found, towards)
        return found


def _bounds(keywords: Keywords) -> tuple[Bound | None, Bound | None]:
    # Beside a multipleOf, 0.1 is a tenth; else it is what Python compares with.
    read = exact if "multipleOf" in keywords else Fraction
    lows = [(read(keywords[name]), name != "minimum") for name in ("minimum", "exclusiveMinimum") if name in keywords]
    highs = [(read(keywords[name]), name == "maximum") for name in ("maximum", "exclusiveMaximum") if name in keywords]
    low = Bound(*max(lows)) if lows else None
    high = Bound(min(highs)[0], not min(highs)[1]) if highs else None
    return low, high


def _floats(keywords: Keywords) -> SearchStrategy[Any] | None:
    low, high = _bounds(keywords)
    if "multipleOf" in keywords:
        step = exact(keywords["multipleOf"])
        first = low.least(step) if low else (high.most(step) if high else 0) - FAR
        last = high.most(step) if high else first + 2 * FAR
        return st.integers(first, last).map(lambda steps: float(steps * step)) if first <= last else None
    least = low.next_float(math.inf) if low else -sys.float_info.max
    most = high.next_float(-math.inf) if high else sys.float_info.max
    least, most = max(least, -sys.float_info.max), min(most, sys.float_info.max)
    return st.floats(least, most, allow_nan=False, allow_infinity=False) if least <= most else None


def texts(keywords: Keywords) -> SearchStrategy[Any] | None:
    low, high = math.ceil(keywords.get("minLength", 0)), keywords.get("maxLength")
    high = None if high is None else math.floor(high)
    if high is not None and low > high:
        return None
    if "pattern" in keywords:
        return _matching(keywords["pattern"], low, high)
    if "format" in keywords:
        return _of_length(FORMATS[keywords["format"]](), low, high)
    return st.text(ALPHABET, min_size=low, max_size=high)


def _of_length(strategy: SearchStrategy[str], low: int, high: int | None) -> SearchStrategy[str]:
    if low == 0 and high is None:
        return strategy
    return strategy.filter(lambda text: low <= len(text) <= (len(text) if high is None else high))


def _matching(pattern: str, low: int, high: int | None) -> SearchStrategy[str]:
    r"""Texts that match as both read it: \d and \w are ASCII to JavaScript, and $ is the very end."""
    searched = re.compile(pattern)
    strict = re.compile(_strict(_stretched(pattern, low, high)), re.ASCII)
    found = st.from_regex(strict, alphabet=ALPHABET).filter(lambda text: searched.search(text) is not None)
    return _of_length(found, low, high)


def _strict(pattern: str) -> str:
    return TOKEN.sub(lambda token: r"\Z" if token[0] == "$" else token[0], pattern)


def _stretched(pattern: str, low: int, high: int | None) -> str:
    """One repeated atom takes on the lengths that are wanted: few random texts of `^[a-z]+$` have 40 letters."""
    found = REPEATED.fullmatch(pattern)
    if found is None:
        return pattern
    least = max(low, {"+": 1, "*": 0}.get(found["how"], int(found["low"] or 0)))
    ends = [end for end in (high, int(found["high"]) if found["high"] else None) if end is not None]
    if ends and min(ends) < least:
        return pattern
    return f"^{found['atom']}{{{least},{min(ends) if ends else ''}}}$"


def _times() -> SearchStrategy[str]:
    zone = st.just("Z") | st.builds("{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 14), st.just(0))
    return st.builds(lambda at, zone: at.isoformat() + zone, st.times(), zone)


def _hosts() -> SearchStrategy[str]:
    label = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True, alphabet=st.characters(codec="ascii"))
    # Two hyphens in the third and fourth place say that the label is encoded.
    return st.lists(label.filter(lambda text: text[2:4] != "--"), min_size=1, max_size=3).map(".".join)


def _paths() -> SearchStrategy[str]:
    part = st.text(string.ascii_letters + string.digits + "-._~", max_size=8)
    return st.lists(part | st.sampled_from(("a%20b", "%C3%BC")), max_size=3).map(lambda parts: "/" + "/".join(parts))


def _queries() -> SearchStrategy[str]:
    return st.sampled_from(("", "?q=1", "?a=b&c=d%20e", "#part"))


def _uris() -> SearchStrategy[str]:
    schemes = st.sampled_from(("https", "http", "ftp"))
    path = _paths().map(lambda text: re.sub("^/+", "/", text))
    return st.builds("{}://{}{}{}".format, schemes, _hosts(), path, _queries())


def _references() -> SearchStrategy[str]:
    return _uris() | st.builds("{}{}".format, _paths().map(lambda text: re.sub("^/+", "/", text)), _queries())


def _durations() -> SearchStrategy[str]:
    some = st.integers(0, 99)
    days, clock = st.builds("P{}D".format, some), st.builds("PT{}H{}M{}S".format, some, some, some)
    return days | clock | st.builds("P{}Y{}M".format, some, some) | st.builds("P{}W".format, some)


def _pointers() -> SearchStrategy[str]:
    part = st.text(ALPHABET, max_size=6).map(lambda text: text.replace("~", "~0").replace("/", "~1"))
    return st.lists(part, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))


FORMATS: Mapping[str, Callable[[], SearchStrategy[str]]] = {
    "date": lambda: st.dates().map(date.isoformat),
    "time": _times,
    "date-time": lambda: st.builds("{}T{}".format, st.dates().map(date.isoformat), _times()),
    "duration": _durations,
    "email": st.emails,
    "hostname": _hosts,
    "ipv4": lambda: st.ip_addresses(v=4).map(str),
    "ipv6": lambda: st.ip_addresses(v=6).map(str),
    "json-pointer": _pointers,
    "uri": _uris,
    "uri-reference": _references,
    "uuid": lambda: st.uuids().map(str),
}
