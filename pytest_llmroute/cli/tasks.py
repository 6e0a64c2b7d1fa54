"""`llmroute tasks`: what can be said of task files without a model."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by
from pytest_llmroute.codes import Code
from pytest_llmroute.engine.setup import known_names, sandbox_of, surroundings
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.sandbox.jail import usable_cores
from pytest_llmroute.tasks.files import SUFFIXES, read_task_file
from pytest_llmroute.tasks.hub import SCHEME, hub_files
from pytest_llmroute.tasks.proof import Finding, prove
from pytest_llmroute.tasks.values import TaskCase, TaskError

EVERY = 0.2
"""Seconds between two counts on a terminal."""


@dataclass(frozen=True, slots=True)
class Checked:
    """All that was found."""

    tasks: tuple[TaskCase, ...]
    mistakes: tuple[TaskError, ...]
    findings: tuple[Finding, ...]
    seconds: float
    tier: str

    @property
    def broken(self) -> list[Finding]:
        return [found for found in self.findings if found.kind not in ("", "lost")]

    @property
    def lost(self) -> list[Finding]:
        return [found for found in self.findings if found.kind == "lost"]

    @property
    def passed(self) -> int:
        return len(self.findings) - len(self.broken) - len(self.lost)

    @property
    def unreferenced(self) -> int:
        return len(self.tasks) - len(self.findings)

    @property
    def status(self) -> int:
        """What could not be run says nothing of its task."""
        return 1 if self.broken or self.mistakes else 4 if self.lost else 0


def check(ctx: click.Context, paths: Sequence[str], as_json: bool) -> None:
    """Proves the tasks of all files, and says which are broken."""
    checked = _checked(ctx, paths)
    if as_json:
        output.data(_data(checked), "llmroute.tasks/1")
    else:
        _show(checked)
    ctx.exit(checked.status)


def _checked(ctx: click.Context, paths: Sequence[str]) -> Checked:
    found = found_by(ctx)
    extensions = Extensions(surroundings(found.settings, found.env))
    checks, known = extensions.checks(), known_names(found.project, extensions)
    tasks: list[TaskCase] = []
    mistakes: list[TaskError] = []
    for path in dict.fromkeys(path for name in paths for path in task_files(name, found.env)):
        contents = read_task_file(path, checks=checks, known=known, shown=str(path))
        tasks += contents.tasks
        mistakes += contents.errors
    began = time.monotonic()
    where = sandbox_of(found.settings) if any(task.reference for task in tasks) else ""
    count = _Count(sum(task.reference is not None for task in tasks))
    try:
        findings = prove(tasks, threads=usable_cores(), done=count.one)
    finally:
        count.end()
    return Checked(tuple(tasks), tuple(mistakes), tuple(findings), time.monotonic() - began, where)


def task_files(name: str, env: Mapping[str, str]) -> list[Path]:
    """The files behind a path, a folder or `hf:NAME`."""
    path = Path(name)
    if name.startswith(SCHEME):
        return hub_files(name, env)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES))
    if not path.is_file():
        raise UserError(f"{printable(name)}: no such file or folder", code=Code.OPTION)
    return [path]


class _Count:
    """How many are done, on one line of a terminal."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._at = total, 0, time.monotonic()
        self._lock = threading.Lock()
        self._live = sys.stderr.isatty()

    def one(self, _: Finding) -> None:
        with self._lock:
            self._done += 1
            if self._live and time.monotonic() - self._at >= EVERY:
                self._at = time.monotonic()
                sys.stderr.write(f"\r\x1b[K{self._done}/{self._total}")
                sys.stderr.flush()

    def end(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _show(checked: Checked) -> None:
    for error in checked.mistakes:
        output.wrapped(f"{output.mark('fail')} {printable(error.what, 500)}", indent=4)
    for found in (*checked.broken, *checked.lost):
        sign = output.mark("warn" if found.kind == "lost" else "fail")
        where = f"{printable(found.task.path, 300)}:{found.task.line}: {printable(found.task.id, 120)}"
        output.wrapped(f"{sign} {where}: {found.message}", indent=4)
    parts = [
        f"{len(checked.tasks)} tasks: {checked.passed} in order",
        f"{len(checked.broken)} broken",
        *([f"{len(checked.mistakes)} mistakes in files"] if checked.mistakes else []),
        *([f"{len(checked.lost)} could not be run"] if checked.lost else []),
        *([f"{checked.unreferenced} without a reference"] if checked.unreferenced else []),
    ]
    output.line(", ".join(parts) + (f" ({checked.seconds:.1f} s, {checked.tier})" if checked.tier else ""))


def _data(checked: Checked) -> dict[str, Any]:
    return {
        "tasks": len(checked.tasks),
        "in_order": checked.passed,
        "without_reference": checked.unreferenced,
        "broken": [
            *({"path": error.path, "line": error.line, "id": None, "kind": "file", "message": error.what}
              for error in checked.mistakes),
            *({"path": found.task.path, "line": found.task.line, "id": found.task.id, "kind": found.kind,
               "message": found.message} for found in checked.broken),
        ],
        "lost": [
            {"path": found.task.path, "line": found.task.line, "id": found.task.id, "message": found.message}
            for found in checked.lost
        ],
        "tier": checked.tier,
        "seconds": round(checked.seconds, 3),
    }  # fmt: skip
