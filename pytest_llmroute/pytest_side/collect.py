"""Task files as pytest collectors, and tasks as items."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.engine.case import Case
from pytest_llmroute.errors import ModelCallError, UserError, printable
from pytest_llmroute.pytest_side.columns import Cell
from pytest_llmroute.pytest_side.items import CASE
from pytest_llmroute.tasks.values import SolutionLost, TaskCase, TaskFile

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession


class CheckMissed(AssertionError):
    """A reply that a task's check did not accept."""

    def __init__(self, result: CheckResult, reply: str) -> None:
        self.result, self.reply = result, reply
        super().__init__(result.message)


class Answered(NamedTuple):
    """The text of a task's last reply; judged already, where that was done beside the calls."""

    text: str
    judged: CheckResult | Exception | None = None

    @property
    def result(self) -> CheckResult | None:
        if isinstance(self.judged, Exception):
            raise self.judged
        return self.judged


class TaskCollector(pytest.File):
    """One task file; the tasks that are broken are one collection error, the others are items."""

    ours: LLMSession

    @staticmethod
    def of(ours: LLMSession, path: Path, parent: pytest.Collector) -> TaskCollector:
        root = ours.config.rootpath
        given: dict[str, Any] = {} if path.is_relative_to(root) else {"nodeid": _outside(path, root)}
        collector = TaskCollector.from_parent(parent, path=path, **given)
        collector.ours = ours
        return collector

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        from pytest_llmroute.tasks.files import read_task_file

        try:
            checks, known = self.ours.extensions.checks(), self.ours.known
        except UserError as error:  # of somebody's hook
            raise self.CollectError(error.text()) from None
        contents = read_task_file(self.path, checks=checks, known=known, shown=self.nodeid)
        self._register_tags(contents.tasks)
        for column in self.ours.columns:
            for task in contents.tasks:
                for cell in self.ours.cells(task.phase, task.repeat, task.min_pass):
                    yield TaskItem.of(self, task, column, cell)
        if contents.errors:
            yield BrokenTasks.of(self, contents)

    def _register_tags(self, tasks: Iterable[TaskCase]) -> None:
        """Tags are marks to `-m`; registered, so that --strict-markers accepts them."""
        for tag in {tag for task in tasks for tag in task.tags} - self.ours.tags:
            self.ours.tags.add(tag)
            self.config.addinivalue_line("markers", f"{tag}: a tag of task files")


class BrokenTasks(pytest.Collector):
    """Stands for the broken tasks of a file: collecting it is the error that lists them all."""

    contents: TaskFile

    @staticmethod
    def of(parent: TaskCollector, contents: TaskFile) -> BrokenTasks:
        node = BrokenTasks.from_parent(parent, name="broken tasks")
        node.contents = contents
        return node

    def collect(self) -> Iterable[pytest.Item]:
        raise self.CollectError("\n".join(error.text() for error in self.contents.errors))


class TaskItem(pytest.Item):
    """One task on one column, phase and repeat."""

    task: TaskCase
    ours: LLMSession
    excluded: bool

    @staticmethod
    def of(parent: TaskCollector, task: TaskCase, column: Column, cell: Cell) -> TaskItem:
        label = f"{column.label}-{cell.label}" if cell.label else column.label
        name = f"{task.id}[{label}]"
        # Given as a text, so that pytest 9.2 and later see the bracket as parameters, as they do when --lf reads it.
        item = TaskItem.from_parent(parent, name=name, nodeid=f"{parent.nodeid}::{name}")
        item.task, item.ours, item.excluded = task, parent.ours, cell.excluded
        for tag in task.tags:
            item.add_marker(tag)
        item.stash[CASE] = Case(
            nodeid=item.nodeid,
            case_id=f"{parent.nodeid}::{task.id}",
            column=column,
            line=task.line,
            repeat=cell.repeat,
            repeats=cell.repeats,
            round=cell.round,
            min_pass=task.min_pass,
            must_pass=task.must_pass,
            tags=task.tags,
            weight=task.weight,
            check_hash=task.check_hash,
            task=task.task,
            phase=task.phase or cell.phase,
            agent=task.agent,
            user=task.user,
            timeout=task.timeout,
            sampling=task.sampling,
            template=task.template,
            parts=task.parts,
            script=task.scripted,
        )
        return item

    def runtest(self) -> None:
        from pytest_llmroute.tasks.checks import run_check

        answered = self.ours.running.answered(self)
        try:
            result = answered.result or run_check(self.task, answered.text)
        except SolutionLost as error:
            self.ours.running.scored(self, error.result)
            raise
        self.ours.running.scored(self, result)
        if not result.passed:
            raise CheckMissed(result, answered.text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, CheckMissed):
            reply = printable(error.reply, 400)
            return f"{self.task.path}:{self.task.line}: {error.result.message}\n  reply: {reply}"
        if isinstance(error, ModelCallError | UserError | SolutionLost):
            return f"{self.task.path}:{self.task.line}: {_escaped(str(error))}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.task.line - 1, self.name


def _outside(path: Path, root: Path) -> str:
    """The id of a file outside the root directory: pytest's own would be empty, the same for all of them."""
    from pytest_llmroute.tasks.hub import shown

    try:
        return shown(path) or Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _escaped(text: str) -> str:
    return "\n".join(printable(line, 2000) for line in text.splitlines())
