"""`llmroute baseline`: the file that the gate compares with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, load_run
from pytest_llmroute.codes import Code
from pytest_llmroute.config.situation import Situation
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.gate.baseline import NAME, BaselineError, read_baseline, renamed, unfit, write_baseline, written
from pytest_llmroute.gate.figures import CaseFigures, RunFigures
from pytest_llmroute.gate.matching import changes, match
from pytest_llmroute.report.knobs import gate_settings
from pytest_llmroute.report.sources import is_of_store

COUNTS = ("column", "cases", "passes", "tries", "rate")


def _path(found: Situation, target: str | None) -> Path:
    """Named here, configured, or at its usual place."""
    if target is not None:
        return Path(target)
    configured: str = found.settings["baseline"]
    return found.project.root / (NAME if is_of_store(configured) else configured)


def _read(path: Path) -> RunFigures:
    if not path.is_file():
        raise BaselineError(f"there is no baseline yet: {path.name}", fix="llmroute baseline save")
    return read_baseline(path)


def save(ctx: click.Context, run: str, target: str | None, force: bool) -> None:
    """From a stored run or a file."""
    found = found_by(ctx)
    stored = load_run(found, run)
    figures = stored.figures
    why = stored.incomplete or unfit(figures, gate_settings(found.settings))
    if why and not force:
        raise BaselineError(
            f"no baseline is written: {why}",
            means="cases that are not in it would count as new from then on",
            fix="run the whole suite again",
            instead="llmroute baseline save --force",
        )
    path = _path(found, target)
    write_baseline(path, figures)
    output.line(f"{written(path.name, figures)}, from {stored.source}")


def show(ctx: click.Context, target: str | None, as_json: bool) -> None:
    """Its head and a line for each column."""
    path = _path(found_by(ctx), target)
    figures = _read(path)
    rows = [(column, *_counts(list(cases.values()))) for column, cases in figures.columns.items()]
    head = figures.head
    if as_json:
        output.data(
            {
                "file": path.name, "run": head.run_id, "created": head.created, "profile": head.profile,
                "machine": head.machine, "version": head.version, "selection": head.selection,
                "paths": list(head.paths), "models": dict(figures.models),
                "columns": [dict(zip(COUNTS, row, strict=True)) for row in rows],
            },
            "llmroute.baseline-summary/1",
        )  # fmt: skip
        return
    output.line(f"{path.name}: run {head.run_id} of {head.created}, profile {printable(head.profile)}")
    output.line(f"machine: {printable(head.machine) or 'unknown'}")
    output.line(f"models: {printable(', '.join(figures.models), 400) or 'none'}")
    output.line()
    shown = [(name, str(cases), f"{passes}/{tries}", f"{rate:.1%}") for name, cases, passes, tries, rate in rows]
    output.table(("column", "cases", "pass", "rate"), shown, right=(1, 2, 3))


def _counts(cases: list[CaseFigures]) -> tuple[int, int, int, float]:
    """Cases, passes, tries, and the mean over the cases, which is what the gate compares."""
    rate = sum(case.passes / case.tries for case in cases) / len(cases) if cases else 0.0
    return len(cases), sum(case.passes for case in cases), sum(case.tries for case in cases), rate


def diff(ctx: click.Context, run: str, target: str | None) -> None:
    """What saving a run would change."""
    found = found_by(ctx)
    then = _read(_path(found, target))
    now = load_run(found, run).figures
    matched = match(now, then, dict(found.settings["gate_columns"]))
    lines = [f"column {column} would be gone" for column in matched.left]
    for one in matched.columns:
        if one.against is None:
            lines.append(f"column {one.column} would be new: {len(one.now)} cases")
            continue
        lines += [f"{one.column}: {text}" for text in changes(one, now, then)]
        lines += [f"{one.column}: - {case}" for case in one.missing]
        lines += [f"{one.column}: + {case}  {_tries(one.now[case])}" for case in one.added if one.now[case].tries]
        lines += [f"{one.column}: another check: {case}" for case in one.rechecked]
        lines += list(_moved(one.column, one.shared, one.then, one.now))
    for line in lines:
        output.wrapped(printable(line, 1000), indent=4)
    if not lines:
        output.note("nothing but times would change")


def _moved(
    column: str, shared: tuple[str, ...], then: Mapping[str, CaseFigures], now: Mapping[str, CaseFigures]
) -> Iterator[str]:
    for case in shared:
        if (then[case].passes, then[case].tries) != (now[case].passes, now[case].tries):
            yield f"{column}: {case}  {_tries(now[case])}, was {_tries(then[case])}"


def _tries(case: CaseFigures) -> str:
    return f"{case.passes}/{case.tries}"


def rename(ctx: click.Context, old: str, new: str, column: bool, target: str | None) -> None:
    """A case, a file with all its cases, or a column goes by another name from now on."""
    path = _path(found_by(ctx), target)
    figures = _read(path)
    changed, count = renamed(figures, old, new, column=column)
    names = set(figures.columns) if column else {case for cases in figures.columns.values() for case in cases}
    if not count:
        near = nearest(old, names) or next((name for name in sorted(names) if old in name), None)
        raise UserError(
            f'{path.name} has no {"column" if column else "case"} "{printable(old)}"'
            + (f' (did you mean "{printable(near)}"?)' if near else ""),
            code=Code.NAME,
            fix="llmroute baseline show lists its columns",
        )
    after = sum(map(len, changed.columns.values()))
    if after != sum(map(len, figures.columns.values())):
        raise UserError(f'"{printable(new)}" is in {path.name} already; nothing is changed', code=Code.NAME)
    write_baseline(path, changed)
    output.line(f"{path.name}: {count} {'column' if column else 'cases' if count > 1 else 'case'} renamed")
