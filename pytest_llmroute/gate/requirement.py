"""What a user demands of a run by `--llm-require`, read before any call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.gate.metrics import ALIASES, METRICS, OF_K, RATE, Kind, Units

Op = Literal["<=", ">=", "<", ">", ":"]
_OPS: dict[str, Op] = {"<=": "<=", ">=": ">=", "<": "<", ">": ">", ":": ":"}
KEYS = ("column", "phase", "task", "model", "agent", "suite", "tag", "case")
_SEVERAL = {"model", "tag", "case"}
"""Filters of which a try can answer to more than one."""
_NAMES = (*METRICS, *ALIASES)
_SHOWN = [name.replace("k", "K") if "^" in name or "@" in name else name for name in _NAMES]

GRAMMAR = f"""\
[FILTER[,FILTER…]/]METRIC>=NUMBER, or <=, >, <: a floor or a ceiling
[FILTER[,FILTER…]/]METRIC:+NUMBER (success_rate: -NUMBER): how much worse than the baseline it may be
FILTER: KEY=VALUE with {", ".join(KEYS)} (a part of the case's name)
METRIC: {", ".join(_SHOWN[:6])},
        {", ".join(_SHOWN[6:])}
examples: success_rate>=90%   success_rate:-5pp   model=org/name:7b/tokens:+10%   phase=fix,tag=slow/seconds<=800ms"""

_DEMAND = re.compile(r"(?P<metric>[^<>=:!]*)(?P<op>[<>=:!]*)(?P<value>.*)", re.DOTALL)
_VALUE = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<dollar>\$?)\s*(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})\s*(?P<unit>%|[A-Za-z]*)"
)
_OF_K = re.compile(r"pass(?P<kind>[@^])(?P<k>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand, which holds for every column that it selects."""

    text: str
    """As it was given, without the spaces around its parts; reads as the same again."""
    filters: tuple[tuple[str, str], ...]
    metric: str
    """A name of `METRICS`."""
    k: int | None
    op: Op
    amount: float
    """A share, tokens, seconds, bytes or dollars; with a sign where it is compared with the baseline."""
    unit: str

    @property
    def relative(self) -> bool:
        """Whether it compares with a baseline."""
        return self.op == ":"

    @property
    def tested(self) -> bool:
        """Whether statistics decide: the success rate against the baseline's."""
        return self.relative and self.metric == "success_rate"


class _Unreadable(Exception):
    """What is wrong, in one sentence."""


def parse_requirement(text: str, where: str = "--llm-require") -> Requirement:
    """A demand from its text; `where` names the place for the error."""
    before, slash, demand = text.rpartition("/")
    try:
        if not text.strip():
            raise _Unreadable("it is empty")
        filters = _filters(before) if slash else ()
        return _requirement(filters, demand)
    except _Unreadable as wrong:
        means = GRAMMAR.replace("\n", "\n  ")
        raise UserError(f'{where}: "{printable(text)}": {wrong}', code=Code.REQUIREMENT, means=means) from None


def _filters(text: str) -> tuple[tuple[str, str], ...]:
    filters: list[tuple[str, str]] = []
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise _Unreadable(f'"{printable(part.strip())}" before "/" is no filter; write KEY=VALUE')
        if key not in KEYS:
            raise _Unreadable(_no("filter", key, KEYS))
        if not value:
            raise _Unreadable(f'the filter "{key}" has no value')
        if key not in _SEVERAL and key in dict(filters):
            raise _Unreadable(f'"{key}" stands there twice, and no try has two; write two requirements')
        filters.append((key, value))
    return tuple(filters)


@dataclass(frozen=True, slots=True)
class _Demand:
    """What stands after the filters, in its parts."""

    name: str
    kind: Kind
    relative: bool
    sign: str
    number: str
    unit: str

    @property
    def units(self) -> Units:
        return self.kind.allowances if self.relative else self.kind.limits

    @property
    def amount(self) -> float:
        return float(Decimal(self.sign + self.number) * self.units[self.unit])

    def __str__(self) -> str:
        value = f"${self.number}" if self.unit == "$" else f"{self.number}{self.unit}"
        return self.sign + value


def _requirement(filters: tuple[tuple[str, str], ...], text: str) -> Requirement:
    parts = _DEMAND.fullmatch(text)
    assert parts is not None
    name = parts["metric"].strip()
    if name in KEYS:
        raise _Unreadable(f'the filter "{name}" is not followed by "/" and a metric')
    metric, k = _metric(name)
    op = _OPS.get(parts["op"])
    if op is None:
        what = f'"{parts["op"]}" is no comparison' if parts["op"] else f'nothing is demanded of "{name}"'
        raise _Unreadable(f"{what}; write >=, <=, > or <, or : for a comparison with the baseline")
    demand = _value(name, METRICS[metric].kind, op == ":", parts["value"].strip())
    before = ",".join(f"{key}={value}" for key, value in filters) + "/" if filters else ""
    return Requirement(f"{before}{name}{op}{demand}", filters, metric, k, op, demand.amount, demand.unit)


def _metric(name: str) -> tuple[str, int | None]:
    if of_k := _OF_K.fullmatch(name):
        if not re.fullmatch("[1-9][0-9]{0,3}", of_k["k"]):
            raise _Unreadable(f'"{printable(name)}" needs a whole number from 1 to 9999 at its end, as pass@3')
        return f"pass{of_k['kind']}k", int(of_k["k"])
    known = ALIASES.get(name, name)
    if known not in METRICS:
        raise _Unreadable(_no("metric", name, _NAMES) if name else "there is no metric before the comparison")
    return known, None


def _value(name: str, kind: Kind, relative: bool, text: str) -> _Demand:
    parts = _VALUE.fullmatch(text)
    if parts is None:
        raise _Unreadable(f'"{printable(text)}" is no number with a unit')
    demand = _Demand(name, kind, relative, parts["sign"], parts["number"], parts["dollar"] or parts["unit"])
    demand = replace(demand, unit=_unit(demand))
    if relative and not demand.sign:
        demand = replace(demand, sign="-" if kind is RATE else "+")
    if wrong := _senseless(demand):
        raise _Unreadable(wrong)
    return demand


def _unit(demand: _Demand) -> str:
    """The unit in its usual spelling."""
    name, written = demand.name, demand.unit
    if not demand.units:
        raise _Unreadable(f"{name} is not compared with a baseline; write a floor or a ceiling, as {name}>=…")
    if demand.kind is RATE and demand.relative and written in ("", "%"):
        raise _Unreadable(f"a change of {name} is told in percentage points, pp: {name}:-{demand.number}pp")
    for unit in demand.units:
        if unit.casefold() == written.casefold():
            return unit
    allowed = ", ".join(unit or "a bare number" for unit in demand.units)
    what = f'{name} is not told in "{written}" here' if written else f"{name} needs a unit here"
    raise _Unreadable(f"{what}; allowed: {allowed}")


def _senseless(demand: _Demand) -> str:
    """What is wrong with a demand that can be read."""
    if demand.sign and not demand.relative:
        return f"a floor or a ceiling has no sign; a comparison with the baseline is {demand.name}:{demand}"
    if demand.kind is RATE and demand.sign == "+":
        return f"this would demand a rise; write {demand.name}>=… for a floor"
    if demand.kind in (RATE, OF_K) and abs(demand.amount) > 1:
        return f"{demand} is more than all; a share is from 0 to 1, or 0% to 100%"
    if demand.unit == "%" and demand.amount <= -1:
        return f"{demand} would demand that nothing is left"
    return ""


def _no(kind: str, name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f'no {kind} "{printable(name)}"' + (f' (did you mean "{near}"?)' if near else "")
