"""What tests say of the code that they test: the names that it must have, and how those are called."""

from __future__ import annotations

import ast
import builtins
import string
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_llmroute.sandbox.inside.judge import names_for


@dataclass(frozen=True, slots=True)
class Piece:
    """One test, or what is set up before: its syntax, walked once."""

    text: str
    body: tuple[ast.stmt, ...]
    names: tuple[str, ...]
    """In the order of the text, but for those before a dot."""
    bound: frozenset[str]
    """Names that it makes itself."""
    calls: tuple[tuple[str, ast.Call], ...]
    """Each call of a plain name."""

    @property
    def asserts_nothing(self) -> bool:
        """Whether it only says something, as `f(2) == 4` without an `assert`: it would hold whatever comes."""
        return all(
            isinstance(part, ast.Expr) and not isinstance(part.value, ast.Call | ast.Await) for part in self.body
        )


@lru_cache(maxsize=64)
def piece(text: str) -> Piece:
    """Raises ValueError with a sentence where the text is no Python."""
    tree = parsed(text)
    nodes = list(ast.walk(tree))
    dotted = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    names = sorted((node for node in nodes if isinstance(node, ast.Name) and id(node) not in dotted), key=_place)
    calls = tuple(
        (node.func.id, node) for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    bound = frozenset(name for node in nodes for name in _bound(node))
    return Piece(text, tuple(tree.body), tuple(node.id for node in names), bound, calls)


def parsed(text: str) -> ast.Module:
    """Raises ValueError with a sentence where the text is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a text is its author's to see elsewhere
            return ast.parse(text)
    except SyntaxError as error:
        at = f" in line {error.lineno} of it" if error.lineno and "\n" in text.strip() else ""
        raise ValueError(f"is no Python: {error.msg}{at}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"is no Python: {error or type(error).__name__}") from None


def names_in(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """The names that tests take from the solution; first the one used first.

    A name that only stands before a dot (`sys.getsizeof`) is a module's. Where there is nothing but names of builtins,
    the sandbox says which of them is the solution's.
    """
    bound = {name for piece in pieces for name in piece.bound}
    used = dict.fromkeys(name for piece in pieces for name in piece.names)
    free = tuple(name for name in used if name not in bound and not hasattr(builtins, name))
    return free or tuple(sorted(names_for([piece.text for piece in pieces]) - bound))


def signature(name: str, pieces: Sequence[Piece]) -> str:
    """`name(a, b)`, with as many arguments as the tests give; `name(a, b=…)` where some tests leave one out.

    The arguments' names are ours, except where a test names one itself.
    """
    calls = [call for piece in pieces for called, call in piece.calls if called == name]
    if not calls:
        return name
    counts = [len(call.args) for call in calls]
    if max(counts) > len(string.ascii_lowercase) or any(map(_starred, calls)):
        return f"{name}(*args)"
    named = dict.fromkeys(keyword.arg for call in calls for keyword in call.keywords if keyword.arg)
    always = {key for key in named if all(key in {keyword.arg for keyword in call.keywords} for call in calls)}
    letters = [letter for letter in string.ascii_lowercase if letter not in named]
    given = [letters[place] + ("" if place < min(counts) else "=…") for place in range(max(counts))]
    return f"{name}({', '.join([*given, *(key if key in always else f'{key}=…' for key in named)])})"


def _starred(call: ast.Call) -> bool:
    return any(isinstance(arg, ast.Starred) for arg in call.args) or any(key.arg is None for key in call.keywords)


def _place(node: ast.Name) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
