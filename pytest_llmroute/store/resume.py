"""A run that was cut short is found again, in its journals or in the store, and made ready to go on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_llmroute.codes import Code
from pytest_llmroute.core.records import Record
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.store.contents import JournalContents, alive, orphaned, read_journals
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.journal import FOLDER, Journal, journal_folder, journal_path, part_of, run_header
from pytest_llmroute.store.merge import DONE, MANY, InMemory, info_of, journals_of, together
from pytest_llmroute.store.sqlite import SqliteStore

LAST = "last"
PATIENCE = 20.0
"""Seconds for workers whose controller was killed: they end by themselves."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run that can go on, and what is kept of it."""

    info: RunInfo
    found: InMemory
    in_journals: bool
    """Whether its journals are still there: the store has taken up those of runs that were cut short before others."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A run as it is seen before it is read."""

    info: RunInfo
    contents: JournalContents | None = None
    """None: it is in the store only."""


def earlier(root: Path, store: Path, wanted: str) -> Earlier:
    """The run of this name, by its id, the beginning of one, or `last`; an error where it can't go on."""
    known = _known(root, store)
    run = _found(known, wanted)
    if run.contents is not None and any(map(alive, run.contents.headers)):
        run = _waited(root, run)
    found = _gathered(run, store)
    if run.info.status == "finished" and not run.info.facts.get("incomplete") and not _left(found.records):
        raise UserError(
            f"run {run.info.run_id} is finished: nothing of it is left to run",
            code=Code.RESUME,
            means=f"cut short and still to be resumed: {_open(known) or 'none'}",
            fix="leave --llm-resume out: a new run begins",
            instead="pytest --lf (the tests that failed, in a new run)",
        )
    return Earlier(run.info, found, in_journals=run.contents is not None)


def cut_short(root: Path, store: Path) -> list[RunInfo]:
    """Runs that did not come to their end, the oldest first."""
    return [run.info for run in _known(root, store).values() if run.info.status != "finished"]


def kept(root: Path, run_id: str, *, before: int) -> InMemory:
    """What the parts of a run before this one hold; those of this one are still being written."""
    paths = [path for path in journals_of(journal_folder(root, run_id)) if part_of(path) < before]
    return together(read_journals(paths)).in_memory()


def prepare(root: Path, run: Earlier, run_id: str) -> int:
    """The number of the part that comes next; what lies in the store only, or goes on as another run, is written."""
    if not run.in_journals or run_id != run.info.run_id:
        _write_down(root, replace(run.info, run_id=run_id), run.found)
    return 1 + max(map(part_of, journals_of(journal_folder(root, run_id))), default=0)


def _write_down(root: Path, info: RunInfo, found: InMemory) -> None:
    """A journal of what was kept, whole or not at all."""
    path = journal_path(root, info.run_id, "main")
    about = {"started_at": info.started_at, "version": info.version, "profile": info.profile,
             "columns": info.columns, "facts": info.facts}  # fmt: skip
    temporary = path.with_suffix(".part")
    temporary.unlink(missing_ok=True)
    journal = Journal(temporary, run_header(info.run_id, "main", about))
    journal.open()
    for series in found.series:
        journal.series(series)
    for call in found.calls:
        journal.call(call)
    for record in found.records:
        own = replace(record, run_id=info.run_id)
        (journal.start if record.outcome == "interrupted" else journal.record)(own)
    journal.end("interrupted")
    journal.close()
    temporary.replace(path)


def _known(root: Path, store: Path) -> dict[str, _Known]:
    """All runs, oldest first; journals know more than the store of a run that went on after it was stored."""
    known = {info.run_id: _Known(info) for info in _stored(store)}
    for folder in (root / FOLDER).glob("*"):
        files = [] if folder.name.endswith(DONE) else journals_of(folder)
        with suppress(FileNotFoundError):  # it is just being put into the store
            contents = read_journals(files)
            if not contents.headers:
                continue
            before = known.get(folder.name)
            if before is None or before.info.status != "finished" or max(map(part_of, files)) > 1:
                known[folder.name] = _Known(info_of(folder.name, contents), contents)
    return dict(sorted(known.items(), key=lambda item: (item[1].info.started_at, item[0])))


def _stored(store: Path) -> list[RunInfo]:
    if not store.is_file():
        return []
    opened = SqliteStore(store)
    try:
        return list(opened.runs(MANY))
    finally:
        opened.close()


def _gathered(run: _Known, store: Path) -> InMemory:
    if run.contents is not None:
        return together(run.contents).in_memory()
    opened = SqliteStore(store)
    try:
        run_id = run.info.run_id
        return InMemory(tuple(opened.records(run_id)), tuple(opened.all_calls(run_id)), tuple(opened.series(run_id)))
    finally:
        opened.close()


def _found(known: Mapping[str, _Known], wanted: str) -> _Known:
    if not known:
        raise UserError("there is no run to resume", code=Code.NO_RUN, fix="leave --llm-resume out: a new run begins")
    if wanted == LAST:
        return list(known.values())[-1]
    fitting = [run for run_id, run in known.items() if run_id.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    near = nearest(wanted, list(known)) if not fitting else None
    several = f"begins {len(fitting)} runs: {', '.join(run.info.run_id for run in fitting[:3])}" if fitting else ""
    raise UserError(
        f'--llm-resume: "{printable(wanted, 60)}" {several}' if several
        else f'--llm-resume: no run "{printable(wanted, 60)}"' + (f" (did you mean {near}?)" if near else ""),
        code=Code.NO_RUN,
        fix="llmroute runs lists those that are stored; `last` is the newest",
    )  # fmt: skip


def _waited(root: Path, run: _Known) -> _Known:
    """The same when none of its processes lives any more; workers whose controller was killed end soon."""
    run_id = run.info.run_id
    until = time.monotonic() + PATIENCE
    while True:
        contents = read_journals(journals_of(journal_folder(root, run_id)))
        living = [header for header in contents.headers if alive(header)]
        if not living:
            return replace(run, contents=contents)
        if not all(map(orphaned, living)) or time.monotonic() > until:
            break
        time.sleep(0.1)
    raise UserError(
        f"run {run_id} still runs: process {', '.join(sorted({str(header['pid']) for header in living}))}",
        code=Code.RESUME,
        means="two processes can't go on with one run",
        fix="wait until it has ended, or end it",
        instead="leave --llm-resume out: a new run begins",
    )


def _left(records: Iterable[Record]) -> bool:
    return any(record.outcome == "interrupted" for record in records)


def _open(known: Mapping[str, _Known]) -> str:
    """Runs that could be resumed instead, the newest first."""
    cut = [run_id for run_id, run in known.items() if run.info.status != "finished"]
    return ", ".join(reversed(cut[-3:]))
