"""A piece of Python and what its tree tells: what it defines, what it lacks, whether it does anything."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass

BUILTINS = frozenset(dir(builtins))
HAS_ITS_OWN = (ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
"""Expressions whose names are not those of the level around them."""


@dataclass(frozen=True, slots=True)
class Source:
    """A piece that is Python, and what it is good for."""

    code: str
    defines: frozenset[str]
    """Functions and classes of the outermost level that do something."""
    stubs: frozenset[str]
    """Those without a body worth the name."""
    assigns: frozenset[str]
    imports: frozenset[str]
    needs: frozenset[str]
    """Names that it uses and does not bind itself."""
    does: bool
    """Whether it is more than literals and names."""
    is_body: bool = False
    """Whether it returns outside any function."""
    cut: bool = False
    """Whether an unfinished statement at its end was left away."""

    @property
    def binds(self) -> frozenset[str]:
        return self.defines | self.stubs | self.assigns | self.imports


def source_of(code: str, tree: ast.Module, cut: bool = False) -> Source:
    outer = _Outer()
    outer.visit_all(tree.body)
    bound, used = _names(tree)
    return Source(
        code=code,
        defines=frozenset(outer.defines),
        stubs=frozenset(outer.stubs - outer.defines),
        assigns=frozenset(outer.assigns),
        imports=frozenset(outer.imports),
        needs=frozenset(used - bound - BUILTINS),
        does=not all(map(_idle, tree.body)),
        is_body=outer.returns,
        cut=cut,
    )


class _Outer:
    """What the outermost level binds: inside `if`, `try`, `for` and `with` too, not inside functions and classes."""

    def __init__(self) -> None:
        self.defines: set[str] = set()
        self.stubs: set[str] = set()
        self.assigns: set[str] = set()
        self.imports: set[str] = set()
        self.returns = False

    def visit_all(self, body: Iterable[ast.AST]) -> None:
        waiting = list(body)
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                (self.stubs if _is_stub(node) else self.defines).add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                self.imports.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.Return | ast.Yield | ast.YieldFrom):
                self.returns = True
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.assigns.add(node.id)
            elif not isinstance(node, HAS_ITS_OWN):
                waiting.extend(ast.iter_child_nodes(node))


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """All names that are bound anywhere, and all that are used."""
    bound: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
    return bound, used


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Nothing but a docstring, `pass`, `...`, or the remark that it is not written yet."""
    if isinstance(node, ast.ClassDef) and (node.bases or node.decorator_list):
        return False
    return all(
        isinstance(inner, ast.Pass)
        or (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant))
        or (isinstance(inner, ast.Raise) and inner.exc is not None and "NotImplementedError" in ast.dump(inner.exc))
        for inner in node.body
    )


def _idle(node: ast.stmt) -> bool:
    """A statement that calls nothing and binds nothing: a name, a literal, a sum of such."""
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    if not isinstance(node, ast.Expr):
        return False
    return not any(isinstance(inner, ast.Call | ast.Await | ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


def strange(tree: ast.Module) -> int:
    """The line of the first statement that is a word of prose: idle, and of names that nothing binds; else 0."""
    suspects = [node for node in tree.body if _idle(node)]
    if not suspects:
        return 0
    bound, _ = _names(tree)
    if "*" in bound:
        return 0
    for node in suspects:
        _, used = _names(ast.Module([node], []))
        if used - bound - BUILTINS:
            return node.lineno
    return 0
