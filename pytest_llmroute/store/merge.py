"""Journals into the store: of this run when it ends, and of earlier runs that never ended."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from pytest_llmroute.core.records import Record
from pytest_llmroute.store.contract import RunInfo, Store
from pytest_llmroute.store.journal import FOLDER, JournalContents, KeptCall, journal_folder, read_journal


def merge_run(root: Path, run: RunInfo, store: Store) -> tuple[int, int]:
    """Saves all journals of a run, then removes them; gives the number of finished and unfinished cases.

    A case that was begun and never finished is kept as interrupted, unless it finished elsewhere (xdist hands the
    case of a crashed worker on). Of several records of one item the last one counts.
    """
    folder = journal_folder(root, run.run_id)
    finished: dict[str, Record] = {}
    unfinished: dict[str, Record] = {}
    calls: dict[str, list[KeptCall]] = {}
    for contents in _journals(folder):
        _gather(contents, finished, unfinished, calls)
    left = [record for nodeid, record in unfinished.items() if nodeid not in finished]
    store.save(run, [*finished.values(), *left], (kept for group in calls.values() for kept in group))
    # Only now: whatever fails above leaves the journals where they are.
    shutil.rmtree(folder, ignore_errors=True)
    return len(finished), len(left)


def recover(root: Path, store: Store, *, current: str) -> list[str]:
    """Earlier runs whose processes are all gone go into the store, marked interrupted."""
    recovered = []
    for folder in sorted((root / FOLDER).glob("*")):
        if folder.name == current or not folder.is_dir():
            continue
        journals = _journals(folder)
        if not journals or any(contents.status == "running" for contents in journals):
            continue
        merge_run(root, _info(folder.name, journals), store)
        recovered.append(folder.name)
    return recovered


def _journals(folder: Path) -> list[JournalContents]:
    return [read_journal(path) for path in sorted(folder.glob("*.jsonl"))]


def _gather(
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


def _info(run_id: str, journals: list[JournalContents]) -> RunInfo:
    """What the journals themselves tell of a run whose controller is gone."""
    headers = [header for contents in journals for header in contents.headers]
    records = [record for contents in journals for record in (*contents.records, *contents.unfinished)]
    return RunInfo(
        run_id=run_id,
        started_at=min((str(header.get("started_at", "")) for header in headers), default=""),
        status="interrupted",
        profile=records[0].profile if records else "",
        columns=tuple(dict.fromkeys(record.column for record in records)),
    )
