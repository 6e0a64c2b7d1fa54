"""From pytest's report of a phase to the outcome of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from operator import is_
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_llmroute.backends.pool import BackendMissing
from pytest_llmroute.codes import Code
from pytest_llmroute.core.records import Record
from pytest_llmroute.engine.case import CaseRun
from pytest_llmroute.engine.dispatch import Dropped
from pytest_llmroute.errors import LLMRouteError, ModelCallError, UserError, printable
from pytest_llmroute.store.journal import JournalError
from pytest_llmroute.tasks.values import SolutionLost

SHOWN = "llmroute_shown"
"""The attribute of a report that says how it shows; xdist carries it along."""
NOT_RUN = "not run"
LOST = (LLMRouteError, BackendMissing, SolutionLost, JournalError, Dropped)
"""No statement about a model, also among others."""


class Verdict(NamedTuple):
    """How a phase ended for the record."""

    outcome: str
    message: str = ""
    error_class: str | None = None


def verdict(report: pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException] | None, run: CaseRun) -> Verdict:
    """A miss needs a reply and an assertion; whatever else goes wrong is no statement about a model."""
    if report.skipped:
        return Verdict("skipped", _first_line(report))
    if report.passed:
        return Verdict("passed")
    raised = excinfo.value if excinfo else None
    message = _message(report, raised)
    errors = _each(raised)
    error = next((one for one in errors if isinstance(one, LOST)), raised)
    if isinstance(error, ModelCallError):
        return Verdict("error", message, error.cause.value)
    if isinstance(error, BackendMissing):
        return Verdict("error", message, "backend")
    if isinstance(error, SolutionLost):
        return Verdict("error", message, "sandbox")
    if isinstance(error, UserError) and error.code is Code.HOOK:
        return Verdict("error", message, "hook")
    if isinstance(error, JournalError | Dropped):
        return Verdict("error", message, "stopped")
    if run.canned:
        return Verdict("error", message, "canned")
    if report.when != "call":
        return Verdict("error", message, type(error).__name__)
    wrong = errors and all(isinstance(one, AssertionError | pytest.fail.Exception) for one in errors)
    if wrong and run.replied and run.case.gated:
        return Verdict("missed", message)
    return Verdict("failed", message, type(error).__name__)


def _each(error: BaseException | None) -> list[BaseException]:
    """The error, or those that are raised together: hypothesis does so, where examples fail in several ways."""
    if isinstance(error, BaseExceptionGroup):
        return [one for inner in error.exceptions for one in _each(inner)]
    return [] if error is None else [error]


def as_canned_error(report: pytest.TestReport, run: CaseRun) -> None:
    """A canned text never counts as success: the passed report becomes an error that says so."""
    causes = next(call.failures for call in run.calls if call.link == "canned")
    tried = "\n".join(f"  {model}: {printable(text)} [{cause}]" for model, cause, text in causes)
    report.outcome = "failed"
    report.longrepr = f"passed on a canned text: no model answered\n{tried}"


def shorten(error: LLMRouteError, root: Path) -> bool:
    """Of an error of ours people want to see their own line, and not what lies below it.

    False where there is none of theirs: it was raised before their code ran.
    """
    if isinstance(error, UserError) and error.code is Code.HOOK:
        error.__cause__, error.__suppress_context__ = None, True
    theirs, frame = None, error.__traceback__
    while frame is not None:
        if str(frame.tb_frame.f_globals.get("__name__")).partition(".")[0] == "pytest_llmroute":
            break
        if Path(frame.tb_frame.f_code.co_filename).is_relative_to(root):
            theirs = frame
        frame = frame.tb_next
    if theirs is not None:
        theirs.tb_next = None
    return theirs is not None


def as_not_run(report: pytest.TestReport, item: pytest.Item, why: str) -> None:
    """Neither passed nor failed: to all other plugins it is a skipped one."""
    path, line, _ = item.location
    report.__dict__.pop("wasxfail", None)
    report.outcome = "skipped"
    report.longrepr = (path, (line or 0) + 1, why)
    report.__dict__[SHOWN] = NOT_RUN


def make_inert(report: pytest.TestReport, redact: Callable[[str], str]) -> None:
    """Texts that hold secrets or terminal control characters (a reply can) are replaced by a safe form."""
    if hasattr(report, "wasxfail"):
        report.wasxfail = escaped(redact(report.wasxfail))
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, escaped(redact(reason)))
        return
    if report.longrepr is None:
        return
    text = str(report.longrepr)
    safe = redact(text)
    if safe == text and all(char.isprintable() or char in "\n\t" for char in text):
        return
    report.longrepr = escaped(safe)


def flat(record: Record) -> list[tuple[str, object]]:
    """Plain properties for readers of JUnit files; a subclass of text would not pass through xdist."""
    values: Mapping[str, object] = {
        "llm.column": record.column,
        "llm.model": str.__str__(record.model),
        "llm.outcome": record.outcome,
        "llm.tokens_in": record.prompt_tokens,
        "llm.tokens_out": record.completion_tokens,
        "llm.seconds": round(record.seconds, 6),
        "llm.scripted": record.scripted,
        "llm.replayed": record.replayed,
    }
    return [_pair(name, value) for name, value in values.items()]


@lru_cache(maxsize=1024)
def _pair(name: str, value: object) -> tuple[str, object]:
    """Pytest keeps the properties of all tests until it ends: what many have alike is one object."""
    return name, value


def foreign(properties: list[tuple[str, object]]) -> list[tuple[str, object]]:
    """Properties that are not ours: of a rerun, only the last try's stay."""
    return [(key, value) for key, value in properties if not key.startswith("llm.")]


def without_secrets(record: Record, redact: Callable[[str], str]) -> Record:
    """Texts of a record come from replies and servers: what looks like a secret goes before anything is kept."""
    calls = tuple(
        replace(call, failures=tuple((model, cause, redact(text)) for model, cause, text in call.failures))
        if call.failures
        else call
        for call in record.calls
    )
    solution = record.solution
    if solution is not None:
        solution = replace(solution, code=redact(solution.code), output=redact(solution.output))
    message = redact(record.message)
    if message == record.message and solution is None and all(map(is_, calls, record.calls)):
        return record
    return replace(record, message=message, calls=calls, solution=solution)


def escaped(text: str) -> str:
    lines = text.replace("\t", "    ").split("\n")
    return "\n".join(printable(line, 10_000) for line in lines)


def _message(report: pytest.TestReport, error: BaseException | None) -> str:
    crash = getattr(getattr(report, "longrepr", None), "reprcrash", None)
    text = getattr(crash, "message", None) or (str(error) if error else report.longreprtext)
    return printable(" ".join(str(text).split()), 500)


def _first_line(report: pytest.TestReport) -> str:
    longrepr: Any = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr or getattr(report, "wasxfail", ""))
    return printable(" ".join(text.split()), 200)
