"""The climb of a ladder, without I/O: what to ask, given what came so far."""

from __future__ import annotations

from collections.abc import Callable, Generator

from pytest_llmroute.core.attempts import HINTS, LARGE, SMALL, Came, Ladder, Rung, Try
from pytest_llmroute.core.requests import Message

Climb = Generator[Try, Came, tuple[Came, ...]]
"""Yields what to ask, is sent what came of it; the last of its result is what counts."""


def rungs(ladder: Ladder, attempts: int) -> tuple[Rung, ...]:
    """So many of the small model, and one of the large model."""
    small = [
        Rung(
            number + 1,
            SMALL,
            _at(ladder.temperatures, number),
            ladder.formulations[number % len(ladder.formulations)],
            HINTS[min(number, HINTS.index(ladder.hints))],
            _at(ladder.context, number),
        )
        for number in range(attempts)
    ]
    return (*small, Rung(attempts + 1, LARGE))


def climb(steps: tuple[Rung, ...], prepare: Callable[[Rung], Try]) -> Climb:
    """Step by step until an answer is accepted; the last one's counts, accepted or not.

    A step whose answer is known is left out: the same messages to the same model without chance in it.
    """
    asked: set[tuple[str, tuple[Message, ...]]] = set()
    came: tuple[Came, ...] = ()
    for rung in steps:
        one = prepare(rung)
        if one.greedy and (rung.role, one.messages) in asked:
            continue
        asked |= {(rung.role, one.messages)} if one.greedy else set()
        came = (*came, (yield one))
        if came[-1].accepted:
            break
    return came


def _at(values: tuple[float, ...], number: int) -> float:
    return values[min(number, len(values) - 1)]
