"""Samples over time in bounded memory: when the rows are full, each two become one."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llmroute.core.series import FIELDS, Row

LIMIT = 2000
MEANS = frozenset({"cpu_percent", "gpu_percent"})
"""Fields that are averaged when rows are joined; of bytes the highest is kept, of times the first."""


class Rows:
    """Takes a sample each interval, and keeps at most `limit` rows of as many samples as it takes."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit + limit % 2
        self._rows: list[Row] = []
        self._open: list[Row] = []
        self.samples = 1
        """How many samples make a row."""

    def add(self, row: Row) -> None:
        self._open.append(row)
        if len(self._open) < self.samples:
            return
        self._rows.append(joined(self._open))
        self._open = []
        if len(self._rows) >= self._limit:
            self._rows = [joined(self._rows[at : at + 2]) for at in range(0, len(self._rows), 2)]
            self.samples *= 2

    def rows(self) -> tuple[Row, ...]:
        return (*self._rows, joined(self._open)) if self._open else tuple(self._rows)


def joined(rows: Sequence[Row]) -> Row:
    """Several rows as one."""
    if len(rows) == 1:
        return rows[0]
    return tuple(_joined(name, [row[place] for row in rows]) for place, name in enumerate(FIELDS))


def _joined(name: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if name == "at":
        return known[0]
    return round(sum(known) / len(known), 1) if name in MEANS else max(known)
