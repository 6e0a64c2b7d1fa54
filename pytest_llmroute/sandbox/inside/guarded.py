"""The pair in a machine that is nobody's: no jail holds there, but what can be taken from the solver is taken.

The solver gets another user where the judge is root, no way to more rights, and only the calls of a calculation where
the kernel filters calls; the judge's memory and descriptors are closed to other processes of its user.
"""

from __future__ import annotations

import os
from contextlib import suppress

from . import kernel, lockdown, pair


def solve(cpu: float, memory: int) -> None:
    pair.solve(cpu, memory, _guard)


def _guard() -> None:
    """Each as far as the kernel grants it."""
    with suppress(OSError):
        lockdown.unprivileged(os.getpid())
    with suppress(OSError, KeyError):
        kernel.seccomp(writable=False)


def main(solver: list[str]) -> None:
    with suppress(OSError):
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    pair.main(solver)
