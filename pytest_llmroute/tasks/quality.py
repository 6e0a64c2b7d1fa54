"""How good a solution is, beside its verdict and never mixed into it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from pytest_llmroute.sandbox.verdict import SolutionVerdict
from pytest_llmroute.tasks.readability import missing, readability

CPU_NOISE = 0.005
"""Seconds: what schedulers and caches make of one and the same run; a smaller difference is none."""
MEMORY_NOISE = 1 << 20
"""Bytes: pages that an interpreter takes once more or less."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Each from 0 to 1, or None where it can't be told. No sum of them exists: they answer different questions."""

    correctness: float | None = None
    efficiency: float | None = None
    readability: float | None = None


def quality_of(code: str, own: SolutionVerdict, reference: SolutionVerdict | None = None) -> Quality:
    """What one execution of a solution and its text tell; `reference` is the execution of the known solution."""
    return Quality(correctness(own), efficiency(own, reference), None if missing() else readability(code))


def correctness(own: SolutionVerdict) -> float | None:
    """The share of asserts that held, of a program without any all or nothing; None where the sandbox failed."""
    if own.status == "infra":
        return None
    return own.share if own.held else float(own.passed)


def efficiency(own: SolutionVerdict, reference: SolutionVerdict | None) -> float | None:
    """1 over the geometric mean of what it costs in CPU and in memory, as multiples of the reference; 1 at best.

    None unless both passed: what a wrong or interrupted solution costs says nothing.
    """
    if reference is None or not (own.passed and reference.passed):
        return None
    cpu = _multiple(own.cpu_seconds, reference.cpu_seconds, CPU_NOISE)
    told = own.rss_peak and reference.rss_peak
    memory = _multiple(own.rss_peak, reference.rss_peak, MEMORY_NOISE) if told else 1.0
    return 1 / sqrt(cpu * memory)


def _multiple(own: float, reference: float, noise: float) -> float:
    """How many times the reference, from 1 on. What the noise covers is left out, so it begins at 1 without a step."""
    return 1 + max(own - reference - noise, 0.0) / max(reference, noise)
