"""Adaptive repeats are made in rounds: after each, a look at the results says whether the next one is needed."""

from __future__ import annotations

LOOKS = (1, 3, 5)
"""Repeats of the candidate after which a look is taken."""


def round_of_repeat(repeat: int) -> int:
    """Which look is the first to see a repeat; both are counted from 1."""
    return 1 + sum(repeat > seen for seen in LOOKS)
