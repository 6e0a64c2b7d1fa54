"""The summary as a table for a terminal: at most 100 columns wide, inert whatever the names hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmroute.core.units import show_bytes, show_seconds, show_usd
from pytest_llmroute.errors import printable
from pytest_llmroute.report.summary import ColumnSummary, Summary

if TYPE_CHECKING:
    from pytest_llmroute.gate.looks import Looks
    from pytest_llmroute.report.attempts import Attempts

ASCII = str.maketrans({"–": "-", "—": "-", "×": "x", "→": ">", "…": "~", "·": ".", "²": "2"})
NOTES = {
    "forced": "forced: LLM_MODEL_OVERRIDE decided the model, not the strategy",
    "scripted": "scripted: replies were written beforehand, no model was called",
    "canned": "canned: every model failed and a fixed text stood in (never a success)",
    "replayed": "replayed: replies were recorded before, no model was called; tokens and cost are of then",
    "reused": "reused: a request that the run had made before was not sent again; its cost counts each time",
}
"""What the marks of a row mean; a mark stands in the row by its whole word."""
COMMAND = re.compile(r"^\s*(?=::)|#(?=#\w*\[)")


class Field(NamedTuple):
    """A column of the table; `give` is the order in which columns give way when it gets too wide (0 = never)."""

    title: str
    cells: tuple[str, ...]
    right: bool = True
    give: int = 0

    @property
    def width(self) -> int:
        return max(map(display_width, (self.title, *self.cells)))


def render(summary: Summary, *, width: int = 100, unicode: bool = True) -> list[str]:
    """The table, the legend of the marks that occur, and what was not counted."""
    # Names are made ASCII before the layout: a replaced character may be wider than what it replaces.
    columns = summary.columns if unicode else tuple(map(_ascii_names, summary.columns))
    if not columns:
        return []
    fields, dropped = _fit(figures(columns), width)
    lines = [_line(fields, None), *(_line(fields, row) for row in range(len(columns)))]
    lines += _models(columns)
    lines += ladders(columns)
    lines += _adaptive(summary)
    lines += _repeats(columns)
    for column in columns:
        lines += _aside(column)
    lines += _notes(columns)
    if dropped:
        lines.append(f"left out for want of width: {', '.join(dropped)} (--llm-json has them)")
    lines = [cut(line.rstrip(), width) for line in lines]
    return lines if unicode else [ascii_only(line) for line in lines]


def misses(missed: Sequence[tuple[str, str]], *, limit: int | None = 10, width: int = 100) -> list[str]:
    """Which cases missed, and why."""
    shown = missed if limit is None else missed[:limit]
    lines = [
        cut(no_command(line), width)
        for nodeid, message in shown
        for line in (printable(nodeid, 300), f"  {printable(message, 300)}")
    ]
    if len(missed) > len(shown):
        lines.append(f"… and {len(missed) - len(shown)} more (-v shows all)")
    return lines


def not_recorded(missing: Sequence[tuple[str, str, str]], *, limit: int | None = 10, width: int = 100) -> list[str]:
    """Which calls can't be replayed: the test, the file that it lacks, and what the closest one differs in."""
    shown = missing if limit is None else missing[:limit]
    lines = []
    for nodeid, file, closest in shown:
        lines.append(cut(no_command(printable(nodeid, 300)), width))
        for text in (file, closest):
            words = printable(text, 1000).split(" ")
            lines += folded(words, width, first="  ", rest="    ")
    return lines + ([f"… and {len(missing) - len(shown)} more (-v shows all)"] if len(missing) > len(shown) else [])


def display_width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, with an ellipsis where something is missing."""
    if display_width(text) <= width:
        return text
    kept, used = [], 1
    for char in text:
        used += _char_width(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept) + "…"


def folded(parts: Iterable[str], width: int, *, first: str = "", rest: str = "", between: str = " ") -> list[str]:
    """`parts` side by side in lines of at most `width` columns; only a part that fits no line is cut."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{between}{part}" if lines else first + part
        if lines and display_width(longer) > width:
            lines.append(rest + part)
        else:
            lines[-1:] = [longer]
    return [cut(no_command(line), width) for line in lines]


