"""Distributions of sums of whole numbers, in integers: the same digits on every machine and in every order.

A chance is a whole number of units of 2**-192. All chances of a distribution are laid side by side into one long
integer, so that Python's own multiplication adds two distributions up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BITS = 192
ONE = 1 << BITS
_SLOT = 2 * BITS // 8 + 1
"""Bytes for one coefficient of a product: at most ONE times a little more than ONE."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The chances of `first`, `first + 1`, …; outside of them nothing is as likely as 2**-193."""

    first: int
    chances: tuple[int, ...]

    def __add__(self, other: Spread) -> Spread:
        """The sum of two independent numbers."""
        ours = _packed(self.chances)
        product = ours * (ours if other is self else _packed(other.chances))
        return _unpacked(self.first + other.first, product, len(self.chances) + len(other.chances) - 1, BITS)

    def __mul__(self, count: int) -> Spread:
        """The sum of `count` independent numbers of this kind."""
        power, total = self, NOTHING
        while count:
            if count & 1:
                total = total + power
            count >>= 1
            if count:
                power = power + power
        return total

    def split(self, value: int) -> tuple[int, int, int]:
        """The chances of less than `value`, of `value`, and of more."""
        place = min(max(value - self.first, -1), len(self.chances))
        same = self.chances[place] if 0 <= place < len(self.chances) else 0
        return sum(self.chances[: max(place, 0)]), same, sum(self.chances[place + 1 :])


NOTHING = Spread(0, (ONE,))


def spread(first: int, weights: Iterable[int], total: int) -> Spread:
    """From whole weights that add up to `total`."""
    return _trimmed(first, [((weight << BITS) + total // 2) // total for weight in weights])


def tossed(sizes: Sequence[int]) -> Spread:
    """The sum of those of `sizes` for which a coin falls on heads."""
    total = NOTHING
    for start in range(0, len(sizes), BITS):
        some = sizes[start : start + BITS]
        packed = _packed(total.chances)
        for size in some:
            packed += packed << (8 * _SLOT * size)
        total = _unpacked(total.first, packed, len(total.chances) + sum(some), len(some))
    return total


def total_of(spreads: Iterable[Spread]) -> Spread:
    """The sum of all; the shortest are added first."""
    left = list(spreads)
    while len(left) > 1:
        left.sort(key=lambda one: len(one.chances))
        left = [left[at] + left[at + 1] if at + 1 < len(left) else left[at] for at in range(0, len(left), 2)]
    return left[0] if left else NOTHING


def _packed(chances: tuple[int, ...]) -> int:
    return int.from_bytes(b"".join([chance.to_bytes(_SLOT, "little") for chance in chances]), "little")


def _unpacked(first: int, packed: int, size: int, bits: int) -> Spread:
    """Out of `size` coefficients in units that are 2**`bits` times finer."""
    raw, half = packed.to_bytes(size * _SLOT, "little"), 1 << (bits - 1)
    return _trimmed(
        first, [(int.from_bytes(raw[at : at + _SLOT], "little") + half) >> bits for at in range(0, len(raw), _SLOT)]
    )


def _trimmed(first: int, chances: list[int]) -> Spread:
    start, end = 0, len(chances)
    while not chances[start]:
        start += 1
    while not chances[end - 1]:
        end -= 1
    return Spread(first + start, tuple(chances[start:end]))
