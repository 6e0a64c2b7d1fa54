"""Where runs come from: the store, files of `--llm-json`, journals; and what a run is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.series import Series
from pytest_llmroute.engine.case import digest
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.gate.baseline import BaselineError, read_baseline
from pytest_llmroute.gate.figures import RunFigures, figures_of
from pytest_llmroute.gate.figures import RunHead as GateHead
from pytest_llmroute.gate.looks import Looks, looks_of
from pytest_llmroute.gate.tries import Try, try_of
from pytest_llmroute.measure.machine import machine_class
from pytest_llmroute.report.jsonfile import SCHEMA
from pytest_llmroute.report.summary import RunHead, Summary, summarize
from pytest_llmroute.store.contract import RunInfo, Store
from pytest_llmroute.store.journal import KeptCall
from pytest_llmroute.store.merge import gathered
from pytest_llmroute.store.sqlite import SqliteStore

LAST = "last"
MANY = 100_000


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run with all its records."""

    info: RunInfo
    records: tuple[Record, ...]
    source: str
    """Where it is from, in words."""
    options: Mapping[str, Any] = field(default_factory=dict)
    calls: tuple[KeptCall, ...] = ()
    series: tuple[Series, ...] = ()

    @property
    def tries(self) -> list[Try]:
        return [try_of(record) for record in self.records]

    @property
    def figures(self) -> RunFigures:
        return figures_of(self.tries, gate_head(run_head(self.info)), self.info.columns)

    @property
    def summary(self) -> Summary:
        return summarize(self.records, run_head(self.info, self.options))

    @property
    def incomplete(self) -> str:
        """Why it is no whole run; empty if it is one."""
        known = str(self.info.facts.get("incomplete", ""))
        if known or self.info.status != "finished":
            return known or f"{self.source} was interrupted"
        return "" if looks_of(self.info.facts) else f"{self.source} had adaptive repeats, and its looks are not known"


def run_head(info: RunInfo, options: Mapping[str, Any] | None = None) -> RunHead:
    return RunHead(
        info.run_id, info.version, info.profile, info.columns, info.started_at, info.facts, options or {}, info.status
    )


def gate_head(run: RunHead) -> GateHead:
    """What the gate asks of a run's head."""
    facts = run.facts
    return GateHead(
        run_id=run.run_id,
        version=run.version,
        created=run.started_at,
        profile=run.profile,
        machine=" + ".join(facts["machines"]) if "machines" in facts else machine_class(facts),
        paths=tuple(facts.get("paths", (".",))),
        selection=str(facts.get("selection", "")),
        settings=facts.get("settings", {}),
        looks=looks_of(facts) or Looks(),
    )