def no_command(line: str) -> str:
    """The line, with a backslash where a CI system would take it for a command (`::error`, `##[group]`)."""
    return COMMAND.sub(r"\g<0>\\", line)


def figures(columns: Sequence[ColumnSummary]) -> list[Field]:
    """The table, column by column."""

    def field(title: str, cells: list[str], *, right: bool = True, give: int = 0) -> Field:
        return Field(title, tuple(cells), right, give)

    return [
        field("column", [cut(printable(c.column), 22) for c in columns], right=False),
        field("pass", [f"{c.passed}/{c.total}" for c in columns]),
        field("rate", [_percent(c.rate) for c in columns]),
        field("95%", [_interval(c) for c in columns]),
        field("first", [_percent(c.first_attempt / c.total if c.total else None) for c in columns], give=3),
        field("median", [_seconds(c.median_s) for c in columns]),
        field("p95", [_seconds(c.p95_s) for c in columns], give=2),
        field("tokens in/out", [_tokens(c) for c in columns]),
        field("peak RAM", [_bytes(c.rss_peak) for c in columns]),
        field("cost", [_usd(c) for c in columns], give=1),
        field("", [_marks(c) for c in columns], right=False),
    ]


def _fit(fields: list[Field], width: int) -> tuple[list[Field], list[str]]:
    """Columns give way one by one until the table fits."""
    dropped: list[str] = []
    while sum(field.width + 2 for field in fields) - 2 > width:
        able = [field for field in fields if field.give]
        if not able:
            break
        first = min(able, key=lambda field: field.give)
        fields = [field for field in fields if field is not first]
        dropped.append(first.title)
    return fields, dropped


def _line(fields: Sequence[Field], row: int | None) -> str:
    parts = []
    for field in fields:
        text = field.title if row is None else field.cells[row]
        pad = " " * (field.width - display_width(text))
        parts.append(pad + text if field.right else text + pad)
    return "  ".join(parts)


def _aside(column: ColumnSummary) -> list[str]:
    causes = ", ".join(f"{cause} ×{count}" for cause, count in column.causes.items())
    counts = [
        (column.errors, "error(s), not counted" + (f" ({causes})" if causes else "")),
        (column.interrupted, "interrupted"),
        (column.skipped, "skipped"),
    ]
    parts = [f"{count} {what}" for count, what in counts if count]
    if column.usd is not None and column.unpriced:
        parts.append(f"{column.unpriced} call(s) without a known price")
    return [f"{cut(printable(column.column), 40)}: {', '.join(parts)}"] if parts else []


def _notes(columns: Sequence[ColumnSummary]) -> list[str]:
    lines = [text for mark, text in NOTES.items() if any(getattr(column, mark) for column in columns)]
    if any("~" in _tokens(column) for column in columns):
        lines.append("~ estimated tokens")
    return lines


def _marks(column: ColumnSummary) -> str:
    return ", ".join(mark for mark in NOTES if getattr(column, mark))


def savings(looks: Looks) -> str:
    """What adaptive repeats brought."""
    why = f", {printable(looks.why, 200)}" if looks.why else ""
    return f"{looks.saved} of {looks.planned} calls saved{why}"


def _adaptive(summary: Summary) -> list[str]:
    if "looks" not in summary.run.facts:
        return []
    from pytest_llmroute.gate.looks import Looks

    looks = Looks.from_dict(summary.run.facts["looks"])
    return [f"adaptive: {savings(looks)}"] if looks else []


def _models(columns: Sequence[ColumnSummary]) -> list[str]:
    """Which models answered how many calls, a line a column."""
    named = [(cut(printable(column.column), 22), column) for column in columns if column.models]
    width = max((display_width(name) for name, _ in named), default=0)
    return [
        f"{name}{' ' * (width - display_width(name))}  used "
        + ", ".join(f"{printable(model, 40)} ×{count}" + _ram(column, model) for model, count in column.models.items())
        for name, column in named
    ]


