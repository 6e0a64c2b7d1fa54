"""What a run may take (dollars, tokens, seconds), and what a call is expected to take of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Sampling
from pytest_llmroute.core.tokens import estimate_tokens
from pytest_llmroute.core.units import show_seconds, show_usd

SPENT = "the budget of the run is spent"
_PART = re.compile(r"(\$)?\s*(\d[\d_]*(?:\.\d+)?)\s*([kM])?\s*([A-Za-z]*)")
_SCALES = {None: 1, "k": 1_000, "M": 1_000_000}
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that the calls of a run may take together; None: without bound."""

    usd: float | None = None
    tokens: int | None = None
    """Of prompts and replies."""
    seconds: float | None = None
    """By the clock, since the first test."""

    def __str__(self) -> str:
        parts = (
            None if self.usd is None else f"${self.usd:.12g}",
            None if self.tokens is None else f"{self.tokens} tokens",
            None if self.seconds is None else show_clock(self.seconds),
        )
        return ", ".join(filter(None, parts))


def read_budget(text: str) -> Budget:
    """From `$2`, `200k tokens`, `30 min`, or several of them with commas; ValueError with a sentence."""
    found: dict[str, float] = {}
    for part in text.split(","):
        unit, amount = _read(part.strip())
        if unit in found:
            raise ValueError(f'"{part.strip()}" is a second limit in {unit}')
        found[unit] = amount
    tokens = found.get("tokens")
    return Budget(found.get("dollars"), None if tokens is None else int(tokens), found.get("seconds"))


def _read(part: str) -> tuple[str, float]:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f'"{part}" is no amount' if part else "an amount is missing")
    dollar, digits, scale, unit = match.groups()
    amount = float(digits.replace("_", "")) * _SCALES[scale]
    word = unit.lower() if unit.lower() == "s" else unit.lower().removesuffix("s")
    if bool(dollar) == bool(word):
        raise ValueError(f'"{part}" has {"two units" if dollar else "no unit"}: $, tokens, s, min or h')
    if not amount:
        raise ValueError(f'"{part}" is nothing')
    if dollar or word in ("usd", "dollar"):
        return "dollars", amount
    if word == "token":
        return "tokens", amount
    if word in _SECONDS:
        return "seconds", amount * _SECONDS[word]
    raise ValueError(f'"{part}" is not in $, tokens, s, min or h')


def show_clock(seconds: float) -> str:
    """A time as a budget spells it: the largest unit that it is whole in, else seconds."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:.12g} s"


class Amount(NamedTuple):
    """What a call takes; None: not known."""

    usd: float | None = 0.0
    tokens: int | None = 0


def expected_amount(
    card: ModelCard, settings: Sampling, characters: int, *, here: bool, most: int | None = None, factor: float = 1.0
) -> Amount:
    """The most that a call may take: its prompt's tokens, which are estimated, and all that its reply may have.

    `here`: the model runs on this machine, so without a price it costs nothing. `most`: tokens of a reply where nobody
    says how many. `factor`: how far the estimates of prompts fell short before.
    """
    prompt = round(factor * estimate_tokens(characters))
    reply = reply_limit(card, settings, prompt, most)
    price = card.price
    usd = 0.0 if price is None and here else None
    if price is not None and reply is not None:
        usd = price.cost(prompt, reply)
    return Amount(usd, None if reply is None else prompt + reply)


def reply_limit(card: ModelCard, settings: Sampling, prompt: int, most: int | None = None) -> int | None:
    """The most tokens that a reply can have; None where nothing bounds it."""
    if settings.max_tokens is not None:
        return settings.max_tokens
    limits = [limit for limit in (most, card.max_output) if limit is not None]
    if card.context is not None:
        limits.append(max(1, card.context - prompt))
    return min(limits, default=None)


def show_amount(unit: str, value: float) -> str:
    """A figure in the unit of a limit: dollars, tokens or seconds."""
    if unit == "usd":
        return show_usd(value)
    return f"{value:,.0f} tokens" if unit == "tokens" else show_seconds(value)


def show_share(unit: str, spent: float, limit: float) -> str:
    """What is spent of a limit."""
    if unit == "tokens":
        return f"{spent:,.0f} of {limit:,.0f} tokens"
    return f"{show_amount(unit, spent)} of {show_clock(limit) if unit == 'seconds' else show_amount(unit, limit)}"
