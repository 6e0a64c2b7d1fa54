"""What Python a piece of text is: parsed and never run, within a budget, and safe from hostile text."""

from __future__ import annotations

import ast
import codeop
import re
import threading
import warnings
from collections.abc import Sequence
from itertools import dropwhile, islice

from pytest_llmroute.prompts.python_source import Source, source_of, strange

LONGEST = 100_000
"""Longer pieces are not read as Python: a reply of that length is no solution any more."""
BUDGET = 500_000
"""Characters that one reader parses; after that nothing is Python to it. What makes hostile text cheap."""
TRIES = 24
"""Beginnings of code that are tried in one text, and cuts at each."""
CUTS = 8

BLANK = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff"
"""White space as `str.strip` has it, and the byte order mark."""
STATEMENT = re.compile(
    r"(?:def|class|import|from|async|if|for|while|with|try|return|raise|assert|global|del)\b"
    r"|@\w|[A-Za-z_][\w.]*[ \t]*(?:[-+*/%|&]?=(?!=)|[(\[:])"
)
"""A line that may begin a statement. Prose may look so too; the parser decides."""
LABEL = re.compile(r"(?!try\b)\w+[ \t]*:")
DEFINITION = re.compile(r"(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b|@\w")
GOES_ON = re.compile(r"[)\]}]|(?:else|elif|except|finally|case)\b")
"""A line without indentation that belongs to the statement before it."""
PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.)(?: |$)")
COMPILER = threading.Lock()
"""Filters of warnings belong to the process: one parse at a time changes them."""


def tidy(text: str) -> str:
    """Without blank lines around it, white space at its end, and the indentation that all its lines share."""
    text = text.rstrip(BLANK)
    indented = text.rfind("\n", 0, len(text) - len(text.lstrip(BLANK))) + 1
    lines = text[indented:].split("\n")
    lines[0] = lines[0].lstrip("\ufeff")
    margins = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
    low, high = min(margins, default=""), max(margins, default="")
    shared = next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return "\n".join(_less(line, shared) for line in lines) if shared else "\n".join(lines)


class Reader:
    """Reads pieces of one text, until its budget is spent."""

    def __init__(self) -> None:
        self._left = BUDGET
        self._known: dict[str, Source | None] = {}

    def source(self, text: str) -> Source | None:
        """The text as Python, by itself or without the indentation of its first line or the prompts of a console."""
        if len(text) > LONGEST:
            return None
        plain = tidy(text)
        if plain not in self._known:
            typed = without_prompts(plain) if plain.startswith(">>>") else ""
            forms = (form for form in (plain, _by_first_line(plain), typed) if form)
            self._known[plain] = next((source for form in forms if (source := self._plain(form))), None)
        return self._known[plain]

    def body(self, text: str) -> Source | None:
        """The body of a function whose first line alone lost its indentation; it must return something."""
        first, _, rest = tidy(text).partition("\n")
        inside: list[str] = []
        for line in rest.split("\n"):
            if line.strip() and line[0] not in " \t)]}":
                break
            inside.append(line)
        if not first or not rest:
            return None
        source = self._plain(f"{first.lstrip()}\n{tidy(chr(10).join(inside))}")
        return source if source and source.is_body else None

    def statements(self, lines: Sequence[str]) -> list[Source]:
        """The runs of whole statements between lines of something else."""
        found: list[Source] = []
        at = tries = 0
        while at < len(lines) and tries < TRIES and self._left > 0:
            bare = lines[at].lstrip(" \t")
            indent = len(lines[at]) - len(bare)
            if not (DEFINITION if indent else STATEMENT).match(bare):
                at += 1
                continue
            tries += 1
            run = _run(lines, at, indent)
            source, used = self._longest(run)
            if source:
                found.append(source)
            at += used or _inside(lines, at, indent)
        return found

    def _longest(self, lines: Sequence[str]) -> tuple[Source | None, int]:
        """As many whole statements as can be read from the first line on, and how many lines that are."""
        stop = len(lines)
        for _ in range(CUTS):
            tree, wrong = self._tree("\n".join(lines[:stop]))
            if tree is None:
                stop = _statement_at(lines, min(wrong, stop) - 1)
            elif odd := strange(tree):
                stop = _statement_at(lines, odd - 1)
            else:
                source = source_of(tidy("\n".join(lines[:stop])), tree, self.unfinished(lines[stop:]))
                return (source if source.does else None), stop
            if stop <= 0:
                return None, 0
        return None, 0

    def unfinished(self, lines: Sequence[str]) -> bool:
        """Whether these lines are one statement whose end is missing."""
        text = "\n".join(lines).rstrip()
        last = text.count("\n")
        if not STATEMENT.match(text) or LABEL.match(text) or _statement_at(lines, last) != 0 or self._spent(text):
            return False
        try:
            with COMPILER, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return codeop.compile_command(text, "<reply>", "exec") is None
        except SyntaxError as error:
            return "unterminated" in error.msg and (error.lineno or 0) > last
        except (ValueError, OverflowError, RecursionError, MemoryError):
            return False

    def _plain(self, code: str) -> Source | None:
        tree, _ = self._tree(code)
        return None if tree is None or not tree.body or strange(tree) else source_of(code, tree)

    def _tree(self, code: str) -> tuple[ast.Module | None, int]:
        """The tree, or the line of what is wrong; 0 where that can't be told."""
        return (None, 0) if self._spent(code) else _read(code)

    def _spent(self, code: str) -> bool:
        if len(code) > min(LONGEST, self._left):
            return True
        self._left -= len(code)
        return False


