"""A task as a frozen value, and the mistakes of a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmroute.codes import Code
from pytest_llmroute.config.sentences import Path
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import ErrorList, LLMRouteError, UserError, nearest

if TYPE_CHECKING:
    from pytest_llmroute.core.outcomes import CheckResult
    from pytest_llmroute.tasks.checks import Check


@dataclass(frozen=True, slots=True)
class TaskCase:
    """One task of a file."""

    id: str
    messages: tuple[Message, ...]
    check: Check
    check_hash: str
    task: str | None = None
    phase: str | None = None
    agent: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    must_pass: bool = False
    timeout: float | None = None
    repeat: int | None = None
    min_pass: int | None = None
    sampling: Sampling = Sampling()
    template: str | None = None
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What templates can make the prompt of, each one text or several; nothing that a model may not see."""
    scripted: Any = None
    reference: str | None = None
    """Code that passes the check; no model ever sees it."""
    path: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class Known:
    """The names that tasks may use."""

    tasks: Collection[str] = ()
    phases: Collection[str] = ()
    agents: Mapping[str, str] = field(default_factory=dict)
    """Accepted spellings of agents."""
    templates: Collection[str] = ()

    def mistake(self, kind: str, name: str) -> str | None:
        names = {"task": self.tasks, "phase": self.phases, "agent": self.agents, "template": self.templates}[kind]
        if not names or name in names:
            return None
        near = nearest(name, names)
        hint = f' (did you mean "{near}"?)' if near else ""
        return f'no {kind} "{name}"{hint}; known: {", ".join(sorted(names))}'


class TaskError(UserError):
    """One mistake, at its place."""

    def __init__(self, path: str, line: int, at: Path, what: str) -> None:
        self.path, self.line, self.at = path, line, at
        place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in at).lstrip(".")
        super().__init__(f"{path}:{line}: {place + ': ' if place else ''}{what}", code=Code.TASK_FILE)


class TaskFileErrors(ErrorList):
    """All mistakes of a file."""


class TaskFile(NamedTuple):
    """What a file holds: the tasks that can run, and the mistakes of the others."""

    tasks: tuple[TaskCase, ...]
    errors: tuple[TaskError, ...]


class SolutionLost(LLMRouteError):
    """A solution that could not be run: infrastructure, never the model's failure."""

    def __init__(self, text: str, result: CheckResult) -> None:
        self.result = result
        super().__init__(f"the solution could not be run: {text}")


class Refused(Exception):
    """A value that is not of the form; the schema says why."""


class Mistake(Exception):
    """A value of the right form that still can't be: says what and where."""

    def __init__(self, at: Path, what: str) -> None:
        self.at, self.what = at, what
        super().__init__(what)


class Mistakes(Exception):
    """All that is wrong within one value."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(mistake.what for mistake in mistakes))

    def below(self, at: Path) -> Mistakes:
        """The same, seen from further out."""
        return Mistakes([Mistake((*at, *mistake.at), mistake.what) for mistake in self.mistakes])
