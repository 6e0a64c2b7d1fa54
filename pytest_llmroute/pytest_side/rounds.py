"""Adaptive repeats: tests run in rounds, and after each a look at the results says whether the next one is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.outcomes import SCORED
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.rounds import LOOKS
from pytest_llmroute.errors import UserError, one
from pytest_llmroute.gate.looks import Looks, Taken
from pytest_llmroute.gate.tries import fixed
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.items import round_of
from pytest_llmroute.pytest_side.nogate import NoGate

if TYPE_CHECKING:
    from pytest_llmroute.gate.adaptive import Look
    from pytest_llmroute.pytest_side.judging import Gate

LEFT_OUT = pytest.StashKey[bool]()
SAME = "a repeat would say the same (temperature 0, or replayed)"
MOST = LOOKS[-1]
Begin = Callable[[Iterable[tuple[int, pytest.Item]]], object]
"""Hears which tests come next, each with its place in the order of all."""


def refuse(gate: NoGate, *, spread: bool) -> None:
    """Where adaptive repeats could not be honest, nothing runs."""
    gate = _full(gate)
    of_many = [one.text for one in gate.requirements if (one.k or 1) > LOOKS[0]]
    wrong = []
    if spread:
        wrong.append(_refused(
            "the workers of pytest-xdist see a part of the results only",
            "whether more repeats are needed is decided by all results so far",
            "-n0",
        ))  # fmt: skip
    if gate.mode == "off":
        wrong.append(_refused(
            "the gate is off", "it is the gate that asks for more repeats, or needs none", "--llm-gate=fail"
        ))  # fmt: skip
    elif gate.against.figures is None:
        wrong.append(_refused(
            f"there is no baseline ({gate.against.source})",
            "a run is repeated as long as it may still turn out worse than its baseline",
            f"pytest … --llm-repeat={MOST} --llm-gate=record --llm-save writes one",
        ))  # fmt: skip
    if gate.saving:
        wrong.append(_refused(
            "a baseline can't be made of them",
            "it would have few repeats, and as many as its own results asked for",
            f"--llm-save --llm-repeat={MOST}",
        ))  # fmt: skip
    if of_many:
        wrong.append(_refused(
            f"{' and '.join(of_many)} wants more than {LOOKS[0]} try of every case",
            "a run may end after the first", f"--llm-repeat={MOST}",
        ))  # fmt: skip
    if wrong:
        raise one(wrong)


def _refused(why: str, means: str, fix: str) -> UserError:
    instead = "" if f"--llm-repeat={MOST}" in fix else f"--llm-repeat={MOST}"
    return UserError(
        f"adaptive repeats are not possible here: {why}", code=Code.ADAPTIVE, means=means, fix=fix, instead=instead
    )


def out_of_order() -> UserError:
    return _refused(
        "another plugin has put the tests into an order of its own",
        "all first repeats must run before the second ones: there is a look in between",
        "-p no:NAME of that plugin",
    )


class Rounds:
    """The tests of a run in their order, and how far it has come."""

    def __init__(self, items: Iterable[pytest.Item], gate: NoGate, begin: Begin) -> None:
        self._items, self._gate, self._begin = tuple(items), _full(gate), begin
        self._numbers = [round_of(item) for item in self._items]
        self._round = min(self._numbers)
        self._looks = Looks(of=len(set(self._numbers)))
        self._done: dict[str, float] = {}
        """Members that have stopped, each with the p-value by which it did."""
        self._same: dict[str, bool] = {}
        """By case: whether another repeat would say the same."""
        self._calls: dict[str, int] = {}
        """By case: the calls of its first try."""
        self._made = self._saved = 0
        self.disturbed = self._numbers != sorted(self._numbers)
        """Whether results come after the look that should have seen them."""

    def start(self) -> None:
        """The calls of the round may be made."""
        self._begin((index, self._items[index]) for index in self._left() if self._numbers[index] == self._round)

    def heard(self, record: Record) -> None:
        """What a try says of further repeats of its case."""
        self._made += len(record.calls)
        self._calls.setdefault(record.group, len(record.calls))
        same = record.outcome in SCORED and fixed(record)
        self._same[record.group] = self._same.get(record.group, True) and same

    def wants(self, item: pytest.Item) -> bool:
        """Whether a test is to run; before the first one of a round there is a look at what came of those before."""
        while LEFT_OUT not in item.stash and self._round < round_of(item):
            self._look()
        if LEFT_OUT in item.stash:
            return False
        self.disturbed = self.disturbed or self._round > round_of(item)
        return True

    @property
    def looks(self) -> Looks:
        return replace(self._looks, saved=self._saved, planned=self._made + self._saved)

    def _left(self) -> list[int]:
        """Tests from this round on that are to run, by their places."""
        return [
            index
            for index, number in enumerate(self._numbers)
            if number >= self._round and LEFT_OUT not in self._items[index].stash
        ]

    def _look(self) -> None:
        repeats = LOOKS[self._round - 1]
        self._round += 1
        self._leave_out([i for i in self._left() if self._same.get(_group(self._items[i]), False)], SAME)
        rounds = sorted({self._numbers[index] for index in self._left()})
        number = self._looks.number
        if not rounds:
            self._looks = replace(self._looks, of=number, why=SAME)
            return
        look = self._gate.look(number, number + len(rounds), frozenset(self._done))
        self._done |= {name: look.verdict.cells[name].p_value for name in look.done - self._done.keys()}
        p = self._p(look)
        taken = (*self._looks.taken, Taken(repeats, look.decision, p))
        self._looks = replace(self._looks, of=number + len(rounds), taken=taken)
        if look.decision == "go on":
            self._round = rounds[0]
            self._looks = replace(self._looks, number=number + 1)
            self.start()
        else:
            why = _why(look, p, repeats)
            self._looks = replace(self._looks, why=why)
            self._leave_out(self._left(), why)

    def _p(self, look: Look) -> float | None:
        """The p-value that decided: the least of those that fail, that stopped, or that are open."""
        if look.decision == "fail":
            return min(look.verdict.adjusted[name] for name in look.verdict.failed)
        if look.decision == "stop":
            return min(self._done.values(), default=None)
        return min(one.p_value for name, one in look.verdict.cells.items() if name not in look.done)

    def _leave_out(self, places: Iterable[int], why: str) -> None:
        for item in map(self._items.__getitem__, places):
            number = round_of(item)
            item.stash[LEFT_OUT] = True
            item.add_marker(
                pytest.mark.skip(f"adaptive: rep{LOOKS[number - 2] + 1}–{LOOKS[number - 1]} not needed, {why}")
            )
            self._saved += max(1, self._calls.get(_group(item), 1))


def _group(item: pytest.Item) -> str:
    """The case that a repeat is of; the checks before any test have made it."""
    return item.stash[item_side.CASE].group


def _full(gate: NoGate) -> Gate:
    """Where repeats are adaptive there is one, whatever else it is asked for."""
    from pytest_llmroute.pytest_side.judging import Gate

    assert isinstance(gate, Gate)
    return gate


def _why(look: Look, p: float | None, repeats: int) -> str:
    from pytest_llmroute.gate.adaptive import STOP
    from pytest_llmroute.report.verdicts import p_text

    after = f"after {repeats} repeat{'s'[: repeats > 1]}"
    if p is None:
        return f"nothing can be compared {after}"
    if look.decision == "fail":
        level = look.verdict.cells[look.verdict.failed[0]].level
        return f"the gate fails {after} already ({p_text(p, level)})"
    return f"{p_text(p, STOP)} {after}"
