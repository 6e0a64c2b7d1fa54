"""Which part of a run a session writes: the first, unless it goes on with a run; what is of before is told apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from pytest_llmroute.store.merge import InMemory

OF_BEFORE = "llmroute_resumed"
"""The attribute of a report that says that it is of before; xdist carries it along."""


class Part(NamedTuple):
    """Which run this session writes, and what it goes on with."""

    run_id: str
    number: int = 1
    earlier: str = ""
    """The run that is resumed; of another name where it goes on as a run of its own."""
    found: InMemory = InMemory()
    note: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """What xdist's workers need."""
        return {"run": self.run_id, "part": self.number, "earlier": self.earlier}


def status_of(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """How the report of a test that was finished before shows: as ever, and with -v by its own word."""
    if report.when != "call" or not hasattr(report, OF_BEFORE) or hasattr(report, "wasxfail"):
        return None
    letter = {"passed": ".", "failed": "F", "skipped": "s"}[report.outcome]
    return report.outcome, letter, f"{report.outcome.upper()} (resumed)"
