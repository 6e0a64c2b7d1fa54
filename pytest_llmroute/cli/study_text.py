"""A study as a terminal shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_llmroute.cli import output
from pytest_llmroute.core.units import show_bytes, show_seconds, show_usd
from pytest_llmroute.errors import printable
from pytest_llmroute.learn.anytime import ENOUGH
from pytest_llmroute.measure.machine import machine_class
from pytest_llmroute.report.study import Arm, Comparison, Study

NAMES = {"seconds": "seconds", "cpu": "CPU", "ram": "RAM", "tokens": "tokens", "usd": "dollars"}
USUAL = "check, feedback all"


def show(study: Study) -> None:
    """The table of the arms, then what is compared, then what it was made with."""
    repeats = max(len(arm.repeats) for arm in study.arms)
    what = f"{study.tasks} tasks" + (f" × {repeats} repeats" if repeats else "")
    where = ", ".join(study.data) + (f" ({study.selection})" if study.selection else "")
    output.line(f"study {study.run_id}: {study.status}")
    output.wrapped(f"{what} of {printable(where, 300)}; fingerprint {study.fingerprint}", indent=2)
    output.line()
    names = [printable(arm.column, 40) for arm in study.arms]
    titles = ("", *(f"always {name}" if arm.baseline else name for name, arm in zip(names, study.arms, strict=True)))
    scores = {one.column: _number(one.score) for one in study.comparisons}
    rows = [(title, *map(tell, study.arms)) for title, tell in _rows()]
    rows.append(("score", *(scores.get(arm.column, "1") for arm in study.arms)))
    output.table(titles, [row for row in rows if set(row[1:]) != {"-"}], right=range(1, len(titles)))
    output.line()
    for text in (*_attempts(study.arms), *_repeats(study.arms)):
        output.wrapped(printable(text, 400), indent=2)
    for one in study.comparisons:
        for text in _against(one, study):
            output.wrapped(printable(text, 400), indent=2)
    output.line()
    for text in _made_with(study):
        output.wrapped(printable(text, 400), indent=2)


def _rows() -> Iterator[tuple[str, Callable[[Arm], str]]]:
    yield "solved", lambda arm: f"{arm.solved} of {arm.runs}, {_percent(arm.rate)}"
    yield "  95 %", lambda arm: "{:.1f}–{:.1f}".format(*(100 * end for end in arm.interval)) if arm.interval else "-"
    yield "at the first attempt", lambda arm: f"{arm.first}, {_percent(arm.first / arm.runs if arm.runs else None)}"
    yield "seconds per solved task", lambda arm: _solved(arm, "seconds", show_seconds)
    yield "CPU time per solved task", lambda arm: _solved(arm, "cpu", show_seconds)
    yield "GB·s of RAM per solved task", lambda arm: _solved(arm, "ram", lambda value: f"{value:.3g}")
    yield "tokens per solved task", lambda arm: _solved(arm, "tokens", _about(arm))
    yield "cost per solved task", lambda arm: _solved(arm, "usd", show_usd)
    yield "RAM of a model: peak, mean", _ram
    yield "RAM of all its models", lambda arm: show_bytes(arm.ram_together) if arm.ram_together is not None else "-"
    yield "efficiency of solutions", lambda arm: _number(arm.efficiency)
    yield "readability", lambda arm: _number(arm.readability)
    yield "errors, not scored", lambda arm: str(arm.errors) if arm.errors else "-"


def _ram(arm: Arm) -> str:
    if arm.ram_peak is None:
        return "-"
    return f"{show_bytes(arm.ram_peak)}, {show_bytes(arm.ram_average) if arm.ram_average is not None else '-'}"


def _solved(arm: Arm, resource: str, shown: Callable[[float], str]) -> str:
    value = getattr(arm.per_solved, resource, None)
    return "-" if value is None else shown(value)


def _about(arm: Arm) -> Callable[[float], str]:
    return lambda value: f"{'' if arm.spent.tokens_exact else '~'}{value:.0f}"


def _attempts(arms: Sequence[Arm]) -> Iterator[str]:
    for arm in arms:
        if arm.baseline:
            continue
        most = max(map(int, arm.solved_at), default=0)
        numbers = ", ".join(str(arm.solved_at.get(str(number), 0)) for number in range(1, most + 1))
        by = f"by attempt 1{f' to {most}' if most > 1 else ''}: {numbers}; " if most else ""
        other = [way for way in arm.judged_by if way != USUAL]
        judge = f"; judged by {' | '.join(other)}" if other else ""
        yield f"{arm.column} solved {by}by the large model: {arm.by_large}; unsolved: {arm.unsolved}{judge}"


def _repeats(arms: Sequence[Arm]) -> Iterator[str]:
    for arm in arms:
        if arm.repeats_sd is not None:
            each = ", ".join(f"{100 * share:.1f}" for share in arm.repeats)
            yield f"{arm.column}, repeat by repeat: {each} % solved (standard deviation {100 * arm.repeats_sd:.1f})"


def _against(one: Comparison, study: Study) -> Iterator[str]:
    left = f"; {one.left_out} left out" if one.left_out else ""
    yield (
        f"same tasks, {one.pairs} pairs: both solve {one.both}, only {one.column} {one.only_arm},"
        f" only always {study.baseline} {one.only_baseline}, none {one.none}{left}"
    )
    if one.difference is not None and one.interval is not None and one.p is not None:
        low, high = (100 * end + 0.0 for end in one.interval)
        told = f"{one.evidence:.3g}{': decided' if one.evidence >= ENOUGH else f', and {ENOUGH:.0f} decides'}"
        yield (
            f"  difference {100 * one.difference + 0.0:+.1f} points (95 %: {low:+.1f} to {high:+.1f}),"
            f" exact p {one.p:.2g}; evidence {told}"
        )
    yield from _score(one, study)


def _score(one: Comparison, study: Study) -> Iterator[str]:
    """With its formula; without a solved task on one side there is none."""
    solved = {one.column: one.both + one.only_arm, f"always {study.baseline}": one.both + one.only_baseline}
    if nothing := [name for name, count in solved.items() if not count]:
        yield f"  no score: {' and '.join(nothing)} solved nothing"
        return
    known = {name: ratio for name, ratio in one.ratios.items() if ratio is not None and study.weights[name]}
    if known:
        parts = " · ".join(f"{NAMES[name]} {ratio:.3g}{_power(study.weights[name])}" for name, ratio in known.items())
        root = f"({parts})^(1/{sum(study.weights[name] for name in known):g})" if len(known) > 1 else parts
        each = f"what always {study.baseline} takes for a solved task ÷ what {one.column} takes"
        yield f"  score {_number(one.score)} = {root}; each is {each}"
    if lacks := [NAMES[name] for name, weight in study.weights.items() if weight and name not in known]:
        yield f"  not in the score, since not known: {', '.join(lacks)}"


def _power(weight: float) -> str:
    return "" if weight == 1 else f"^{weight:g}"


def _made_with(study: Study) -> Iterator[str]:
    for arm in study.arms:
        for used in arm.models:
            name = f"{used.model} ({', '.join((used.backend, *(one[:19] for one in used.digests)))})"
            yield f"{arm.column} asked {name} ×{used.calls}, {show_seconds(used.seconds)}: {_settings(used.settings)}"
    yield f"machine: {machine_class(study.machine)}, Python {study.machine.get('python', '?')}"
    yield f"pytest-llmroute {study.version}, profile {study.profile}, begun {study.started_at}"
    yield from (f"note: {text}" for text in study.notes)


def _settings(settings: Sequence[str]) -> str:
    return " | ".join(text for text in settings if text) or "its own settings"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
