"""How readable a solution is: eight measures of its text, each from 0 to 1, and their weighted mean."""

from __future__ import annotations

import ast
import importlib
import io
import sys
import threading
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import util
from keyword import iskeyword
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError
from pytest_llmroute.prompts.python_text import parsed

PACKAGE = "complexipy"
LETTERS = 3
"""A telling name has so many, its number not counted."""
BETWEEN = frozenset(
    {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER}
)
"""Tokens that are no code."""
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
SPACED = frozenset({"==", "!=", "<", ">", "<=", ">=", "+=", "-=", "*=", "/=", "|=", ":=", "->"})
"""Operators that stand between spaces; so does `=` outside brackets."""


@dataclass(frozen=True, slots=True)
class Text:
    """A solution, read once for all measures."""

    code: str
    tree: ast.Module
    tokens: tuple[tokenize.TokenInfo, ...]
    lines: tuple[str, ...]
    """Those with code on them."""


@dataclass(frozen=True, slots=True)
class Measure:
    """1 up to `fine`, 0 from `poor` on, a straight line between."""

    name: str
    of: Callable[[Text], float]
    fine: float
    poor: float
    weight: float

    def score(self, value: float) -> float:
        return min(max((self.poor - value) / (self.poor - self.fine), 0.0), 1.0)


def missing() -> UserError | None:
    """The package that measures complexity; None where it is there."""
    if util.find_spec(PACKAGE) is not None:
        return None
    return UserError(
        f"readability needs the package {PACKAGE}",
        code=Code.ENVIRONMENT,
        means="solutions are recorded without it; correctness and efficiency are not concerned",
        fix="pip install 'pytest-llmroute[quality]'",
    )


def readability(code: str) -> float | None:
    """From 0 to 1; None for what is no Python or has no statement. UserError where the extra is missing."""
    if error := missing():
        raise error
    scores = [score for _, score in measured(code).values()]
    if not scores:
        return None
    total = sum(measure.weight for measure in MEASURES)
    return round(sum(m.weight * score for m, score in zip(MEASURES, scores, strict=True)) / total, 4)


def measured(code: str) -> dict[str, tuple[float, float]]:
    """Each measure's value and score, what `readability` is made of; nothing where that is None."""
    text = _text(code.replace("\r\n", "\n").replace("\r", "\n"))
    if text is None:
        return {}
    try:
        values = {measure: measure.of(text) for measure in MEASURES}
    except ValueError:  # what Python reads and complexipy does not
        return {}
    return {measure.name: (value, measure.score(value)) for measure, value in values.items()}


def _text(code: str) -> Text | None:
    tree = parsed(code)
    if tree is None or not tree.body:
        return None
    try:
        tokens = tuple(_strings_whole(tokenize.generate_tokens(io.StringIO(code).readline)))
    except (tokenize.TokenError, SyntaxError):
        return None
    at = {token.start[0] for token in tokens if token.type not in BETWEEN}
    lines = code.split("\n")
    return Text(code, tree, tokens, tuple(lines[number - 1] for number in sorted(at)))


def _strings_whole(tokens: Iterator[tokenize.TokenInfo]) -> Iterator[tokenize.TokenInfo]:
    """Each f-string as one token, as Python 3.11 has it; later ones look inside."""
    opened: list[tokenize.TokenInfo] = []
    for token in tokens:
        kind = tokenize.tok_name[token.type]
        if kind in ("FSTRING_START", "TSTRING_START"):
            opened.append(token)
        elif kind in ("FSTRING_END", "TSTRING_END"):
            first = opened.pop()
            if not opened:
                yield tokenize.TokenInfo(tokenize.STRING, first.string, first.start, token.end, first.line)
        elif not opened:
            yield token


def _library() -> Any:
    """Complexipy 8.3 crashes when the thread that first imported it has ended: one that never ends does that."""
    if PACKAGE not in sys.modules:
        ready = threading.Event()

        def stay() -> None:
            try:
                importlib.import_module(PACKAGE)
            finally:
                ready.set()
            threading.Event().wait()

        threading.Thread(target=stay, name="llmroute-complexipy", daemon=True).start()
        ready.wait()
    return importlib.import_module(PACKAGE)


