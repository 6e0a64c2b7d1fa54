"""`llmroute study`: a run of pytest over MBPP with two arms, and its report from the store."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, load_run, open_store, root_of, store_of
from pytest_llmroute.codes import Code
from pytest_llmroute.config.situation import Situation
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.report.sources import MANY, is_file
from pytest_llmroute.report.study import is_study, study_of
from pytest_llmroute.report.studyfiles import SCHEMA, export, study_data
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.resume import cut_short
from pytest_llmroute.tasks.hub import SCHEME, hub_files

MBPP = "hf:google-research-datasets/mbpp/full"
EVERYTHING = "all"
FINISHED = (0, 1)
"""Exit statuses of a run that came to its end; 1: some tests were errors."""
INTERRUPTED, INTERNAL, NOTHING = 2, 3, 5
"""Of pytest; 2 also where a file can't be collected."""
USAGE, ENVIRONMENT = 2, 4
INI_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")


@dataclass(frozen=True)
class Wanted:
    """What a study is made of."""

    small: str
    large: str
    strategy: str
    data: str
    split: str
    limit: int | None
    runs: int
    more: tuple[str, ...]

    def args(self, root: Path) -> list[str]:
        """Of pytest, in the folder `root`."""
        return [
            *_place(self.data, root),
            *([] if self.split == EVERYTHING else ["-m", f"mbpp_{self.split}"]),
            f"--llm-strategy={self.strategy}",
            f"--llm-model={self.large}",
            f"--llm-small={self.small}",
            f"--llm-large={self.large}",
            *([f"--llm-limit={self.limit}"] if self.limit is not None else []),
            *([f"--llm-repeat={self.runs}"] if self.runs > 1 else []),
            "--llm-gate=record",
            "--llm-concurrency=1",
            "-q",
            *self.more,
        ]

    def is_that_of(self, run: RunInfo) -> bool:
        """Whether a run was begun for it."""
        settings = run.facts.get("settings", {})
        same = (settings.get("small"), settings.get("large")) == (self.small, self.large)
        return same and run.columns == (*self.strategy.split(","), self.large)


def mbpp(
    ctx: click.Context, small: str, large: str, strategy: str, data: str | None, split: str, limit: int | None,
    repeats: int, resume: bool, only_print: bool, target: str | None, as_json: bool, more: tuple[str, ...],
) -> None:  # fmt: skip
    """Runs pytest, then tells what came of it."""
    root = root_of(ctx)
    source = MBPP if data is None else data if data.startswith(SCHEME) else os.path.abspath(data)
    wanted = Wanted(small, large, strategy, source, split, limit, repeats, more)
    args = wanted.args(root)
    if only_print:
        output.line(shlex.join(["pytest", *args]))
        return
    _look_for(source)
    found = found_by(ctx)
    if resume:
        args.append(f"--llm-resume={_cut_short(found, wanted)}")
    output.note(f"$ {shlex.join(['pytest', *args])}")
    status = _run(args, root, aside=as_json)
    if status not in FINISHED:
        _not_finished(ctx, found, status, wanted)
    _tell(found, _newest(found, wanted), target, as_json)
    ctx.exit(status)


def report(ctx: click.Context, run: str | None, target: str | None, as_json: bool) -> None:
    """Of a stored run, without a call."""
    found = found_by(ctx)
    _tell(found, run or _newest(found), target, as_json)


def _tell(found: Situation, run: str, target: str | None, as_json: bool) -> None:
    loaded = load_run(found, run)
    study = study_of(loaded, found.settings["study_weights"])
    if as_json:
        output.data(study_data(study), SCHEMA)
    else:
        from pytest_llmroute.cli.study_text import show

        show(study)
    if target is None:
        return
    if not is_file(run):
        store = open_store(found)
        try:
            loaded = replace(loaded, series=tuple(store.series(study.run_id)))
        finally:
            store.close()
    written = export(Path(target), study, loaded.records, loaded.series)
    output.note(f"written: {', '.join(map(str, written))}")


