"""What GitHub Actions reads: annotations on standard output, and the file of the job summary."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import printable
from pytest_llmroute.gate.result import ALL, CaseChange, GateResult
from pytest_llmroute.report import verdicts
from pytest_llmroute.report.jsonfile import ReportError
from pytest_llmroute.report.markdown import NOTE, SUMMARY_LIMIT, fit

MOST = 9
"""GitHub shows ten of a kind for each step, and drops the rest without a word."""
STEP_LIMIT = 1024 * 1024
"""Bytes that one step may write in all; above that GitHub drops everything."""
FULL = "\nThe gate's summary found no room here: `llmroute gate` prints it.\n"
Where = Callable[[CaseChange], tuple[str, int] | None]


def on_github(env: Mapping[str, str]) -> bool:
    return env.get("GITHUB_ACTIONS") == "true"


def annotations(result: GateResult, where: Where) -> list[str]:
    """Commands for the log: errors of a failed gate, warnings of one that can't tell; `where` finds a case's line."""
    if not result.failed:
        doubtful = [one for one in result.columns if one.verdict == "inconclusive"]
        return _few("warning", [_command("warning", verdicts.sentence(one, result.settings)) for one in doubtful])
    errors = [_case(change, where(change)) for change in _failing(result)]
    errors += [_command("error", verdicts.criterion(one, result.settings)) for one in result.failures]
    if result.why:
        errors.append(_command("error", printable(result.why, verdicts.LONG)))
    return _few("error", errors)


def places(root: Path, env: Mapping[str, str]) -> Where:
    """A case's file from the top of the checkout, and its line."""
    top = Path(env.get("GITHUB_WORKSPACE") or root)

    def where(change: CaseChange) -> tuple[str, int] | None:
        path = root / change.suite
        if not change.suite or not path.is_relative_to(top):
            return None
        return path.relative_to(top).as_posix(), max(change.line, 1)

    return where


def write_summary(env: Mapping[str, str], text: str) -> None:
    """Below what the step has written already; nothing where there is no such file."""
    name = env.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    path = Path(name)
    try:
        room = STEP_LIMIT - (path.stat().st_size if path.exists() else 0)
        page = fit(f"\n{text}", min(room, SUMMARY_LIMIT)) if room > 2 * NOTE else FULL
        if len(page.encode()) <= room:
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(page)
    except OSError as error:
        raise ReportError(
            f"the job summary can't be written: {error.strerror}",
            code=Code.REPORT,
            means="the verdict stands all the same",
        ) from error


def _failing(result: GateResult) -> Iterable[CaseChange]:
    """Of the columns that fail; of all where it is all together that do."""
    together = any(one.column == ALL and result.settings.fails(one.verdict) for one in result.columns)
    for one in result.columns:
        if together or result.settings.fails(one.verdict):
            yield from one.failing


def _case(change: CaseChange, place: tuple[str, int] | None) -> str:
    lines = [", ".join(verdicts.circumstances(change)), printable(change.message, verdicts.LONG)]
    title = f"{printable(change.case)} passes less often ({printable(change.column)})"
    return _command("error", "\n".join(filter(None, lines)), title, place)


def _command(
    kind: Literal["error", "warning"], message: str, title: str = "LLM gate", place: tuple[str, int] | None = None
) -> str:
    properties = {"file": printable(place[0], verdicts.LONG), "line": str(place[1])} if place else {}
    named = ",".join(f"{key}={_property(value)}" for key, value in {**properties, "title": title}.items())
    return f"::{kind} {named}::{_data(message)}"


def _few(kind: str, commands: list[str]) -> list[str]:
    more = len(commands) - MOST
    return commands[:MOST] + ([f"::{kind} ::and {more} more, see the job summary"] if more > 0 else [])


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
