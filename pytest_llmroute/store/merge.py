"""Journals into the store: of this run when it ends, and of earlier runs that never ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_llmroute.core.anew import Anew
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.store.contents import JournalContents, read_journals
from pytest_llmroute.store.contract import Kept, RunInfo, Store
from pytest_llmroute.store.journal import FOLDER, KeptCall, journal_folder, part_of

MANY = 100_000
DONE = ".stored"
"""The end of the name of a folder whose run is in the store, and that is being removed."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """All that is kept of a run."""

    records: tuple[Record, ...] = ()
    calls: tuple[KeptCall, ...] = ()
    series: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that the journals of a run hold; read when it is gone through, so they must still be there."""

    records: Iterable[Kept]
    calls: Iterable[Kept]
    series: tuple[Series, ...] = ()

    def in_memory(self) -> InMemory:
        """The same, whatever becomes of the journals."""
        calls = (KeptCall.from_dict(call.to_dict()) for call in self.calls)
        return InMemory(tuple(values(self.records)), tuple(calls), self.series)


def values(records: Iterable[Kept]) -> Iterator[Record]:
    return (Record.from_dict(record.to_dict()) for record in records)


def gather(root: Path, run_id: str) -> Gathered:
    """The journals of a run put together.

    A case that was begun and never finished is kept as interrupted, unless it finished elsewhere (xdist hands the
    case of a crashed worker on). Of several records of one item the last one counts.
    """
    return together(read_journals(journals_of(journal_folder(root, run_id))))


def journals_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def together(contents: JournalContents) -> Gathered:
    """Of a case that was begun and never finished, its draft, as interrupted."""

    def records() -> Iterator[Kept]:
        yield from contents.records
        for record in contents.unfinished:
            yield replace(record, outcome="interrupted", success=False)

    return Gathered(Anew(records), contents.calls, contents.series)


def save_run(root: Path, run: RunInfo, found: Gathered, store: Store, *, only: Sequence[Path] | None = None) -> None:
    """Into the store; the journals go only after that, so whatever fails leaves them where they are.

    `only`: they stay, too, where there are others by now: somebody has begun to resume the run.
    """
    store.save(run, found.records, found.calls, found.series)
    folder = journal_folder(root, run.run_id)
    if only is not None and journals_of(folder) != only:
        return
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
        files = journals_of(folder)
        try:
            contents = read_journals(files)
        except FileNotFoundError:
            continue  # its own run has just put it into the store
        if not files or contents.alive:
            continue
        stored = any(run.run_id == folder.name and run.status == "finished" for run in store.runs(MANY))
        if stored and (contents.status == "finished" or max(map(part_of, files)) == 1):
            shutil.rmtree(folder, ignore_errors=True)  # what is left of one that was resumed is newer than the store
            continue
        with suppress(FileNotFoundError):  # the same
            save_run(root, info_of(folder.name, contents), together(contents), store, only=files)
            recovered.append(folder.name)
    return recovered


def gathered(paths: Iterable[Path]) -> tuple[RunInfo, InMemory]:
    """Journals that lie somewhere, as one run in memory; finished if each of them says so."""
    contents = read_journals(paths)
    info = info_of(str(contents.headers[0]["run_id"]) if contents.headers else "", contents)
    finished = contents.status == "finished"
    return replace(info, status="finished" if finished else "interrupted"), together(contents).in_memory()


def info_of(run_id: str, contents: JournalContents) -> RunInfo:
    """What the journals themselves tell of a run whose controller is gone: its last part, where it was resumed."""
    headers, records = contents.headers, Anew(lambda: values(together(contents).records))
    about = next(filter(None, map(_about, reversed(headers))), {})
    return RunInfo(
        run_id=run_id,
        started_at=max((_began(header) for header in headers), default=""),
        status="interrupted",
        version=about.get("version", ""),
        profile=about["profile"] if "profile" in about else next((record.profile for record in records), ""),
        columns=tuple(about.get("columns") or dict.fromkeys(record.column for record in records)),
        facts=about.get("facts", {}),
    )


def _about(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a run says of itself; headers of older versions say less."""
    found: Mapping[str, Any] = header.get("about", {})
    return found


def _began(header: Mapping[str, Any]) -> str:
    return str(_about(header).get("started_at") or header.get("started_at", ""))
