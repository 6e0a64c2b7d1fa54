"""The exact tests: how unusual the candidate's passes would be if nothing had changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_llmroute.gate.pairs import Pair, unit_of
from pytest_llmroute.gate.sums import Spread, spread, tossed, total_of

PValue = Literal["mid", "exact"]
Scope = Literal["suite", "population"]
FINEST = 360
"""Sign flips count in this part of a try at the finest: the time grows with the number of steps."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where what was seen lies among all that is possible: the weights of less, of the same, and of more."""

    less: int
    same: int
    more: int

    def drop(self, p: PValue = "mid") -> float:
        """The p-value of "the candidate passes less often"."""
        return self._tail(self.less, p)

    def rise(self, p: PValue = "mid") -> float:
        """The p-value of "the candidate passes more often"."""
        return self._tail(self.more, p)

    def _tail(self, beyond: int, p: PValue) -> float:
        return (2 * beyond + (self.same if p == "mid" else 2 * self.same)) / (2 * (self.less + self.same + self.more))


def placed(pairs: Sequence[Pair], scope: Scope) -> Place:
    """By the test that answers the question of `scope`: did these items fall, or do items like these."""
    return within_items(pairs) if scope == "suite" else sign_flips(pairs)


def within_items(pairs: Sequence[Pair]) -> Place:
    """Each item's passes dealt out anew over its tries on both sides; equals McNemar at one try each."""
    alike = Counter((pair.then.total, pair.now.total, pair.passes) for pair in pairs if 0 < pair.passes < pair.total)
    fixed = sum(pair.now.total for pair in pairs if pair.passes == pair.total)
    dealt = total_of(_dealt(*kind) * count for kind, count in sorted(alike.items()))
    return Place(*dealt.split(sum(pair.now.passes for pair in pairs) - fixed))


def sign_flips(pairs: Sequence[Pair]) -> Place:
    """Each item's drop with its sign kept or flipped; exact where both sides have the same number of tries."""
    unit = min(unit_of(pairs), FINEST)
    steps = [round(unit * pair.cross / (pair.then.total * pair.now.total)) for pair in pairs]
    common = math.gcd(*steps) or 1
    flipped = tossed(sorted(abs(step) // common for step in steps if step))
    return Place(*flipped.split(sum(step for step in steps if step > 0) // common))


def item_tail(pair: Pair) -> float:
    """How unusual this item's change is by itself, in the direction in which it went."""
    place = Place(*_dealt(pair.then.total, pair.now.total, pair.passes).split(pair.now.passes))
    return place.rise("exact") if pair.cross > 0 else place.drop("exact")


def _dealt(then: int, now: int, passes: int) -> Spread:
    """The candidate's share of an item's passes: hypergeometric."""
    fewest, most = max(0, passes - then), min(passes, now)
    weights = [math.comb(passes, k) * math.comb(then + now - passes, now - k) for k in range(fewest, most + 1)]
    return spread(fewest, weights, math.comb(then + now, now))
