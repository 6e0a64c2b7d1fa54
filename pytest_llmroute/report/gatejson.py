"""The gate's word as plain data (schema `llmroute.gate/1`, in `config/schemas/`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_llmroute.gate.result import ColumnVerdict, GateResult

TOLD_ELSEWHERE = ("changed", "only_baseline", "only_candidate", "lost")
"""Of the statistics: the column tells the same, with models and messages."""


def gate_json(result: GateResult) -> dict[str, Any]:
    """The gate's word as plain data, whole (schema `llmroute.gate/1`)."""
    return {
        "verdict": result.verdict,
        "failed": result.failed,
        "source": result.source,
        "why": result.why,
        "notes": list(result.notes),
        "settings": {**asdict(result.settings), "columns": dict(result.settings.columns)},
        "now": _plain(asdict(result.now)),
        "then": _plain(asdict(result.then)) if result.then else None,
        "columns": [_column(one) for one in result.columns],
        "requirements": [
            {"requirement": one.requirement.text, "column": one.column, "verdict": one.verdict, "now": _plain(one.now),
             "then": _plain(one.then), "limit": _plain(one.limit), "text": one.text}
            for one in result.requirements
        ],
    }  # fmt: skip


def _column(one: ColumnVerdict) -> dict[str, Any]:
    column: dict[str, Any] = _plain(asdict(one))
    if stats := column["stats"]:
        column["stats"] = {name: value for name, value in stats.items() if name not in TOLD_ELSEWHERE}
    return {**column, "lost": [{"case": case, "cause": cause} for case, cause in one.lost]}


def _plain(value: Any) -> Any:
    """What JSON has: a number that is none becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
