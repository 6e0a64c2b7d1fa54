"""Jails of both kinds, in pools that end with their tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from pytest_llmroute.sandbox.jail import Jail, Job
from pytest_llmroute.sandbox.local import UnsafeLocal
from pytest_llmroute.sandbox.pool import Executor, Pool
from pytest_llmroute.sandbox.verdict import SolutionVerdict, Tier

WAYS: tuple[Tier, ...] = ("isolated", "restricted")
TIERS: tuple[Tier, ...] = (*WAYS, "unsafe-local")


class Runner:
    """run_solution in a tier of its own."""

    def __init__(self, tier: Tier, size: int = 2) -> None:
        self.tier = tier
        self.pool = Pool(self._opened, tier, size)

    def __call__(self, code: str, *tests: str, setup: str = "", timeout: float = 2.0, **more: Any) -> SolutionVerdict:
        return self.pool.run(Job({"code": code, "tests": list(tests), "setup": setup}, timeout, **more))

    def program(self, code: str, stdin: str, expected: str, timeout: float = 2.0) -> SolutionVerdict:
        return self.pool.run(Job({"code": code, "stdin": stdin, "expected": expected}, timeout))

    def _opened(self, number: int) -> Executor:
        return UnsafeLocal() if self.tier == "unsafe-local" else partial(Jail, self.tier)(number)  # type: ignore[arg-type]


def _runner(tier: Tier) -> Iterator[Runner]:
    runner = Runner(tier)
    yield runner
    runner.pool.close()


@pytest.fixture(scope="session", params=TIERS)
def everywhere(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """Verdicts are the judge's in every tier."""
    yield from _runner(request.param)


@pytest.fixture(scope="session", params=WAYS)
def jailed(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """Nothing gets out of a jail of either kind."""
    yield from _runner(request.param)
