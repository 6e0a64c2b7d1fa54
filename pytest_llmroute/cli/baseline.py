"""`llmroute baseline`: the file that the gate compares with."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, load_run
from pytest_llmroute.codes import Code
from pytest_llmroute.config.situation import Situation
from pytest_llmroute.errors import UserError, nearest, printable
from pytest_llmroute.gate.baseline import NAME, BaselineError, read_baseline, renamed, unfit, write_baseline, written
from pytest_llmroute.gate.figures import CaseFigures, RunFigures
from pytest_llmroute.gate.matching import MatchedColumn, changes, how_many, match
from pytest_llmroute.report.knobs import gate_settings
from pytest_llmroute.report.sources import is_of_store

COUNTS = ("column", "cases", "passes", "tries", "rate")
SHOWN = 20
"""Cases of a kind."""


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
            means="what is not in it is not compared from then on",
            fix="run the whole suite again",
            instead="llmroute baseline save --force",
        )
    path = _path(found, target)
    write_baseline(path, figures)
    output.wrapped(f"{written(path.name, figures)}, from {stored.source}", indent=2)


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
    output.line(f"{path.name}: run {head.run_id} of {head.created[:19]}, profile {printable(head.profile)}")
    output.line(f"machine: {printable(head.machine) or 'unknown'}")
    output.line(f"models: {printable(', '.join(figures.models), 400) or 'none'}")
    output.line()
    shown = [(name, str(cases), f"{passes}/{tries}", f"{rate:.1%}") for name, cases, passes, tries, rate in rows]
    output.table(("column", "cases", "pass", "rate"), shown, right=(1, 2, 3))


def _counts(cases: list[CaseFigures]) -> tuple[int, int, int, float]:
    """Cases, passes, tries, and the mean over the cases, which is what the gate compares."""
    rate = sum(case.passes / case.tries for case in cases) / len(cases) if cases else 0.0
    return len(cases), sum(case.passes for case in cases), sum(case.tries for case in cases), rate


def diff(ctx: click.Context, run: str, target: str | None, verbose: bool) -> None:
    """What saving a run would change."""
    found = found_by(ctx)
    then = _read(_path(found, target))
    now = load_run(found, run).figures
    matched = match(now, then, dict(found.settings["gate_columns"]))
    lines = [f"column {column} would be gone" for column in matched.left]
    for one in matched.columns:
        lines += _of_column(one, now, then, None if verbose else SHOWN)
    for line in lines or ["nothing but times would change"]:
        output.wrapped(printable(line, 1000), indent=4)


def _of_column(one: MatchedColumn, now: RunFigures, then: RunFigures, most: int | None) -> Iterator[str]:
    """What is different in kind, then the cases in groups."""
    if one.against is None:
        yield f"column {one.column} would be new, with {how_many(len(one.now))}"
        return
    if one.against != one.column:
        yield f"column {one.against} would be called {one.column}"
    for text in changes(one, now, then):
        yield f"{one.column}: {text}"
    for title, cases in _groups(one):
        if cases:
            yield f"{one.column}, {title}: {how_many(len(cases))}"
        yield from (f"  {case}" for case in cases[:most])
        if most is not None and len(cases) > most:
            yield f"  … and {len(cases) - most} more (-v shows all)"


def _groups(one: MatchedColumn) -> Iterator[tuple[str, list[str]]]:
    """Cases by what would happen to them, each with its tries."""
    tried = [case for case in one.shared if one.now[case].tries]
    moved = {case: _rate(one.now[case]) - _rate(one.then[case]) for case in tried}
    yield "passing less often", [_move(one, case) for case in tried if moved[case] < 0]
    yield "passing more often", [_move(one, case) for case in tried if moved[case] > 0]
    other = [case for case in tried if not moved[case] and one.then[case].tries != one.now[case].tries]
    yield "another number of tries", [_move(one, case) for case in other]
    yield "judged by another check", [_move(one, case) for case in one.rechecked]
    yield "new", [f"{case}  {_tries(one.now[case])}" for case in one.added]
    lost = [case for case in one.then if case in one.now and not one.now[case].tries]
    yield "gone", [f"{case}  was {_tries(one.then[case])}" for case in one.missing]
    yield "gone, for want of an outcome", [f"{case}  was {_tries(one.then[case])}" for case in lost]


def _move(one: MatchedColumn, case: str) -> str:
    return f"{case}  {_tries(one.now[case])}, was {_tries(one.then[case])}"


def _rate(case: CaseFigures) -> Fraction:
    return Fraction(case.passes, case.tries)


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
            fix="llmroute baseline show lists its columns" if column else "its cases stand in the file, one a line",
        )
    after = sum(map(len, changed.columns.values()))
    if after != sum(map(len, figures.columns.values())):
        raise UserError(f'"{printable(new)}" is in {path.name} already; nothing is changed', code=Code.NAME)
    write_baseline(path, changed)
    output.line(f"{path.name}: {count} {'column' if column else 'cases' if count > 1 else 'case'} renamed")