def _place(data: str, root: Path) -> list[str]:
    """How pytest is told of a file; one elsewhere must not move its root directory, where the store is."""
    path = Path(data)
    if data.startswith(SCHEME):
        return [data]
    if path.is_relative_to(here := os.path.abspath(root)):
        return [str(path.relative_to(here))]
    ini = next((["-c", name] for name in INI_FILES if (root / name).is_file()), [])
    return [data, "--rootdir=.", *ini]


def _look_for(source: str) -> None:
    """Raises where there is no data: nothing is downloaded unasked."""
    if source.startswith(SCHEME):
        hub_files(source, os.environ)
    elif not Path(source).is_file():
        raise UserError(
            f"--data: {printable(source)} is not there",
            code=Code.DATA_SET,
            fix="a file of MBPP's form (mbpp.jsonl), or hf:NAME",
            instead="hf download google-research-datasets/mbpp --repo-type dataset, and no --data",
        )


def _run(args: Sequence[str], root: Path, *, aside: bool) -> int:
    """Pytest in this terminal; `aside`: its output is no data, and goes where notes go."""
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", *args],
        cwd=root,
        stdout=sys.stderr.fileno() if aside else None,
        preexec_fn=_dies_with_us if sys.platform == "linux" else None,
    )
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # pytest has heard it, too, and comes to its own end


def _dies_with_us() -> None:
    """Else a run whose command was killed would go on unseen, and could not be resumed before its end."""
    from pytest_llmroute.sandbox.inside import kernel

    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _not_finished(ctx: click.Context, found: Situation, status: int, wanted: Wanted) -> NoReturn:
    """Pytest has said why; what is left to say is how to go on."""
    if status == NOTHING:
        part = "" if wanted.split == EVERYTHING else f" of the split {wanted.split} (-m mbpp_{wanted.split})"
        raise UserError(
            f"{printable(wanted.data)} holds no task{part}",
            code=Code.DATA_SET,
            fix="--split all, or another --split: prompt, test, validation, train",
        )
    if status < 0 or (status == INTERRUPTED and _open(found, wanted)):
        output.note("cut short; the same command with --resume goes on")
        ctx.exit(130)
    ctx.exit(ENVIRONMENT if status == INTERNAL else USAGE)


def _newest(found: Situation, wanted: Wanted | None = None) -> str:
    """The study that ended last."""
    runs = [run for run in _stored(found) if _is(run, wanted)]
    if not runs:
        raise UserError(
            "the store holds no study", code=Code.NO_RUN, fix="llmroute study mbpp --small MODEL --large MODEL",
            instead="llmroute study report RUN, for any run of a ladder and a single model",
        )  # fmt: skip
    return max(runs, key=lambda run: run.finished_at or "").run_id


def _is(run: RunInfo, wanted: Wanted | None) -> bool:
    return wanted.is_that_of(run) if wanted else is_study(run.columns, run.facts.get("settings", {}))


def _stored(found: Situation) -> Sequence[RunInfo]:
    if not store_of(found).is_file():
        return ()
    store = open_store(found)
    try:
        return store.runs(MANY)
    finally:
        store.close()


def _open(found: Situation, wanted: Wanted) -> list[str]:
    """Studies with these models that were cut short, the oldest first."""
    return [run.run_id for run in cut_short(found.project.root, store_of(found)) if wanted.is_that_of(run)]


def _cut_short(found: Situation, wanted: Wanted) -> str:
    if runs := _open(found, wanted):
        return runs[-1]
    raise UserError(
        f"no study of {printable(wanted.strategy)} with {printable(wanted.small)} and {printable(wanted.large)}"
        " was cut short",
        code=Code.RESUME,
        fix="leave --resume out: a new study begins",
        instead="llmroute study report, for one that is finished",
    )
