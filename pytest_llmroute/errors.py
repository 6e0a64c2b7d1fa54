"""Every error this package raises on purpose.

LLMRouteError
├── UserError            a mistake of the user's: shown as one clean block, never as a traceback
│   ├── UnknownName      a name that is not known, with the nearest one that is
│   └── ErrorList        several mistakes found together
├── ModelCallError       a model could not answer: infrastructure, never the model's failure
│   └── AllModelsFailed  every link of the chain failed
├── OutOfBudget          a call that was not made, since the run's budget does not hold it
└── Cancelled            a call that was given up, since nobody waits for its answer any more
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TypeVar

from pytest_llmroute.codes import Code

MANY = 16
T = TypeVar("T")


class LLMRouteError(Exception):
    """The base of everything raised on purpose."""


class LLMRouteWarning(UserWarning):
    """Something in the run that will not do what it looks like."""


class UserError(LLMRouteError):
    """What happened, what it means, the command that fixes it, and how to go on without."""

    def __init__(self, what: str, *, code: Code | None, means: str = "", fix: str = "", instead: str = "") -> None:
        self.what, self.code, self.means, self.fix, self.instead = what, code, means, fix, instead
        super().__init__(self.text())

    def text(self) -> str:
        lines = [f"{self.what} [{self.code.number}]" if self.code else self.what]
        if self.means:
            lines.append(f"  {self.means}")
        if self.fix:
            lines.append(f"  to fix it:        {self.fix}")
        if self.instead:
            lines.append(f"  go on without:    {self.instead}")
        return "\n".join(_inert(line) for line in "\n".join(lines).split("\n"))


class UnknownName(UserError):
    """A name that nothing answers to; the nearest known one is offered."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, where: str = "", code: Code = Code.NAME, fix: str = "",
        instead: str = "",
    ) -> None:  # fmt: skip
        self.kind, self.name = kind, name
        self.known = tuple(sorted(set(known)))
        near = nearest(name, self.known)
        prefix = f"{where}: " if where else ""
        hint = f' (did you mean "{near}"?)' if near else ""
        super().__init__(
            f'{prefix}no {kind} "{printable(name)}"{hint}',
            code=code,
            means=_known(kind, name, self.known),
            fix=fix,
            instead=instead,
        )


def _known(kind: str, name: str, known: Sequence[str]) -> str:
    """All names, or the closest ones where there are many."""
    if len(known) <= MANY:
        return f"known: {', '.join(known)}" if known else f"no {kind} is known"
    close = difflib.get_close_matches(name, known, n=6, cutoff=0.4)
    all_of_them = f"{len(known)} are known: llmroute models list" if "model" in kind else f"{len(known)} are known"
    return f"close: {', '.join(close)}; {all_of_them}" if close else all_of_them


class ErrorList(UserError):
    """Several mistakes, all shown at once."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(error.text() for error in self.errors), code=None)


class Cause(Enum):
    """Why a model did not answer; the class decides whether a retry makes sense."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    SERVER = "server"
    CAPABILITY = "capability"
    CONTEXT = "context"
    SCHEMA = "schema"
    OUT_OF_MEMORY = "out-of-memory"
    RATE = "rate"
    BUDGET = "budget"
    AUTH = "auth"
    MISSING_MODEL = "missing-model"
    MISSING_SCRIPT = "missing-script"
    BACKEND = "backend"
    RECORDING = "recording"


class ModelCallError(LLMRouteError):
    """A call that brought no reply: counted as lost, never as the model's failure."""

    def __init__(self, cause: Cause, text: str, *, model: str = "", retry_after: float | None = None) -> None:
        self.cause, self.text, self.model = cause, text, model
        self.retry_after = retry_after
        """Seconds that the server asked to wait before another try."""
        super().__init__(f"{model}: {text} [{cause.value}]" if model else f"{text} [{cause.value}]")


class AllModelsFailed(ModelCallError):
    """Every link of the chain failed; `failures` tells each one's cause."""

    def __init__(self, failures: Sequence[ModelCallError]) -> None:
        self.failures = tuple(failures)
        tried = "; ".join(f"{f.model}: {f.text} [{f.cause.value}]" for f in self.failures)
        self.cause, self.text, self.model = self.failures[-1].cause, f"no model answered: {tried}", ""
        self.retry_after = None
        Exception.__init__(self, self.text)


class OutOfBudget(LLMRouteError):
    """The budget of the run holds no further call: nobody was asked, and the run stops."""


class Cancelled(LLMRouteError):
    """A call that was given up: an answer that came earlier was accepted. No failure of anybody's."""


def guarded(who: str, ask: Callable[[], T]) -> T:
    """What an extension's function gives; what it raises is told with its name."""
    try:
        return ask()
    except LLMRouteError:
        raise
    except Exception as error:
        raise broken(who, error) from error


def broken(who: str, error: Exception) -> UserError:
    """What an extension raised: who, what, and where in its own code; the traceback behind it only for who asks."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    made = UserError(
        f"{who} raised {type(error).__name__}: {printable(str(error), 300)}{place}",
        code=Code.HOOK,
        fix="correct that line; --llm-debug shows the whole traceback",
    )
    made.__cause__ = error
    return made


def one(errors: Sequence[UserError]) -> UserError:
    """The only error, or the list of them."""
    return errors[0] if len(errors) == 1 else ErrorList(errors)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is near."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def printable(text: str, limit: int = 200) -> str:
    """Text safe for a terminal: control and bidirectional characters escaped, cut at `limit`."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else _escape(char) for char in cut)


def _inert(line: str) -> str:
    """A message may quote what a file holds: nothing of it may reach the terminal as a command."""
    return line if line.isprintable() else printable(line, len(line))


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
