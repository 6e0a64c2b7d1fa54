"""The sandbox's two functions. Both may be called from any thread."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llmroute.sandbox.verdict import SolutionVerdict


def run_solution(code: str, tests: Sequence[str], timeout: float, *, setup: str = "") -> SolutionVerdict:
    """Runs `tests`, each a piece of Python with asserts, on what `code` defines; `setup` runs before them.

    `timeout`: seconds of CPU; sleeping is bounded too, by a wider limit.
    """
    raise NotImplementedError


def run_program(code: str, stdin: str, expected: str, timeout: float) -> SolutionVerdict:
    """Runs `code` as a program that reads `stdin`; it passes if it prints `expected`.

    White space at the ends of lines and of the text does not count.
    """
    raise NotImplementedError
