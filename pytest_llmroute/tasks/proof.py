"""Whether tasks are in order, without any model: the reference passes, and fails once its bodies are empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.tasks.bodies import emptied
from pytest_llmroute.tasks.checks import Check, on_code, unit_tests_of
from pytest_llmroute.tasks.structured import CheckError
from pytest_llmroute.tasks.values import SolutionLost, TaskCase

Kind = Literal["", "reference", "challenge", "empty", "lost"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one task; nothing where `kind` is empty."""

    task: TaskCase
    kind: Kind = ""
    """reference or challenge: the reference does not pass. empty: nothing is asked. lost: it could not be run."""
    message: str = ""


def prove(
    tasks: Iterable[TaskCase], *, threads: int, done: Callable[[Finding], None] = lambda _: None
) -> list[Finding]:
    """Each task with a reference, several at once; `done` is called for each as it ends, from its thread."""
    proofs = [_Proof(task, on_code(task.check), task.reference, _hollow(task)) for task in tasks if task.reference]

    def run(proof: _Proof) -> Finding:
        found = proof.finding()
        done(found)
        return found

    pool = ThreadPoolExecutor(threads)
    try:
        return list(pool.map(run, proofs))
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Proof:
    task: TaskCase
    check: Check
    reference: str
    hollow: str

    def finding(self) -> Finding:
        try:
            result = self.check.run(self.reference, self.task)
            if not result.passed:
                return self._finding("reference", f"the reference does not pass: {result.message}")
            if lacking := _challenge(result):
                return self._finding("challenge", lacking)
            if self.check.run(self.hollow, self.task).passed:
                return self._finding("empty", "passes with empty bodies: its tests ask for nothing")
        except SolutionLost as error:
            return self._finding("lost", str(error))
        except CheckError as error:
            return self._finding("reference", error.what)
        return self._finding("", "")

    def _finding(self, kind: Kind, message: str) -> Finding:
        return Finding(self.task, kind, message)


def _hollow(task: TaskCase) -> str:
    """A program that does nothing, where no test calls a function."""
    tested = any(unit.tests for unit in unit_tests_of(task.check))
    return emptied(task.reference or "") if tested else "pass"


def _challenge(result: CheckResult) -> str:
    share = result.solution.challenge if result.solution else None
    return "" if share in (None, 1.0) else f"the reference passes {share:.0%} of the challenge"
