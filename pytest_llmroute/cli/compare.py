"""`llmroute compare`: runs, or the columns of one run, against each other, case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, load_run
from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UnknownName, UserError, printable
from pytest_llmroute.gate.compare import compare as judged
from pytest_llmroute.gate.figures import RunFigures
from pytest_llmroute.gate.holm import holm
from pytest_llmroute.gate.matching import match
from pytest_llmroute.gate.ratios import Figure, Ratio, ratio
from pytest_llmroute.gate.requirement import Requirement
from pytest_llmroute.gate.result import ColumnVerdict, GateResult, GateSettings, Verdict
from pytest_llmroute.gate.tries import Try
from pytest_llmroute.report.gate import finding_lines
from pytest_llmroute.report.gatejson import gate_json
from pytest_llmroute.report.knobs import gate_settings, requirements
from pytest_llmroute.report.sources import StoredRun

WORDS: Mapping[Verdict, str] = {"fail": "worse", "pass": "no worse", "inconclusive": "undecided"}
RATES = ("verdict", "then", "now", "change", "bounds", "p", "cases")
FIGURES: Mapping[Figure, str] = {"tokens": "tokens", "seconds": "time", "usd": "cost"}
MARKS = {"held": "ok", "failed": "fail", "not compared": "warn"}


@dataclass(frozen=True)
class _Pair:
    """One comparison: what came of it, and the figures of both sides."""

    result: GateResult
    now: RunFigures
    then: RunFigures

    @cached_property
    def ratios(self) -> dict[str, dict[Figure, Ratio | None]]:
        settings = self.result.settings
        return {
            one.column: {name: ratio(one.then, one.now, one.shared, name, settings.alpha) for name in FIGURES}
            for one in match(self.now, self.then, dict(settings.columns)).columns
        }

    @cached_property
    def rises(self) -> Mapping[str, float]:
        """The chance of "passes more often", corrected as the gate corrects that of "less often"."""
        own = {one.column: one.stats.improvement_p for one in self.result.columns if one.stats}
        return own if self.result.settings.family == "none" else holm(own)


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
    for why in filter(None, (run.incomplete for run in loaded)):
        output.note(f"note: {why}")
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


def _print(pairs: Sequence[_Pair], verbose: bool) -> None:
    """The rates, then what a case takes, then what else there is to say."""
    several = len({pair.result.now.run_id for pair in pairs}) > 1
    named = [
        ((*([pair.result.now.run_id] if several else []), one.column), pair, one)
        for pair in pairs
        for one in pair.result.columns
    ]
    first = ("run", "column") if several else ("column",)
    output.line(f"compared with {printable(pairs[0].result.source)}:")
    if named:
        rows = [(*names, *_rates(pair, one)) for names, pair, one in named]
        output.table((*first, *RATES), rows, right=range(len(first) + 1, len(first) + len(RATES)))
    shown = [name for name in FIGURES if any(pair.ratios.get(one.column, {}).get(name) for _, pair, one in named)]
    if shown:
        output.line("\nwhat a case takes, as a multiple of then:")
        rows = [
            (*names, *(_multiple(pair.ratios[one.column][name]) for name in shown))
            for names, pair, one in named
            if one.column in pair.ratios
        ]
        output.table((*first, *(FIGURES[name] for name in shown)), rows)
    for pair in pairs:
        _remarks(pair.result, verbose)


def _remarks(result: GateResult, verbose: bool) -> None:
    if verbose:
        output.line()
        for line in finding_lines(result, verbose=True, width=output.width(), unicode=output.unicode()):
            output.line(line)
        return
    for one in result.requirements:
        output.wrapped(f"{output.mark(MARKS[one.verdict])} {printable(one.text, 400)}", indent=2)
    for text in (*(f"{one.column}: {one.why}" for one in result.columns if one.why), result.why, *result.notes):
        if text:
            output.wrapped(printable(text, 400), indent=2)


def _rates(pair: _Pair, one: ColumnVerdict) -> tuple[str, ...]:
    stats, word = one.stats, WORDS.get(one.verdict, one.verdict)
    if stats is None:
        return (word, *["-"] * (len(RATES) - 1))
    fall, rise = stats.p_value if one.adjusted is None else one.adjusted, pair.rises[one.column]
    better = stats.drop < 0 and rise <= stats.level
    return (
        "better" if better else word,
        f"{stats.baseline_rate:.1%}",
        f"{stats.candidate_rate:.1%}",
        _points(-stats.drop),
        f"{_points(-stats.upper)} to {_points(-stats.lower)}",
        f"{rise if stats.drop < 0 else fall:.2g}",
        str(stats.items),
    )


def _points(share: float) -> str:
    return f"{100 * share + 0.0:+.1f}"


def _multiple(found: Ratio | None) -> str:
    if found is None:
        return "-"
    bounds = "" if found.lower is None else f" ({found.lower:.2f}–{found.upper:.2f})"
    return f"×{found.value:.2f}{bounds}"


def _data(pair: _Pair) -> dict[str, Any]:
    ratios = {
        column: {name: asdict(found) if found else None for name, found in figures.items()}
        for column, figures in pair.ratios.items()
    }
    return {"gate": {"schema": "llmroute.gate/1", **gate_json(pair.result)}, "ratios": ratios}
