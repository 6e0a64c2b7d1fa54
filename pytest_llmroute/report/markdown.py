"""The gate's word in GitHub's Markdown: the job summary and the comment on a pull request.

Names, messages and reasons go through `inert` or `code`: nothing of them is read as Markdown, HTML, mention or link.
A row of a table and an entry of a list are one line each, so that a page can be cut between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import printable
from pytest_llmroute.gate.result import CaseChange, ColumnVerdict, GateResult
from pytest_llmroute.report import verdicts
from pytest_llmroute.report.jsonfile import ReportError
from pytest_llmroute.report.summary import Summary
from pytest_llmroute.report.terminal import figures, savings

SUMMARY_LIMIT = 900_000
"""Bytes; GitHub drops the whole summary of a step above 1024 KiB."""
COMMENT_LIMIT = 60_000
"""GitHub refuses a comment above 65,536 characters."""
MARKER = "<!-- pytest-llmroute -->"
SHOWN = 50
COMMENTED = 10
CELL = 300
"""Characters of a cell."""
NOTE = 500
"""Bytes kept free for what is said of what was left out."""
_ACTIVE = re.compile(r"[&<>`|\[\]*_~#\\$@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_SIDES = (
    ("run", "run_id"), ("created", "created"), ("profile", "profile"), ("machine", "machine"),
    ("part of the suite", "selection"), ("pytest-llmroute", "version"),
)  # fmt: skip
"""Title and attribute of what identifies a run."""
_MENTION = re.compile("&#(35|64);")
Lines = list[str]


def gate_markdown(result: GateResult, summary: Summary) -> str:
    """The job summary."""
    worse = [change for one in result.columns for change in one.failing]
    parts = [
        *_head(result),
        *_different(result),
        *_failing(worse, SHOWN, "all are in the list below"),
        *_requirements(result),
        *_figures(summary),
        *_sides(result, summary),
        *_details(result, worse),
    ]
    return fit(_page(parts))


def comment_text(result: GateResult, summary: Summary, marker: str = MARKER) -> str:
    """The comment on a pull request: found again, and replaced, by its first line."""
    worse = [change for one in result.columns for change in one.failing]
    parts = [
        [marker],
        *_head(result),
        *_failing(worse, COMMENTED, "the job summary has all"),
        *_requirements(result),
        *_figures(summary),
    ]
    return fit(_page(parts), COMMENT_LIMIT)


def write_page(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(
            f"{path} can't be written: {error.strerror}", code=Code.REPORT, fix="make its folder, or name another place"
        ) from error


def fit(text: str, limit_bytes: int = SUMMARY_LIMIT) -> str:
    """As much of a page as goes into `limit_bytes`, every table whole, with a line that says what was left out."""
    if _size(text) <= limit_bytes:
        return text
    lines = text.split("\n")
    kept, used = 0, NOTE
    while used + _size(lines[kept]) < limit_bytes:
        used += _size(lines[kept]) + 1
        kept += 1
    while kept and _dangles(lines, kept):
        kept -= 1
    opened = lines[:kept].count("<details>") - lines[:kept].count("</details>")
    return "\n".join([*lines[:kept], *["", "</details>"] * opened, "", _left_out(lines[kept:], limit_bytes), ""])


def inert(text: str, limit: int = verdicts.LONG) -> str:
    """`text` as nothing but text: no markup, no link, nobody mentioned."""
    # GitHub looks for mentions in what the entities have become, so a space without width parts the sign from the name.
    return _MENTION.sub(r"&#\1;&#8203;", _escaped(text, limit))


def code(text: str, limit: int = CELL) -> str:
    """A name, to be copied as it is: GitHub looks for no mention in code, but for addresses."""
    return f"<code>{_escaped(text, limit).replace('&#64;', '&#64;<!-- -->')}</code>" if text else ""


def _escaped(text: str, limit: int) -> str:
    return _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", printable(text, limit))


def _size(text: str) -> int:
    return len(text.encode())


def _dangles(lines: Sequence[str], kept: int) -> bool:
    """Whether the last line that is kept announces something that is not."""
    last, after = lines[kept - 1], lines[kept]
    return not last or last.startswith(("#", "<details>", "<summary>", "|--")) or after.startswith("|--")


def _left_out(lines: Sequence[str], limit: int) -> str:
    heads = sum(line.startswith("|--") for line in lines)
    rows = sum(line.startswith(("| ", "- ")) for line in lines) - heads
    sections = sum(line.startswith(("#", "<summary>")) for line in lines)
    whole = f" and {sections} whole {'section' if sections == 1 else 'sections'}" if sections else ""
    return f"Left out, to stay below {limit // 1000} kB: {rows} rows{whole}. `llmroute gate --json` gives everything."


def _page(parts: Iterable[Lines]) -> str:
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> Lines:
    """Nothing where there is no row."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    rule = "|".join("--:" if title in right else "---" for title in titles)
    return [f"| {' | '.join(titles)} |", f"|{rule}|", *lines] if lines else []