def _cognitive(text: Text) -> float:
    """The highest cognitive complexity of a function, or of the lines outside."""
    found = _library().code_complexity(text.code, check_script=True, no_ignore=True, with_plans=False)
    return max((function.complexity for function in found.functions), default=0)


def _nesting(text: Text) -> float:
    """The deepest block: 1 for the body of a function."""
    depth = deepest = 0
    for token in text.tokens:
        depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        deepest = max(deepest, depth)
    return deepest


def _density(text: Text) -> float:
    """Tokens of the fullest line."""
    counts = Counter(token.start[0] for token in text.tokens if token.type not in BETWEEN)
    return max(counts.values(), default=0)


def _width(text: Text) -> float:
    return max(map(len, text.lines), default=0)


def _length(text: Text) -> float:
    """Statements of the longest function, or outside functions; those of a function in it are its own."""
    counts: Counter[ast.AST] = Counter()
    waiting: list[tuple[ast.AST, ast.AST]] = [(text.tree, text.tree)]
    while waiting:
        node, owner = waiting.pop()
        counts[owner] += isinstance(node, ast.stmt)
        inside = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else owner
        waiting.extend((child, inside) for child in ast.iter_child_nodes(node))
    return max(counts.values())


def _names(text: Text) -> float:
    """Of the parameters and variables, the share whose names are too short to tell anything."""
    given = {node.id for node in ast.walk(text.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    given |= {node.arg for node in ast.walk(text.tree) if isinstance(node, ast.arg)}
    given.discard("_")
    return sum(len(name.rstrip("0123456789")) < LETTERS for name in given) / len(given) if given else 0.0


def _layout(text: Text) -> float:
    """Of the lines, the share with a fault of layout."""
    return len(set(_faults(text))) / max(len(text.lines), 1)


def _faults(text: Text) -> Iterator[int]:
    """The lines with several statements, uneven indentation, or spaces where they confuse and none where they help."""
    yield from (token.start[0] for token in text.tokens if token.string == ";")
    yield from _bodies_behind_colons(text.tree)
    yield from _uneven(text.tokens)
    depth = 0
    for before, token, after in zip(text.tokens, text.tokens[1:], text.tokens[2:], strict=False):
        depth += (token.string in OPENING) - (token.string in CLOSING)
        left, right = before.end == token.start, token.end == after.start
        if (
            (token.string == "," and ((right and after.string not in CLOSING) or not left))
            or (token.string in SPACED and (left or right))
            or (token.string == "=" and not depth and (left or right))
            or (token.string in ".([" and not left and before.type == tokenize.NAME and not iskeyword(before.string))
        ):
            yield token.start[0]


def _bodies_behind_colons(tree: ast.Module) -> Iterator[int]:
    """`if x: return y`, on one line."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.stmt | ast.ExceptHandler) and isinstance(body, list) and body[0].lineno == node.lineno:
            yield node.lineno


def _uneven(tokens: Sequence[tokenize.TokenInfo]) -> Iterator[int]:
    """The lines that begin a block with another indentation than the first block has."""
    stack, unit = [0], 0
    for token in tokens:
        if token.type == tokenize.DEDENT:
            stack.pop()
        elif token.type == tokenize.INDENT:
            step = len(token.string) - stack[-1]
            stack.append(len(token.string))
            unit = unit or step
            if step != unit:
                yield token.start[0]


def _repetition(text: Text) -> float:
    """Of the lines, the share that stands there for the second time."""
    bare = [line.strip() for line in text.lines]
    counts = Counter(line for line in bare if len(line) > 8)
    return sum(count - 1 for count in counts.values()) / max(len(bare), 1)


MEASURES: Sequence[Measure] = (
    Measure("cognitive", _cognitive, 4, 20, 3),
    Measure("nesting", _nesting, 3, 7, 1),
    Measure("density", _density, 20, 60, 2),
    Measure("width", _width, 88, 160, 1),
    Measure("length", _length, 10, 40, 1),
    Measure("names", _names, 0.25, 1.0, 2),
    Measure("layout", _layout, 0.0, 0.5, 2),
    Measure("repetition", _repetition, 0.0, 0.4, 1),
)
