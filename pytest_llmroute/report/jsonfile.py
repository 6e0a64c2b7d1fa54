"""The run as a JSON file: head, columns, records, series, the gate (schema `llmroute.run/1`, in `config/schemas/`)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.errors import UserError
from pytest_llmroute.gate.result import ColumnVerdict, GateResult
from pytest_llmroute.report.summary import Summary

SCHEMA = "llmroute.run/1"
GATE_SCHEMA = "llmroute.gate/1"
_TOLD_ELSEWHERE = ("changed", "only_baseline", "only_candidate", "lost")
"""Of the statistics: the column tells the same with models and messages."""


class ReportError(UserError):
    """A report that can't be written."""


def write_json(
    path: Path, summary: Summary, records: Iterable[Record], series: Iterable[Series] = (),
    gate: GateResult | None = None,
) -> None:  # fmt: skip
    """Whole or not at all; record by record, so that a long run needs no second copy in memory."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="ascii") as file:
            for line in text_of(summary, records, series, gate):
                file.write(line + "\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ReportError(
            f"--llm-json: {path.name} can't be written: {error.strerror}",
            code=Code.REPORT,
            means="the run itself is complete and stored",
            fix="mkdir -p its folder, or name another place",
        ) from error


def text_of(
    summary: Summary, records: Iterable[Record], series: Iterable[Series] = (), gate: GateResult | None = None
) -> Iterator[str]:
    """The lines of the file."""
    head = {"schema": SCHEMA, "run": asdict(summary.run), "columns": [asdict(c) for c in summary.columns]}
    yield _text(head)[:-1] + ',"records":['
    before = None
    for record in records:
        if before is not None:
            yield before + ","
        before = _text(record.to_dict())
    if before is not None:
        yield before
    yield '],"series":' + _text([one.to_dict() for one in series]) + ","
    yield '"gate":' + _text(gate_json(gate) if gate else None) + "}"


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
        column["stats"] = {name: value for name, value in stats.items() if name not in _TOLD_ELSEWHERE}
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


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=str, allow_nan=False, separators=(",", ":"))
