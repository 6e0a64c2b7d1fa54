"""What a process used over time: one row a step, as it is stored and exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIELDS = ("at", "rss", "cpu_percent", "server_rss", "gpu_bytes", "gpu_percent")
"""Seconds since the begin; bytes of a process and its children; their CPU; bytes of the model servers; GPU."""

Row = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one process: the highest bytes and the mean percentages of each step."""

    worker: str
    started_at: str
    step: float
    """Seconds from row to row."""
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "worker": self.worker,
            "started_at": self.started_at,
            "step": self.step,
            "fields": list(FIELDS),
            "rows": [list(row) for row in self.rows],
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Series:
        """Fields are found by name: a newer version may have more."""
        places = [data["fields"].index(name) if name in data["fields"] else None for name in FIELDS]
        rows = tuple(tuple(None if at is None else row[at] for at in places) for row in data["rows"])
        return Series(data["worker"], data["started_at"], data["step"], rows)