def parsed(code: str) -> ast.Module | None:
    """The tree of a piece of Python; None for anything else, and for what is too long."""
    return _read(code)[0] if len(code) <= LONGEST else None


def without_prompts(text: str) -> str:
    """What was typed into a console, without what it answered and what stands before it; often nothing."""
    lines = [line.lstrip(" \t") for line in text.split("\n") if PROMPT.match(line)]
    typed = dropwhile(lambda line: not line.startswith(">>>"), lines)
    return tidy("\n".join(line[4:] for line in typed))


def _read(code: str) -> tuple[ast.Module | None, int]:
    try:
        with COMPILER, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code), 0
    except SyntaxError as error:
        return None, error.lineno or 0
    except (ValueError, OverflowError, RecursionError, MemoryError):
        return None, 0


def _run(lines: Sequence[str], at: int, indent: int) -> list[str]:
    """The lines from `at` on that are at least as deep, without that indentation, as far as can be read at once."""
    run: list[str] = []
    room = LONGEST
    for line in islice(lines, at, None):
        room -= len(line) + 1
        if room < 0 or (line.strip() and line[:indent].strip(" \t")):
            break
        run.append(_less(line, indent))
    return run


def _inside(lines: Sequence[str], at: int, indent: int) -> int:
    """How many lines a statement takes that can't be read: its own, and what is deeper."""
    stop = at + 1
    while stop < len(lines) and (not lines[stop].strip() or not lines[stop][: indent + 1].strip(" \t")):
        stop += 1
    return stop - at


def _statement_at(lines: Sequence[str], at: int) -> int:
    """The line where the outermost statement begins that line `at` belongs to; -1 where there is none."""
    at = min(at, len(lines) - 1)
    while at >= 0 and (not lines[at].strip() or lines[at][0] in " \t" or GOES_ON.match(lines[at])):
        at -= 1
    return at


def _by_first_line(text: str) -> str:
    """Each line without as much indentation as the first one has; empty where that changes nothing."""
    first = text.partition("\n")[0]
    indent = len(first) - len(first.lstrip(" \t"))
    return "\n".join(_less(line, indent) for line in text.split("\n")) if indent else ""


def _less(line: str, indent: int) -> str:
    """The line without its first `indent` characters, as far as they are white space."""
    return line[len(line[:indent]) - len(line[:indent].lstrip(" \t")) :]
