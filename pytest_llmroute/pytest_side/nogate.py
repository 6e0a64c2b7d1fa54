"""What a session asks of its gate, where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmroute.core.records import Record

if TYPE_CHECKING:
    from pytest_llmroute.gate.looks import Looks
    from pytest_llmroute.gate.result import GateResult


class NoGate:
    """Judges nothing and saves nothing; what does either is a `Gate`."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.saving = False
        """Whether a baseline is written."""

    @property
    def judges(self) -> bool:
        """Whether this session says anything about its run: a recorded one is judged later, by `llmroute gate`."""
        return False

    @property
    def unasked(self) -> str:
        """Why a run that has none of the gate's cases is no gutted suite."""
        return ""

    @property
    def red(self) -> bool:
        """Whether a bad verdict fails the run."""
        return self.mode != "warn"

    def take(self, record: Record) -> None:
        """The last record of an item counts."""

    def judge(self, incomplete: str) -> GateResult | None:
        """None where there is nothing to say."""
        return None

    def save(self, incomplete: str) -> str:
        """Writes the baseline; says what was written, or why nothing was."""
        return ""

    def looked(self, looks: Looks) -> None:
        """How a run with adaptive repeats is judged: by its last look."""
