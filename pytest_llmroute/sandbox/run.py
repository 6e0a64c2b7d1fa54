"""The sandbox's functions. All may be called from any thread; the first call finds the tier."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping, Sequence

from pytest_llmroute.sandbox.jail import Job
from pytest_llmroute.sandbox.pool import Pool
from pytest_llmroute.sandbox.tiers import Wish, from_environment, open_pool
from pytest_llmroute.sandbox.verdict import SolutionVerdict, Tier

_lock = threading.Lock()
_pools: dict[int, Pool] = {}
"""By process: a fork must not talk to the jails of its parent."""
_wish: Wish | None = None
"""Nobody has said yet."""


def use(wish: Wish) -> None:
    """Which tier is wanted from now on; jails of another one are closed."""
    global _wish
    with _lock:
        if wish != _wish:
            _wish = wish
            _close()


def tier() -> Tier:
    """The tier that solutions run in; raises UserError where this machine has none that was allowed."""
    return _pool().tier


def run_solution(code: str, tests: Sequence[str], timeout: float, *, setup: str = "") -> SolutionVerdict:
    """Runs `tests`, each a piece of Python with asserts, on what `code` defines; `setup` runs before them.

    `timeout`: seconds of CPU; by the clock it may take five times that and a second.
    """
    if not tests:
        raise ValueError("no tests: nothing could be judged")
    return _run({"code": code, "tests": list(tests), "setup": setup}, timeout)


def run_program(code: str, stdin: str, expected: str, timeout: float) -> SolutionVerdict:
    """Runs `code` as a program that reads `stdin`; it passes if it prints `expected`.

    White space at the ends of lines and of the text does not count.
    """
    return _run({"code": code, "stdin": stdin, "expected": expected}, timeout)


def close() -> None:
    """Ends all jails; the next call opens new ones."""
    with _lock:
        _close()


def _run(task: Mapping[str, object], timeout: float) -> SolutionVerdict:
    if not timeout > 0:
        raise ValueError(f"timeout={timeout!r} must be above 0")
    return _pool().run(Job(task, timeout))


def _pool() -> Pool:
    with _lock:
        pool = _pools.get(os.getpid())
        if pool is None:
            pool = _pools[os.getpid()] = open_pool(_wish or from_environment())
        return pool


def _close() -> None:
    pool = _pools.pop(os.getpid(), None)
    if pool is not None:
        pool.close()


atexit.register(close)