def _section(title: str, *body: Lines) -> list[Lines]:
    """Nothing where the body is empty."""
    return [[f"### {title}"], *body] if any(body) else []


def _head(result: GateResult) -> list[Lines]:
    says = [verdicts.sentence(one, result.settings) for one in result.columns]
    says += [result.why] if result.why else []
    says += [f"adaptive: {savings(result.now.looks)}"] if result.now.adaptive else []
    says += [f"note: {note}" for note in result.notes]
    rows = [_column(one) for one in result.columns]
    titles = ("column", "verdict", "now", "then", "drop in points", "p", "p among all", "shared cases")
    return [
        [f"## LLM {inert(verdicts.heading(result))}"],
        [f"- {inert(text, 4 * verdicts.LONG)}" for text in says],
        _table(titles, rows, right=titles[2:]),
    ]


def _column(one: ColumnVerdict) -> Sequence[str]:
    name, word, stats = code(verdicts.column_name(one)), verdicts.WORDS[one.verdict], one.stats
    if stats is None:
        return name, word, "", "", "", "", "", ""
    return (
        name,
        word,
        verdicts.percent(stats.candidate_rate),
        verdicts.percent(stats.baseline_rate),
        f"{verdicts.points(stats.drop)} ({verdicts.points(stats.lower)} to {verdicts.points(stats.upper)})",
        inert(verdicts.p_figure(stats.p_value, stats.level)),
        "" if one.adjusted is None else inert(verdicts.p_figure(one.adjusted, stats.level)),
        str(stats.items),
    )


def _different(result: GateResult) -> list[Lines]:
    lines = [f"- {code(verdicts.column_name(one))}: {inert(text)}" for one in result.columns for text in one.changes]
    return _section("Different now", lines)


def _failing(worse: Sequence[CaseChange], limit: int, more: str) -> list[Lines]:
    title = verdicts.worse_title(worse).capitalize()
    hidden = [f"The first {limit}; {more}."] if len(worse) > limit else []
    return _section(title, _cases(worse[:limit]), hidden)


def _cases(changes: Iterable[CaseChange]) -> Lines:
    rows = (
        (
            code(one.case), code(one.column), verdicts.passes(one), inert(verdicts.models(one), CELL),
            inert(verdicts.routing(one), CELL), inert(one.message, CELL),
        )
        for one in changes
    )  # fmt: skip
    return _table(("case", "column", "tries", "model", "routing", "why"), rows)


def _requirements(result: GateResult) -> list[Lines]:
    rows = (
        (
            code(one.requirement.text),
            code(one.column),
            {"failed": "FAIL"}.get(one.verdict, one.verdict),
            inert(one.text),
        )
        for one in result.requirements
    )
    return _section("Requirements", _table(("requirement", "column", "verdict", "what was found"), rows))


def _figures(summary: Summary) -> list[Lines]:
    """The table that the terminal shows, with whole names."""
    fields = [field for field in figures(summary.columns)[1:] if any(field.cells)]
    rows = [
        (code(column.column), *(inert(field.cells[place]) for field in fields))
        for place, column in enumerate(summary.columns)
    ]
    titles = [field.title for field in fields]
    return _section(
        "The run", _table(["column", *titles], rows, right=[field.title for field in fields if field.right])
    )


def _sides(result: GateResult, summary: Summary) -> list[Lines]:
    """What was compared with what."""
    used = dict.fromkeys(model for column in summary.columns for model in column.models)
    sides = [result.now] + ([result.then] if result.then else [])
    facts = [(title, [code(getattr(side, name)) for side in sides]) for title, name in _SIDES]
    rows = [(title, *values) for title, values in facts if any(values)]
    models = [f"Models now: {', '.join(map(code, used))}."] if used else []
    return _section("Now and then", _table(("", "now", "then")[: 1 + len(sides)], rows), models)


def _details(result: GateResult, worse: Sequence[CaseChange]) -> list[Lines]:
    """Folded lists, the short ones first: a page that must be cut then loses the fewest."""
    lists: list[tuple[str, Lines]] = []
    if len(worse) > SHOWN:
        lists.append((verdicts.worse_title(worse), _cases(worse)))
    for one in result.columns:
        name = verdicts.column_name(one)
        if one.passing:
            lists.append((f"{name}, {verdicts.better_title(one.passing)}", _cases(one.passing)))
        lists += [(f"{name}, {title}", [f"- {code(case)}" for case in names]) for title, names in verdicts.asides(one)]
    ordered = sorted(lists, key=lambda item: len(item[1]))
    return [
        part
        for title, lines in ordered
        for part in (["<details>", f"<summary>{inert(title)}</summary>"], lines, ["</details>"])
    ]
