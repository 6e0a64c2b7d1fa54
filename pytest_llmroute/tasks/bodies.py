"""A solution without its bodies: what no task may accept."""

from __future__ import annotations

import ast
from typing import TypeVar

from pytest_llmroute.tasks.asserts import parsed

KEPT = ("staticmethod", "classmethod", "property")
"""Decorators that say what a method is; others go with the body that they are for."""
Function = TypeVar("Function", ast.FunctionDef, ast.AsyncFunctionDef)


def emptied(code: str) -> str:
    """The same names, and every function and method returns None; `pass` where there is no function.

    Raises ValueError where the code is no Python.
    """
    tree = parsed(code)
    empty = _Empty()
    try:
        whole = empty.visit(tree)
        return ast.unparse(ast.fix_missing_locations(whole)) if empty.found else "pass"
    except RecursionError:
        return "pass"


class _Empty(ast.NodeTransformer):
    found = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return self._empty(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return self._empty(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.found = True
        node.body = ast.Constant(None)
        return node

    def _empty(self, node: Function) -> Function:
        self.found = True
        node.body = [ast.Pass()]
        node.decorator_list = [item for item in node.decorator_list if _kept(item)]
        return node


def _kept(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Attribute):
        return decorator.attr in ("setter", "deleter", "getter")
    return isinstance(decorator, ast.Name) and decorator.id in KEPT