def find_run(store: Store, wanted: str) -> RunInfo:
    """By id, by the beginning of one, or the newest."""
    runs = store.runs(MANY)
    if not runs:
        raise UserError("the store holds no run", code=Code.NO_RUN, fix="pytest --llm-strategy=balanced")
    if wanted == LAST:
        return runs[0]
    fitting = [run for run in runs if run.run_id.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        some = ", ".join(run.run_id for run in fitting[:3])
        raise UserError(f'"{printable(wanted, 60)}" begins {len(fitting)} runs: {some}, …', code=Code.NO_RUN,
                        fix="give more of the id")  # fmt: skip
    near = nearest(wanted, [run.run_id for run in runs])
    raise UserError(
        f'no run "{printable(wanted, 60)}"' + (f" (did you mean {near}?)" if near else ""),
        code=Code.NO_RUN,
        fix="llmroute runs lists them; `last` is the newest",
        instead="a file that --llm-json wrote",
    )


def stored(store: Store, wanted: str) -> StoredRun:
    """A run of the store with its records."""
    info = find_run(store, wanted)
    return StoredRun(info, tuple(store.records(info.run_id)), f"run {info.run_id}")


def is_file(wanted: str) -> bool:
    """Whether a run is named by its file."""
    return "/" in wanted or Path(wanted).suffix in (".json", ".jsonl", ".db") or Path(wanted).exists()


def run_of_file(path: Path) -> StoredRun:
    """A file of `--llm-json`, a journal or a folder of journals, or the newest run of a store."""
    if path.is_dir():
        return _of_journals(sorted(path.glob("*.jsonl")), path.name)
    if not path.is_file():
        raise UserError(f"{path}: no such file", code=Code.NO_RUN, fix="pytest --llm-json=FILE writes one")
    if path.suffix == ".jsonl" and not _is_run(path):
        return _of_journals([path], path.name)
    if path.suffix == ".db":
        store = SqliteStore(path)
        try:
            return replace(stored(store, LAST), source=path.name)
        finally:
            store.close()
    return _of_json(path)


def _of_json(path: Path) -> StoredRun:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"it has not the schema {SCHEMA}")
        run = data["run"]
        info = RunInfo(
            run_id=run["run_id"],
            started_at=run["started_at"],
            status=run.get("status", "finished"),
            version=run["version"],
            profile=run["profile"],
            columns=tuple(run["columns"]),
            facts=dict(run["facts"]),
        )
        records = tuple(Record.from_dict(record) for record in data["records"])
        series = tuple(Series.from_dict(one) for one in data.get("series", ()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_run(path.name, _sentence(error)) from error
    return StoredRun(info, records, path.name, run.get("options", {}), series=series)


def _no_run(name: str, why: str) -> UserError:
    return UserError(f"{name} is no run of ours: {why}", code=Code.NO_RUN, fix="pytest --llm-json=FILE writes one")


def _sentence(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else printable(str(error))


def _of_journals(paths: Sequence[Path], name: str) -> StoredRun:
    try:
        info, found = gathered(paths)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_run(name, _sentence(error)) from error
    if not info.run_id:
        raise _no_run(name, "no journal (*.jsonl) is in it" if not paths else "it is no journal")
    return StoredRun(info, found.records, name, calls=found.calls, series=found.series)


def merged(runs: Sequence[StoredRun]) -> tuple[StoredRun, int]:
    """Shards of one run as the whole that they are; and how many cases were in several of them."""
    profiles = sorted({run.info.profile for run in runs})
    if len(profiles) > 1:
        raise UserError(
            f"runs of several profiles can't be one run: {', '.join(profiles)}",
            code=Code.OPTION,
            fix="merge shards of one run only; llmroute compare A B sets runs side by side",
        )
    runs = sorted(runs, key=lambda run: (run.info.started_at, run.info.run_id))
    records: dict[str, Record] = {}
    home: dict[str, StoredRun] = {}
    twice = 0
    each = [(record, run) for run in runs for record in run.records]
    for record, run in sorted(each, key=lambda one: (one[0].started_at, one[0].nodeid)):
        before = records.get(record.nodeid)
        if before is not None and before.outcome != "interrupted":
            twice += record.outcome != "interrupted"
            if record.outcome == "interrupted":
                continue
        records[record.nodeid], home[record.nodeid] = record, run
    info = _merged_info(runs)
    return (
        StoredRun(
            info,
            tuple(records.values()),
            "the merged run",
            runs[0].options,
            tuple(call for run in runs for call in run.calls if home.get(call.nodeid) is run),
            tuple(_named_apart(one, run, info) for run in runs for one in run.series),
        ),
        twice,
    )


def _named_apart(series: Series, run: StoredRun, whole: RunInfo) -> Series:
    """Workers of several runs have the same names."""
    same = run.info.run_id == whole.run_id
    return series if same else replace(series, worker=f"{run.info.run_id}/{series.worker}")


def _merged_info(runs: Sequence[StoredRun]) -> RunInfo:
    """What several shards make is the whole run: no part of it any more, whatever chose them."""
    infos = [run.info for run in runs]
    ids = sorted({info.run_id for info in infos})
    machines = sorted({machine_class(info.facts) for info in infos})
    paths = list(dict.fromkeys(tuple(info.facts.get("paths", (".",))) for info in infos))
    facts = {
        **(infos[0].facts if len(runs) == 1 else _without_looks(infos[0].facts)),
        "paths": list(paths[0]) if len(paths) == 1 else ["."],
        "selection": infos[0].facts.get("selection", "") if len(runs) == 1 else "",
        "incomplete": "; ".join(filter(None, [*(run.incomplete for run in runs), _each_its_own_looks(runs)])),
        "shards": ids,
    }
    if len(machines) > 1:
        facts["machines"] = machines
    return replace(
        infos[0],
        run_id=ids[0] if len(ids) == 1 else f"merged-{digest(ids)[:12]}",
        status="finished" if all(info.status == "finished" for info in infos) else "interrupted",
        finished_at=max((info.finished_at for info in infos if info.finished_at), default=None),
        columns=tuple(dict.fromkeys(column for info in infos for column in info.columns)),
        facts=facts,
    )


def _without_looks(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if name != "looks"}


def _each_its_own_looks(runs: Sequence[StoredRun]) -> str:
    """Alpha is divided among the looks of one run; those of several runs are more than that."""
    adaptive = any(gate_head(run_head(run.info)).adaptive for run in runs)
    return "runs with adaptive repeats, which each stopped by looks of its own" if adaptive and len(runs) > 1 else ""


@dataclass(frozen=True, slots=True)
class Against:
    """What a run is compared with."""

    figures: RunFigures | None
    source: str
    """In words; where there is nothing, what was looked for."""


def against(
    wanted: str, folder: Path, store: Path, *, named: bool, current: str = ""
) -> Against:  # fmt: skip
    """FILE, run:ID, run:last or branch:NAME; `named` says that somebody asked for it, so that it must be there."""
    if is_of_store(wanted):
        kind, _, name = wanted.partition(":")
        return _of_store(kind, name, store, current)
    path = folder / wanted
    if path.is_file():
        if path.suffix == ".db" or _is_run(path):
            found = run_of_file(path)
            return Against(found.figures, found.source)
        return Against(read_baseline(path), path.name)
    if named:
        raise BaselineError(
            f"the baseline {wanted} is not there",
            means="the gate has nothing to compare with",
            fix="pytest … --llm-save writes it, or llmroute baseline save from the last run",
            instead="--llm-gate=record",
        )
    return Against(None, wanted)


def is_of_store(wanted: str) -> bool:
    """run:ID or branch:NAME, not a file."""
    return wanted.startswith(("run:", "branch:"))


def _is_run(path: Path) -> bool:
    """A file of `--llm-json` may stand for a baseline; its schema is its first key."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return f'"{SCHEMA}"' in file.read(100)


def _of_store(kind: str, name: str, path: Path, current: str) -> Against:
    if not path.is_file():
        raise BaselineError(
            f"there is no store yet, so no {kind} {printable(name, 60)} in it",
            fix="pytest --llm-strategy=balanced",
            instead="--llm-baseline=FILE",
        )
    store = SqliteStore(path)
    try:
        if kind == "branch":
            name = _newest_of(store, name, current)
        elif name == LAST:
            name = _newest(store, current)
        found = stored(store, name)
    finally:
        store.close()
    return Against(found.figures, found.source)


def _newest(store: Store, current: str) -> str:
    for run in store.runs(MANY):
        if run.run_id != current:
            return run.run_id
    raise BaselineError("the store holds no other run to compare with", fix="run:ID, or --against FILE")


def _newest_of(store: Store, branch: str, current: str) -> str:
    """The newest whole run of a branch."""
    runs = [run for run in store.runs(MANY) if run.run_id != current and run.status == "finished"]
    whole = [run for run in runs if not run.facts.get("selection") and not run.facts.get("incomplete")]
    fitting = [run.run_id for run in whole if run.facts.get("branch") == branch]
    if not fitting:
        known = sorted({str(run.facts["branch"]) for run in whole if run.facts.get("branch")})
        raise BaselineError(
            f'the store holds no whole run of the branch "{printable(branch, 60)}"',
            means=f"branches with runs: {', '.join(known) or 'none'}",
            fix="run the suite there, with the same store",
            instead="--llm-baseline=FILE",
        )
    return fitting[0]
