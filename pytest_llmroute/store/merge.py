"""Journals into the store: of this run when it ends, and of earlier runs that never ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_llmroute.core.records import Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.store.contract import RunInfo, Store
from pytest_llmroute.store.journal import FOLDER, JournalContents, KeptCall, journal_folder, read_journal

MANY = 100_000
DONE = ".stored"
"""The end of the name of a folder whose run is in the store, and that is being removed."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that the journals of a run hold."""

    records: tuple[Record, ...]
    calls: tuple[KeptCall, ...]
    series: tuple[Series, ...] = ()


def gather(root: Path, run_id: str) -> Gathered:
    """The journals of a run put together.

    A case that was begun and never finished is kept as interrupted, unless it finished elsewhere (xdist hands the
    case of a crashed worker on). Of several records of one item the last one counts.
    """
    return _together(_journals(journal_folder(root, run_id)))


def _together(journals: Iterable[JournalContents]) -> Gathered:
    finished: dict[str, Record] = {}
    unfinished: dict[str, Record] = {}
    calls: dict[str, list[KeptCall]] = {}
    series: list[Series] = []
    for contents in journals:
        _add(contents, finished, unfinished, calls)
        series += contents.series
    left = [record for nodeid, record in unfinished.items() if nodeid not in finished]
    kept_calls = tuple(kept for group in calls.values() for kept in group)
    return Gathered((*finished.values(), *left), kept_calls, tuple(series))


def save_run(root: Path, run: RunInfo, found: Gathered, store: Store) -> None:
    """Into the store; the journals go only after that, so whatever fails leaves them where they are."""
    store.save(run, found.records, found.calls, found.series)
    folder = journal_folder(root, run.run_id)
    done = folder.with_name(folder.name + DONE)
    # Renamed first: another run that looks for dead ones must see a run's journals whole, or not at all.
    with suppress(OSError):
        folder.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def recover(root: Path, store: Store, *, current: str) -> list[str]:
    """Earlier runs whose processes are all gone go into the store, marked interrupted."""
    recovered = []
    for folder in sorted((root / FOLDER).glob("*")):
        if folder.name == current or not folder.is_dir():
            continue
        if folder.name.endswith(DONE):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            journals = _journals(folder)
        except FileNotFoundError:
            continue  # its own run has just put it into the store
        if not journals or any(contents.alive for contents in journals):
            continue
        if any(run.run_id == folder.name and run.status == "finished" for run in store.runs(MANY)):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        save_run(root, _info(folder.name, journals), _together(journals), store)
        recovered.append(folder.name)
    return recovered


def _journals(folder: Path) -> list[JournalContents]:
    return [read_journal(path) for path in sorted(folder.glob("*.jsonl"))]


def _add(
    contents: JournalContents, finished: dict[str, Record], unfinished: dict[str, Record],
    calls: dict[str, list[KeptCall]],
) -> None:  # fmt: skip
    for record in contents.records:
        finished[record.nodeid] = record
        calls.pop(record.nodeid, None)
    for record in contents.unfinished:
        unfinished[record.nodeid] = replace(record, outcome="interrupted", success=False)
    done = {record.nodeid for record in contents.records}
    for kept in contents.calls:
        if kept.nodeid in done or kept.nodeid not in finished:
            calls.setdefault(kept.nodeid, []).append(kept)


def gathered(paths: Iterable[Path]) -> tuple[RunInfo, Gathered]:
    """Journals that lie somewhere, as one run; finished if each of them says so."""
    journals = [read_journal(path) for path in paths]
    runs = [str(header["run_id"]) for contents in journals for header in contents.headers]
    info = _info(runs[0] if runs else "", journals)
    finished = all(contents.status == "finished" for contents in journals)
    return replace(info, status="finished" if finished else "interrupted"), _together(journals)


def _info(run_id: str, journals: list[JournalContents]) -> RunInfo:
    """What the journals themselves tell of a run whose controller is gone."""
    headers = [header for contents in journals for header in contents.headers]
    records = [record for contents in journals for record in (*contents.records, *contents.unfinished)]
    about = next(filter(None, map(_about, headers)), {})
    return RunInfo(
        run_id=run_id,
        started_at=min((_began(header) for header in headers), default=""),
        status="interrupted",
        version=about.get("version", ""),
        profile=about.get("profile", records[0].profile if records else ""),
        columns=tuple(about.get("columns") or dict.fromkeys(record.column for record in records)),
        facts=about.get("facts", {}),
    )


def _about(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a run says of itself; headers of older versions say less."""
    found: Mapping[str, Any] = header.get("about", {})
    return found


def _began(header: Mapping[str, Any]) -> str:
    return str(_about(header).get("started_at") or header.get("started_at", ""))
