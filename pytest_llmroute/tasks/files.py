r"""A task file from its path: the tasks that can run, and every mistake of the others.

```yaml
defaults: {task: fix}
tasks:
  - id: semicolon
    prompt: "Fix this C line and answer with the line only:\nint x = 1"
    check: {exact: "int x = 1;"}
    scripted: "int x = 1;"     # the answer of the profile `scripted`; real models never see it
```
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from pytest_llmroute.config.sentences import Path
from pytest_llmroute.errors import printable
from pytest_llmroute.tasks import mbpp
from pytest_llmroute.tasks.checks import CheckType, builtin_checks
from pytest_llmroute.tasks.convert import to_task
from pytest_llmroute.tasks.source import Broken, Document, Raw, first_entry, read_json
from pytest_llmroute.tasks.values import Known, Mistake, Refused, TaskCase, TaskError, TaskFile, TaskFileErrors

HEAD = 65536
SUFFIXES = (".llm.yaml", ".llm.yml", ".llm.json", ".llm.jsonl")
"""Of files that are always task files."""


def load_tasks(
    path: pathlib.Path, *, checks: Mapping[str, CheckType] | None = None, known: Known | None = None
) -> list[TaskCase]:
    """All tasks of a file; raises TaskFileErrors with every mistake in it."""
    contents = read_task_file(path, checks=checks, known=known)
    if contents.errors:
        raise TaskFileErrors(contents.errors)
    return list(contents.tasks)


def read_task_file(
    path: pathlib.Path, *, checks: Mapping[str, CheckType] | None = None, known: Known | None = None,
    shown: str | None = None,
) -> TaskFile:  # fmt: skip
    """The good tasks and the mistakes of the others; `shown` is the path for messages."""
    name = shown or path.name
    try:
        document = _document(path)
    except Broken as broken:
        return TaskFile((), (TaskError(name, broken.line, (), broken.what),))
    return _Reader(name, checks or builtin_checks(), known or Known()).read(document)


def task_of(value: Any, shown: str, *, checks: Mapping[str, CheckType], known: Known) -> TaskCase:
    """One task from an entry as a file has it, or from a row of MBPP; raises TaskFileErrors with every mistake."""
    entry = {"id": "task", **value} if isinstance(value, Mapping) and not mbpp.is_row(value) else value
    contents = _Reader(shown, checks, known).read(Document(None, (Raw(entry, 1, lambda at: 1),)))
    if contents.errors:
        raise TaskFileErrors(contents.errors)
    return contents.tasks[0]


def _document(path: pathlib.Path) -> Document:
    """Parses by suffix; raises Broken when nothing of it can be believed."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from pytest_llmroute.tasks.parquet import read_parquet

        return read_parquet(path)
    if suffix in (".json", ".jsonl"):
        return read_json(_text(path), lines=suffix == ".jsonl")
    from pytest_llmroute.tasks.yaml_source import read_yaml

    return read_yaml(_text(path))


def recognises(path: pathlib.Path) -> bool:
    """Whether a file without our suffix looks like a task file; reads its beginning only."""
    if path.suffix == ".parquet":
        from pytest_llmroute.tasks.parquet import mentions

        return mentions(path, mbpp.KEYS)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return False
    if path.suffix in (".json", ".jsonl"):
        first = first_entry(head, path.suffix)
        known = mbpp.is_row(first) or (isinstance(first, dict) and {"id", "check"} <= first.keys())
        return known or (path.suffix == ".json" and '"tasks"' in head and '"check"' in head)
    return any(line.startswith("tasks:") for line in head.splitlines())


class _Reader:
    """Reads the entries of one document."""

    def __init__(self, name: str, types: Mapping[str, CheckType], known: Known) -> None:
        self._name, self._types, self._known = name, types, known
        self._tasks: dict[str, TaskCase] = {}
        self._errors: list[TaskError] = []

    def read(self, document: Document) -> TaskFile:
        self._errors += [TaskError(self._name, broken.line, (), broken.what) for broken in document.broken]
        defaults = self._defaults(document.defaults)
        if defaults is None:
            return TaskFile((), tuple(self._errors))
        if not document.entries and not self._errors:
            self._errors.append(TaskError(self._name, 1, (), "the file holds no task"))
        of_mbpp = bool(document.entries) and mbpp.is_row(document.entries[0].value)
        for raw in document.entries:
            (self._row if of_mbpp else self._entry)(raw, defaults)
        self._errors.sort(key=lambda error: error.line)
        return TaskFile(tuple(self._tasks.values()), tuple(self._errors))

    def _defaults(self, raw: Raw | None) -> dict[str, Any] | None:
        """None when they are wrong: every task would be wrong with them."""
        if raw is None:
            return {}
        from pytest_llmroute.tasks.explain import explain

        found = explain(raw.value, self._types, defaults=True)
        self._errors += [TaskError(self._name, raw.line_of(at), ("defaults", *at), what) for at, what in found]
        return None if found else dict(raw.value)

    def _row(self, raw: Raw, defaults: Mapping[str, Any]) -> None:
        """A row of MBPP is a task in other words."""
        wrong = mbpp.wrong_row(raw.value)
        self._errors += [TaskError(self._name, raw.line_of(m.at), m.at, m.what) for m in wrong]
        if not wrong:
            self._entry(Raw(mbpp.as_task(raw.value), raw.line, raw.line_of), defaults, mbpp.place)

    def _entry(
        self, raw: Raw, defaults: Mapping[str, Any], place: Callable[[Path], Path | None] = lambda at: at
    ) -> None:
        value = {**defaults, **raw.value} if isinstance(raw.value, dict) else raw.value
        try:
            task, mistakes = to_task(value, self._types, self._known, self._name, raw.line)
        except Refused:
            from pytest_llmroute.tasks.explain import explain

            found = explain(value, self._types) or [((), "not of the form of a task")]
            mistakes = [Mistake(at, what) for at, what in found]
            task = None
        for mistake in mistakes:
            if (at := place(mistake.at)) is not None:
                self._errors.append(TaskError(self._name, raw.line_of(at), at, self._of(raw, mistake.what)))
        if task is None:
            return
        if (other := self._tasks.get(task.id)) is not None:
            what = f'the id "{task.id}" stands in line {other.line} already'
            at = place(("id",)) or ()
            self._errors.append(TaskError(self._name, raw.line_of(at), at, what))
            return
        self._tasks[task.id] = task

    @staticmethod
    def _of(raw: Raw, what: str) -> str:
        """The mistake with the task's id, where it has one."""
        name = raw.value.get("id") if isinstance(raw.value, dict) else None
        return f'{what} (task "{printable(name, 60)}")' if isinstance(name, str) else what


def _text(path: pathlib.Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Broken(1, f"can't be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Broken(line, f"not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8") from None
