"""What the verbs print: data on stdout, everything else on stderr; at most 100 columns; plain where the terminal is."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import click

from pytest_llmroute.errors import printable
from pytest_llmroute.report.terminal import cut, display_width

WIDEST = 100
MARKS = {"ok": ("✓", "+", "green"), "warn": ("!", "!", "yellow"), "fail": ("✗", "x", "red")}
PLAIN = str.maketrans({
    "✓": "+", "✗": "x", "–": "-", "—": "-", "×": "x", "→": ">", "…": "~", "·": ".", "’": "'",
})  # fmt: skip


def width() -> int:
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns or WIDEST)


def unicode() -> bool:
    """Whether standard output can show our signs."""
    return _can(sys.stdout, "✓✗–—×→…·’")


def line(text: str = "", *, colour: str | None = None) -> None:
    """One line of data, whatever the stream can show."""
    _write(sys.stdout, text, colour)


def wrapped(text: str, *, indent: int) -> None:
    """A line that may be too wide: the rest is indented below, nothing is left out."""
    first, *rest = textwrap.wrap(text, width(), subsequent_indent=" " * indent, drop_whitespace=False) or [""]
    for part in (first, *(" " * indent + part.strip() for part in rest)):
        line(part.rstrip())


def note(text: str) -> None:
    """Something for the reader that is not data."""
    _write(sys.stderr, text, None)


def data(value: Mapping[str, Any], schema: str) -> None:
    """JSON for programs, with the name of its schema first; ASCII, so that no encoding can spoil it."""
    _write(sys.stdout, json.dumps({"schema": schema, **value}, indent=1, ensure_ascii=True, default=str), None)


def mark(status: str) -> str:
    """✓ ! ✗, or what ASCII has for them."""
    sign, plain, colour = MARKS[status]
    return click.style(sign if _can(sys.stdout, sign) else plain, fg=colour) if _colours(sys.stdout) else sign


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), cut_last: bool = False
) -> None:
    """A table; columns from the right give way where it gets too wide, and the last line says which.

    With `cut_last` the last column is shortened instead.
    """
    shown = [[printable(cell, 200) for cell in row] for row in rows]
    widths = [max(display_width(cell) for cell in column) for column in zip(titles, *shown, strict=True)]
    kept = len(titles)
    if cut_last:
        widths[-1] = min(widths[-1], max(20, width() - sum(widths[:-1]) - 2 * (kept - 1)))
        shown = [[*row[:-1], cut(row[-1], widths[-1])] for row in shown]
    while kept > 1 and sum(widths[:kept]) + 2 * (kept - 1) > width():
        kept -= 1
    for row in (titles, *shown):
        cells = [
            " " * (space - display_width(cell)) + cell if place in right else cell + " " * (space - display_width(cell))
            for place, (cell, space) in enumerate(zip(row[:kept], widths[:kept], strict=True))
        ]
        line(cut("  ".join(cells).rstrip(), width()))
    if kept < len(titles):
        note(f"left out for want of width: {', '.join(titles[kept:])} (--json has them)")


def _colours(stream: TextIO) -> bool:
    """NO_COLOR switches colours off, FORCE_COLOR on; else a terminal has them."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def _can(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _write(stream: TextIO, text: str, colour: str | None) -> None:
    if not _can(stream, text):
        encoding = stream.encoding or "ascii"
        text = text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    if colour and _colours(stream):
        text = click.style(text, fg=colour)
    stream.write(text + "\n")
