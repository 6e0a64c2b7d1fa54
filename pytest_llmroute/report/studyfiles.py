"""The files of a study: its cases, what was used over time, points for plots, and all figures as JSON."""

from __future__ import annotations

import csv
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.attempts import LARGE
from pytest_llmroute.core.outcomes import SCORED
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.series import FIELDS, Series
from pytest_llmroute.core.whole import written_whole
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.report.attempts import attempts_of
from pytest_llmroute.report.study import Study, spent_by

SCHEMA = "llmroute.study/1"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes a text that begins so for a formula; the last four are the same in full width."""
LONG = 2000
CASES = (
    "case", "column", "repeat", "outcome", "solved", "first_attempt", "attempts", "large_asked", "models", "seconds",
    "wall_seconds", "cpu_seconds", "ram_gb_seconds", "prompt_tokens", "completion_tokens", "usd", "rss_peak", "held",
    "challenge", "efficiency", "readability", "error_class", "message", "started_at",
)  # fmt: skip
SERIES = ("process", "time", "column", *FIELDS)
PLOTS = ("figure", "column", "x", "y")
Row = Sequence[Any]


def study_data(study: Study) -> dict[str, Any]:
    """As `--json` prints it."""
    return asdict(study)


def export(folder: Path, study: Study, records: Sequence[Record], series: Sequence[Series]) -> list[Path]:
    """Writes the files; each is there whole or not at all."""
    tables: Mapping[str, tuple[Row, Iterable[Row]]] = {
        "cases.csv": (CASES, map(_case, records)),
        "series.csv": (SERIES, _over_time(records, series)),
        "plots.csv": (PLOTS, _points(study, records)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (titles, rows) in tables.items():
            with written_whole(folder / name, "utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(titles)
                writer.writerows([_cell(value) for value in row] for row in rows)
        with written_whole(folder / "summary.json") as file:
            json.dump({"schema": SCHEMA, **study_data(study)}, file, indent=1, ensure_ascii=True, default=str)
            file.write("\n")
    except OSError as error:
        raise UserError(
            f"--export: {printable(str(folder))} can't be written: {error.strerror}",
            code=Code.REPORT,
            means="the run itself is complete and stored",
            fix="llmroute study report --export FOLDER, with another folder",
        ) from error
    return [folder / name for name in (*tables, "summary.json")]


def _cell(value: Any) -> Any:
    """Numbers as they are; a text in one line, and never a formula: model and task text is hostile."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        return value
    text = printable(value.encode("utf-8", "replace").decode("utf-8"), LONG)
    return f"'{text}" if value.lstrip(" ").startswith(FORMULA) else text


def _case(record: Record) -> Row:
    spent, (tried, by_large), solution = spent_by(record), attempts_of(record), record.solution
    large = any(call.role == LARGE for call in record.calls)
    return (
        record.case_id, record.column, record.repeat, record.outcome, record.success, record.first_attempt,
        tried + by_large or len(record.calls), large, " ".join(record.models), spent.seconds, spent.wall_seconds,
        spent.cpu, spent.ram, record.prompt_tokens, record.completion_tokens, spent.usd, record.rss_peak,
        f"{sum(solution.held)}/{len(solution.held)}" if solution else "",
        *((solution.challenge, solution.efficiency, solution.readability) if solution else (None, None, None)),
        record.error_class, record.message, record.started_at,
    )  # fmt: skip


def _over_time(records: Sequence[Record], series: Sequence[Series]) -> Iterator[Row]:
    """Each row with its time, and the column of the test that was begun last before it in that process."""
    begun: dict[str, list[tuple[datetime, str]]] = {}
    for record in records:
        if (time := _time(record.started_at)) is not None:
            begun.setdefault(record.worker, []).append((time, record.column))
    for own in begun.values():
        own.sort()
    for one in series:
        start, tests = _time(one.started_at), begun.get(one.worker, [])
        times = [time for time, _ in tests]
        for row in one.rows:
            now = start + timedelta(seconds=row[0]) if start is not None and row[0] is not None else None
            place = bisect_right(times, now) if now is not None else 0
            shown = now.isoformat(timespec="milliseconds") if now is not None else ""
            yield (one.worker, shown, tests[place - 1][1] if place else "", *row)


def _points(study: Study, records: Sequence[Record]) -> Iterator[Row]:
    """solved_by_attempt: the share of tasks solved by so many attempts. solved_over_seconds: tasks solved so far by
    seconds of calls, in the order in which tests ran. seconds_of_a_task: each task's seconds, the shortest first.
    """
    for arm in study.arms:
        so_far = 0
        for number, count in arm.solved_at.items():
            so_far += count
            yield "solved_by_attempt", arm.column, number, so_far / arm.runs
        if arm.by_large:
            yield "solved_by_attempt", arm.column, LARGE, arm.solved / arm.runs
        own = [record for record in records if record.column == arm.column and record.outcome in SCORED]
        seconds, solved = 0.0, 0
        for record in sorted(own, key=lambda record: (record.started_at, record.nodeid)):
            seconds += spent_by(record).seconds
            solved += record.success
            yield "solved_over_seconds", arm.column, seconds, solved
        for place, each in enumerate(sorted(spent_by(record).seconds for record in own), 1):
            yield "seconds_of_a_task", arm.column, place, each


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
