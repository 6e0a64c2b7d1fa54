"""`llmroute compare`: runs, or the columns of one run, against each other, case by case."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, load_run
from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UnknownName, UserError, printable
from pytest_llmroute.gate.compare import compare as judged
from pytest_llmroute.gate.figures import RunFigures
from pytest_llmroute.gate.matching import match
from pytest_llmroute.gate.ratios import Figure, Ratio, ratio
from pytest_llmroute.gate.requirement import Requirement
from pytest_llmroute.gate.result import ALL, ColumnVerdict, GateResult, GateSettings
from pytest_llmroute.gate.tries import Try
from pytest_llmroute.report.gate import gate_lines
from pytest_llmroute.report.gatejson import gate_json
from pytest_llmroute.report.knobs import gate_settings, requirements
from pytest_llmroute.report.sources import StoredRun

WORDS = {"fail": "worse", "pass": "no worse", "inconclusive": "undecided", "incomparable": "incomparable", "new": "new"}
FIGURES: tuple[Figure, ...] = ("tokens", "seconds", "usd")


@dataclass(frozen=True, slots=True)
class _Pair:
    """One comparison: what came of it, and the figures of both sides."""

    result: GateResult
    now: RunFigures
    then: RunFigures

    def ratio(self, column: str, figure: Figure) -> Ratio | None:
        settings = self.result.settings
        for one in match(self.now, self.then, dict(settings.columns)).columns:
            if one.column == column:
                return ratio(one.then, one.now, one.shared, figure, settings.alpha)
        return None


def compare(
    ctx: click.Context, runs: tuple[str, ...], base: str | None, require: tuple[str, ...], verbose: bool, as_json: bool
) -> None:
    """With the first run, or the column `base`; exit status 1 where a requirement fails."""
    found = found_by(ctx)
    settings = gate_settings(found.settings)
    wanted = requirements(require, "--require")
    loaded = [load_run(found, run) for run in runs]
    if len(loaded) == 1:
        pairs = _columns(loaded[0], base, replace(settings, columns=()), wanted)
    elif base is not None:
        raise UserError("--base names a column of one run; of several runs the first is the base", code=Code.OPTION)
    else:
        pairs = [
            _pair(loaded[0].figures, loaded[0].source, run.tries, run.figures, settings, wanted) for run in loaded[1:]
        ]
    for run in loaded:
        if run.incomplete:
            output.note(f"note: {run.incomplete}")
    if as_json:
        output.data({"comparisons": [_data(pair) for pair in pairs]}, "llmroute.comparisons/1")
    else:
        _print(pairs, verbose)
    ctx.exit(int(any(one.verdict == "failed" for pair in pairs for one in pair.result.requirements)))


def _columns(run: StoredRun, base: str | None, settings: GateSettings, wanted: tuple[Requirement, ...]) -> list[_Pair]:
    """Each column of a run against one of them."""
    whole, tries = run.figures, run.tries
    names = list(whole.columns)
    if len(names) < 2:
        raise UserError(
            f"{run.source} has {'one column only: ' + names[0] if names else 'no case'}; there is nothing to compare",
            code=Code.OPTION,
            fix="llmroute compare A B for two runs, or pytest --llm-strategy=balanced,fast for a run of two columns",
        )
    base = names[0] if base is None else base
    if base not in names:
        raise UnknownName("column", base, names)
    then = _only(whole, base)
    return [
        _pair(
            then, f"column {base}", [one for one in tries if one.column == name], _only(whole, name), settings, wanted
        )
        for name in names
        if name != base
    ]


def _only(figures: RunFigures, column: str) -> RunFigures:
    return replace(figures, columns={column: figures.columns[column]}, kinds={column: figures.kinds[column]})


def _pair(
    then: RunFigures, source: str, tries: list[Try], now: RunFigures, settings: GateSettings,
    wanted: tuple[Requirement, ...],
) -> _Pair:  # fmt: skip
    return _Pair(judged(tries, now, then, settings, source=source, requirements=wanted), now, then)


def _print(pairs: list[_Pair], verbose: bool) -> None:
    rows = [row for pair in pairs for row in _rows(pair)]
    output.line(f"compared with {printable(pairs[0].result.source)}:")
    titles: tuple[str, ...] = (
        "column",
        "cases",
        "then",
        "now",
        "change",
        "bounds",
        "p",
        "verdict",
        "tokens",
        "time",
        "cost",
    )
    if len({pair.result.now.run_id for pair in pairs}) > 1:
        rows = [(pair.result.now.run_id, *row) for pair in pairs for row in _rows(pair)]
        titles = ("run", *titles)
    output.table(titles, rows, right=range(len(titles) - 10, len(titles) - 4))
    for pair in pairs:
        result = pair.result
        if verbose:
            output.line()
            for line in gate_lines(result, verbose=True, width=output.width(), steps=False):
                output.line(line)
            continue
        for one in result.requirements:
            output.wrapped(f"{'✗' if one.verdict == 'failed' else '·'} {printable(one.text, 400)}", indent=2)
        for text in (*(f"{one.column}: {one.why}" for one in result.columns if one.why), result.why, *result.notes):
            if text:
                output.wrapped(printable(text, 400), indent=2)


def _rows(pair: _Pair) -> list[tuple[str, ...]]:
    return [_row(pair, one) for one in pair.result.columns]


def _row(pair: _Pair, one: ColumnVerdict) -> tuple[str, ...]:
    stats = one.stats
    if stats is None:
        return (one.column, *["-"] * 6, WORDS.get(one.verdict, one.verdict), *[""] * len(FIGURES))
    word = WORDS.get(one.verdict, one.verdict)
    better = stats.improvement_p <= pair.result.settings.alpha and stats.drop < 0
    return (
        one.column,
        str(stats.items),
        f"{stats.baseline_rate:.1%}",
        f"{stats.candidate_rate:.1%}",
        _points(-stats.drop),
        f"{_points(-stats.upper)}…{_points(-stats.lower)}",
        f"{min(stats.p_value, stats.improvement_p):.2g}",
        "better" if better else word,
        *(_shown(pair.ratio(one.column, figure)) if one.column != ALL else "" for figure in FIGURES),
    )


def _points(share: float) -> str:
    return f"{100 * share + 0.0:+.1f}"


def _shown(found: Ratio | None) -> str:
    if found is None:
        return "-"
    bounds = "" if found.lower is None else f" ({found.lower:.2f}–{found.upper:.2f})"
    return f"×{found.value:.2f}{bounds}"


def _data(pair: _Pair) -> dict[str, Any]:
    ratios = {
        one.column: {figure: asdict(found) if (found := pair.ratio(one.column, figure)) else None for figure in FIGURES}
        for one in pair.result.columns
        if one.column != ALL
    }
    return {"gate": gate_json(pair.result), "ratios": ratios}
