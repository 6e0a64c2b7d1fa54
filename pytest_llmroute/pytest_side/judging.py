"""The gate in a session: what it needs is read before any test, and the run is judged when the loop has ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_llmroute.config.options import ADAPTIVE
from pytest_llmroute.config.resolve import Level, Settings
from pytest_llmroute.core.records import Record
from pytest_llmroute.gate.adaptive import Look
from pytest_llmroute.gate.baseline import NAME, unfit, write_baseline, written
from pytest_llmroute.gate.compare import compare, look_at
from pytest_llmroute.gate.figures import RunFigures, figures_of
from pytest_llmroute.gate.looks import Looks
from pytest_llmroute.gate.matching import part_of
from pytest_llmroute.gate.result import GateResult
from pytest_llmroute.gate.tries import Try, try_of
from pytest_llmroute.pytest_side.nogate import NoGate
from pytest_llmroute.report.knobs import gate_settings, requirements
from pytest_llmroute.report.sources import Against, against, gate_head, is_of_store
from pytest_llmroute.report.summary import RunHead

JUDGING = ("warn", "fail")


class Gate(NoGate):
    """Gathers tries; reads the baseline at once, so that a missing one stops the run before any call."""

    def __init__(self, settings: Settings, head: RunHead, folder: Path, store: Path) -> None:
        super().__init__(settings["gate"])
        self.settings = gate_settings(settings)
        self.saving = settings["save"]
        self.head = gate_head(head)
        self._columns = head.columns
        self._tries: dict[str, Try] = {}
        self.requirements = requirements(settings["require"], settings.origin("require"))
        adaptive = settings["repeat"] == ADAPTIVE and self.mode != "off"
        relative = self.mode == "off" and any(one.relative for one in self.requirements)
        wanted = self.mode in JUDGING or adaptive or relative
        self._source: str = settings["baseline"]
        self._folder = folder
        """Where the baseline's path starts from."""
        named = settings.level("baseline") <= Level.ENVIRONMENT or settings["gate_require_baseline"]
        self.against = (
            against(self._source, folder, store, named=named and not self.saving, current=head.run_id)
            if wanted
            else Against(None, "")
        )

    @property
    def judges(self) -> bool:
        """Whether this session says anything about its run: a recorded one is judged later, by `llmroute gate`."""
        return self.mode in JUDGING or (self.mode == "off" and bool(self.requirements))

    @property
    def unasked(self) -> str:
        """Why a run that has none of the gate's cases is no gutted suite."""
        return f"none of its cases was selected ({self.head.selection or ' '.join(self.head.paths)})"

    def take(self, record: Record) -> None:
        """The last record of an item counts."""
        if self.judges or self.saving or self.head.adaptive:
            self._tries[record.nodeid] = try_of(record)

    @property
    def tries(self) -> list[Try]:
        return list(self._tries.values())

    def judge(self, incomplete: str) -> GateResult | None:
        """None where there is nothing to say: the gate is off, or none of its cases was selected."""
        if not self.judges:
            return None
        now, then = self.figures(), self.against.figures
        if not self._tries and not incomplete and (then is None or part_of(now.head, then.head)):
            return None
        return compare(
            self.tries, now, then, self.settings,
            source=self.against.source, requirements=self.requirements, incomplete=incomplete,
        )  # fmt: skip

    def look(self, number: int, of: int, done: frozenset[str]) -> Look:
        """What the results so far say of a run with adaptive repeats."""
        then = self.against.figures
        assert then is not None, "without a baseline adaptive repeats are refused"
        return look_at(
            self.tries, self.figures(), then, self.settings, number, of, done=done, requirements=self.requirements
        )

    def looked(self, looks: Looks) -> None:
        """How the run is judged: by its last look."""
        self.head = replace(self.head, looks=looks)

    def figures(self) -> RunFigures:
        return figures_of(self.tries, self.head, self._columns)

    def save(self, incomplete: str) -> str:
        """Writes the baseline; says what was written, or why nothing was."""
        figures = self.figures()
        if why := incomplete or unfit(figures, self.settings):
            return f"no baseline is written: {why} (llmroute baseline save --force does it)"
        path = self._folder / (NAME if is_of_store(self._source) else self._source)
        write_baseline(path, figures)
        return written(path.name, figures)
