"""The gate's verdicts in words: sentences and phrases that the terminal, Markdown and annotations share.

All of them are printable, on one line, and without any markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_llmroute.errors import printable
from pytest_llmroute.gate.matching import how_many
from pytest_llmroute.gate.require import RequirementResult
from pytest_llmroute.gate.result import ALL, CaseChange, ColumnVerdict, GateResult, GateSettings, Verdict
from pytest_llmroute.gate.verdict import GateVerdict, Repeats

LONG = 1000
"""Characters of a text that others wrote: a reason, a note, a message."""
LEAST = 0.0001
"""A smaller p is not told apart."""
WORDS: dict[Verdict, str] = {
    "fail": "FAIL",
    "pass": "pass",
    "inconclusive": "INCONCLUSIVE",
    "incomparable": "INCOMPARABLE",
    "not judged": "not judged",
    "new": "new",
}


def sentence(one: ColumnVerdict, settings: GateSettings) -> str:
    """What happened to a column."""
    return f"{column_name(one)}: {WORDS[one.verdict]} — {finding(one, settings)}"


def column_name(one: ColumnVerdict) -> str:
    if one.column == ALL:
        return "all columns together"
    renamed = f" (then {printable(one.against)})" if one.against not in ("", one.column) else ""
    return printable(one.column) + renamed


def finding(one: ColumnVerdict, settings: GateSettings) -> str:
    """The same without the column and the verdict."""
    if one.stats is None:
        return printable(one.why, LONG) or "the baseline does not have this column"
    if one.verdict == "fail":
        return f"{moved(one.stats)}{_bounds(one.stats)}, {p_of(one)}"
    if one.verdict == "not judged":
        return f"{moved(one.stats)}; only all columns together are judged"
    if one.verdict == "pass":
        return f"{moved(one.stats)}; {_ruled_out(one.stats, settings)}{_improved(one.stats)}"
    if one.stats.too_small:
        return f"{moved(one.stats)}; {_too_small(one.stats)}"
    chance = f", {p_of(one)}" if one.stats.drop > 0 else ""
    doubt = f"a drop of {_margin(settings)} points can't be ruled out (up to {points(one.stats.upper)})"
    return "; ".join([moved(one.stats) + chance, doubt, *_advice(one.stats)])


def moved(stats: GateVerdict) -> str:
    """Both rates, and by how much they differ."""
    then, now = stats.baseline_rate, stats.candidate_rate
    if single(stats):
        passes, before = round(now * stats.items), round(then * stats.items)
        text = f"{passes} of {how_many(stats.items)} {'passes' if passes == 1 else 'pass'} now"
        if passes == before:
            return f"{text} as then"
        text = f"{text}, {before} did ({percent(now)} from {percent(then)})"
    else:
        text = f"{how_many(stats.items)} {'passes' if stats.items == 1 else 'pass'} {percent(now)} of the tries now"
        if stats.drop == 0:
            return f"{text} as then"
        text = f"{text}, {percent(then)} then"
    far = points(abs(stats.drop))
    return f"{text}: {'down' if stats.drop > 0 else 'up'} {'less than 0.1' if far == '0.0' else far} points"


def single(stats: GateVerdict) -> bool:
    """Whether each case was tried once on each side, so that passes can be counted."""
    return stats.baseline_repeats.most <= 1 >= stats.candidate_repeats.most


def _bounds(stats: GateVerdict) -> str:
    least = f"at least {points(stats.lower)}, " if points(max(stats.lower, 0)) != "0.0" else ""
    return f" ({least}at most {points(stats.upper)})"


def _ruled_out(stats: GateVerdict, settings: GateSettings) -> str:
    if stats.upper <= 0:
        return "any drop is ruled out"
    return f"a drop of more than {points(max(stats.upper, 0.001))} points is ruled out ({_margin(settings)} allowed)"


def _margin(settings: GateSettings) -> str:
    return f"{100 * settings.margin:g}"


def _improved(stats: GateVerdict) -> str:
    if stats.improvement_p > stats.level:
        return ""
    return f"; better by more than luck explains, {p_text(stats.improvement_p, stats.level)}"


def _too_small(stats: GateVerdict) -> str:
    if stats.tasks_to_fail is None:
        return f"nothing of {how_many(stats.items)} passed then, so nothing can pass less often now"
    tried = f"{how_many(stats.items)} tried {_times(stats.candidate_repeats)}"
    return f"this suite is too small to ever fail: {tried}; {stats.tasks_to_fail} or more are needed"


def _advice(stats: GateVerdict) -> Iterable[str]:
    """What would decide."""
    more = f", or {stats.tasks_needed} cases" if stats.tasks_needed else ""
    if stats.repeats_needed:
        yield f"{stats.repeats_needed} repeats instead of {_span(stats.candidate_repeats)} would decide{more}"
    elif stats.baseline_repeats_needed:
        yield f"{stats.baseline_repeats_needed} repeats in the baseline and in the run would decide{more}"
    elif more:
        yield f"{stats.tasks_needed} cases would decide"


def _times(repeats: Repeats) -> str:
    span = _span(repeats)
    return {"1": "once", "2": "twice"}.get(span, f"{span} times")


def _span(repeats: Repeats) -> str:
    return str(repeats.most) if repeats.least == repeats.most else f"{repeats.least} to {repeats.most}"


def p_of(one: ColumnVerdict) -> str:
    """The p value that counts, the one by itself where it is another, and what is allowed."""
    if one.stats is None:
        return ""
    level = one.stats.level
    alone = p_text(one.stats.p_value, level)
    if one.adjusted is None or one.adjusted == one.stats.p_value:
        return f"{alone} ({level:g} allowed)"
    return f"{p_text(one.adjusted, level)} among all columns ({level:g} allowed), {alone} alone"


def p_text(p: float, level: float) -> str:
    figure = p_figure(p, level)
    return f"p {figure}" if figure[0] == "<" else f"p = {figure}"


def p_figure(p: float, level: float) -> str:
    """Two digits, or as many as it takes to stay on its side of `level`."""
    if p < LEAST:
        return f"< {LEAST:.4f}"
    shown = (f"{p:.{digits}g}" for digits in range(2, 18))
    return next(text for text in shown if (float(text) <= level) == (p <= level))


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def points(share: float) -> str:
    """A difference of rates, in points."""
    return f"{100 * share:.1f}".replace("-0.0", "0.0")


def circumstances(change: CaseChange) -> list[str]:
    """The tries, the models and the routing, now and then."""
    return [text for text in (passes(change), models(change), routing(change)) if text]


def passes(change: CaseChange) -> str:
    return _both(*(f"{side.passes}/{side.tries}" for side in (change.now, change.then)))


def models(change: CaseChange) -> str:
    """Who answered, once where it is the same."""
    return _both(*(" + ".join(printable(name, 60) for name in side.models) for side in (change.now, change.then)))


def routing(change: CaseChange) -> str:
    """Why it was that model, once where it is the same."""
    return _both(printable(change.now.reason), printable(change.then.reason))


def _both(now: str, then: str) -> str:
    if now == then:
        return now
    return ", ".join(f"{text} {when}" for text, when in ((now, "now"), (then, "then")) if text)


def worse_title(changes: Sequence[CaseChange]) -> str:
    return f"{'newly failing' if _once(changes) else 'passing less often'}: {how_many(len(changes))}"


def better_title(changes: Sequence[CaseChange]) -> str:
    return f"{'newly passing' if _once(changes) else 'passing more often'}: {how_many(len(changes))}"


def _once(changes: Sequence[CaseChange]) -> bool:
    return all(one.now.tries == 1 == one.then.tries for one in changes)


def asides(one: ColumnVerdict) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Cases that were not compared: what is the matter with them, and their names."""
    lost = tuple(f"{case} ({cause})" if cause else case for case, cause in one.lost)
    for title, names in (
        ("not in this run", one.missing),
        ("not in the baseline", one.added),
        ("checked in another way now, so not compared", one.rechecked),
        ("without any outcome", lost),
    ):
        if names:
            yield f"{title}: {how_many(len(names))}", names


def demand(one: RequirementResult) -> str:
    """What became of a requirement."""
    return f"required: {printable(one.text, LONG)}"


def criterion(one: ColumnVerdict | RequirementResult, settings: GateSettings) -> str:
    """The sentence about anything that can fail."""
    return sentence(one, settings) if isinstance(one, ColumnVerdict) else demand(one)


def heading(result: GateResult) -> str:
    """The whole in a few words: the verdict, and what the run was compared with."""
    by_requirement = result.failed and not result.settings.fails(result.verdict)
    word = WORDS["fail"] if by_requirement else "no verdict" if result.verdict == "new" else WORDS[result.verdict]
    source = printable(result.source, LONG)
    if result.then is None:
        return f"gate: {word}, nothing to compare with yet" + (f" ({source})" if source else "")
    return f"gate: {word}" + (f" against {source}" if source else "")
