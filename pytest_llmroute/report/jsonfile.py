"""The run as a JSON file: head, columns, records, series, the gate (schema `llmroute.run/1`, in `config/schemas/`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.core.whole import written_whole
from pytest_llmroute.errors import UserError
from pytest_llmroute.gate.result import GateResult
from pytest_llmroute.report.gatejson import gate_json
from pytest_llmroute.report.summary import Summary

SCHEMA = "llmroute.run/1"


class ReportError(UserError):
    """A report that can't be written."""


def write_json(
    path: Path, summary: Summary, records: Iterable[Record], series: Iterable[Series] = (),
    gate: GateResult | None = None,
) -> None:  # fmt: skip
    """Whole or not at all; record by record, so that a long run needs no second copy in memory."""
    try:
        with written_whole(path) as file:
            for line in text_of(summary, records, series, gate):
                file.write(line + "\n")
    except OSError as error:
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


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=str, allow_nan=False, separators=(",", ":"))