def _repeats(columns: Sequence[ColumnSummary]) -> list[str]:
    """Of cases with repeats: at least one of k tries passes, and all of them do."""
    tried = [column for column in columns if column.repeated and column.repeated[-1].k > 1]
    named = [(cut(printable(column.column), 22), column.repeated[-1]) for column in tried]
    width = max((display_width(name) for name, _ in named), default=0)
    return [
        f"{name}{' ' * (width - display_width(name))}  pass@{most.k} {most.pass_at_k:.1%},"
        f" pass^{most.k} {most.pass_hat_k:.1%} over {most.cases} case{'s'[: most.cases > 1]} with repeats"
        for name, most in named
    ]


def ladders(columns: Sequence[ColumnSummary]) -> list[str]:
    """At which attempt tasks were solved, and what a solved task took, beside the columns that ask once."""
    named = [(cut(printable(column.column), 22), column.attempts) for column in columns if column.attempts]
    if not named:
        return []
    width = max(display_width(name) for name, _ in named)
    lines = [f"{name}{' ' * (width - display_width(name))}  {text}" for name, own in named for text in _attempts(own)]
    each = [f"{cut(printable(c.column), 22)} {_seconds(c.seconds_per_solved)}" for c in columns if c.passed]
    return [*lines, *folded(each, 100, first="a solved task took ", rest="  ", between=", ")]


def _attempts(own: Attempts) -> Iterator[str]:
    most = max(map(int, own.solved_at), default=0)
    numbers = ", ".join(str(own.solved_at.get(str(number), 0)) for number in range(1, most + 1))
    by = [f"by attempt 1{f' to {most}' if most > 1 else ''}: {numbers}"] if most else []
    yield f"solved {'; '.join([*by, f'by the large model: {own.solved_by_large}'])}; unsolved: {own.unsolved}"
    yield (
        f"asked the small model ×{own.small_calls} in {_seconds(own.small_seconds)},"
        f" the large ×{own.large_calls} in {_seconds(own.large_seconds)}"
    )
    if own.cancelled_calls:
        yield f"cancelled ×{own.cancelled_calls} of these calls, after {_seconds(own.cancelled_seconds)} together"
    for one in own.verified:
        if not one.scores_too:
            name = f"verifier {one.verifier}" if one.verifier != "check" else f"feedback {one.feedback}"
            right, wrong = one.accepted_right + one.rejected_right, one.accepted_wrong + one.rejected_wrong
            yield (
                f"{name} accepts {one.accepted_right}/{right} right, {one.accepted_wrong}/{wrong} wrong:"
                f" sensitivity {_percent(one.sensitivity)}, specificity {_percent(one.specificity)}"
            )


def _ram(column: ColumnSummary, model: str) -> str:
    if model not in column.models_ram:
        return ""
    return f" ({_bytes(column.models_ram[model])}{' reported' if model in column.models_ram_reported else ''})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}%"


def _interval(column: ColumnSummary) -> str:
    return "-" if column.interval is None else f"{100 * column.interval[0]:.0f}–{100 * column.interval[1]:.0f}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else show_seconds(seconds)


def _tokens(column: ColumnSummary) -> str:
    prefix = "" if column.tokens_exact or not column.calls else "~"
    return f"{prefix}{_count(column.prompt_tokens)}/{_count(column.completion_tokens)}"


def _count(number: int) -> str:
    for limit, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return str(number)


def _bytes(number: int | None) -> str:
    return "-" if number is None else show_bytes(number)


def _usd(column: ColumnSummary) -> str:
    return "-" if column.usd is None else show_usd(column.usd)


def _ascii_names(column: ColumnSummary) -> ColumnSummary:
    models = {ascii_only(printable(name, 40)): count for name, count in column.models.items()}
    ram = {ascii_only(printable(name, 40)): size for name, size in column.models_ram.items()}
    reported = tuple(ascii_only(printable(name, 40)) for name in column.models_ram_reported)
    return replace(
        column, column=ascii_only(printable(column.column)), models=models, models_ram=ram, models_ram_reported=reported
    )


def ascii_only(line: str) -> str:
    """For terminals that can't show more."""
    return line.translate(ASCII).encode("ascii", "replace").decode("ascii")
