"""Tests with `min_pass`: their repeats are counted together, and too few passes are one failure."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_llmroute.core.outcomes import SCORED
from pytest_llmroute.core.records import Record


@dataclass(slots=True)
class Group:
    """The repeats of one case on one column, as far as they came."""

    needs: int
    repeats: int
    title: str
    passed: int = 0
    tried: int = 0
    nodeids: list[str] = field(default_factory=list)

    @property
    def too_few(self) -> bool:
        """Whether the passes still possible can't reach what is needed."""
        return self.passed + (self.repeats - self.tried) < self.needs

    @property
    def undecided(self) -> bool:
        return not self.too_few and self.passed < self.needs

    def text(self) -> str:
        left = f", {self.repeats - self.tried} not run" if self.tried < self.repeats else ""
        return f"{self.title}: {self.passed} of {self.repeats}, needs {self.needs}{left}"


class Groups:
    """All groups of a run."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def add(self, record: Record) -> None:
        if record.min_pass is None:
            return
        title = record.nodeid.replace(f"rep{record.repeat}", "…", 1)
        group = self._groups.setdefault(record.group, Group(record.min_pass, record.repeats, title))
        group.nodeids.append(record.nodeid)
        if record.outcome in SCORED:
            group.tried += 1
            group.passed += record.success

    def failed(self) -> list[Group]:
        return [group for group in self._groups.values() if group.too_few]

    def undecided(self) -> list[Group]:
        return [group for group in self._groups.values() if group.undecided]

    def rerun(self, failed: set[str]) -> set[str]:
        """All repeats of every group that has one among `failed`."""
        return {nodeid for group in self._groups.values() if failed & set(group.nodeids) for nodeid in group.nodeids}
