"""What an attempt is told of the one before it: the kind of error, the call that failed; no value that is expected.

A hint that holds what an assert compares with, and what the prompt has not told already, is not given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.tasks.asserts import parsed
from pytest_llmroute.tasks.checks import Check, unit_tests_of

RAISED = re.compile(r"error: (?:case \d+ of \d+: )?(?:setup: )?(?:test \d+ of \d+: )?([A-Za-z_]\w{0,60})(?=[:,]|$)")
LONGEST = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of an answer that did not pass; empty where no code was run."""

    kind: str = ""
    """The exception's name, or fail, timeout, memory."""
    test: str = ""
    """The first test that did not hold."""
    names: tuple[str, ...] = ()
    """What the solution has to define."""

    @property
    def shape(self) -> str:
        """The solution's call in the test, with types for its arguments; empty where there is none."""
        return next(iter(_shapes(self.test, self.names)), "")


def failure_of(check: Check, result: CheckResult) -> Failure:
    """What a check's verdict says of the code."""
    found = result.solution
    unit = next(unit_tests_of(check), None)
    if result.passed or found is None or unit is None:
        return Failure()
    raised = RAISED.match(result.message) if found.status == "error" else None
    kind = raised[1] if raised else found.status
    lost = next((place for place, held in enumerate(found.held[: len(unit.tests)]) if not held), None)
    return Failure(kind, unit.tests[lost] if lost is not None else "", unit.names)


def hint_of(failure: Failure, level: str, prompt: str) -> tuple[str, str]:
    """The hint, and what it shows: at most `level`, and less where more would tell what is not to be told."""
    if level == "none" or not failure.kind:
        return "", "none"
    if level == "values" and failure.test:
        return f"{_said(failure)} This did not hold: {failure.test[:LONGEST]}", "values"
    secrets = [value for value in _expected(failure.test, failure.names) if value not in prompt]
    hints = [(_said(failure), "class")]
    if level != "class" and (shape := failure.shape):
        hints.insert(0, (f"{_said(failure)} It was called as {shape}.", "shape"))
    return next((hint for hint in hints if not any(secret in hint[0] for secret in secrets)), ("", "none"))


def _said(failure: Failure) -> str:
    if failure.kind == "timeout":
        return "Your last answer took too long."
    if failure.kind == "memory":
        return "Your last answer used too much memory."
    if failure.kind == "fail":
        return "Your last answer ran, but gave a wrong result."
    if failure.kind == "error":
        return "Your last answer could not be run."
    return f"Your last answer raised {failure.kind}."


def _calls(test: str, names: Sequence[str]) -> list[ast.Call]:
    """Calls of the solution, the outermost first."""
    try:
        tree = parsed(test)
    except ValueError:
        return []
    return [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]  # fmt: skip


def _shapes(test: str, names: Sequence[str]) -> Iterator[str]:
    for call in _calls(test, names):
        assert isinstance(call.func, ast.Name)
        given = [*map(_type, call.args), *(f"{key.arg or '**'}={_type(key.value)}" for key in call.keywords)]
        yield f"{call.func.id}({', '.join(given)})"


_KINDS: dict[type[ast.expr], str] = {
    ast.List: "list", ast.ListComp: "list", ast.Tuple: "tuple", ast.Dict: "dict", ast.DictComp: "dict", ast.Set: "set",
    ast.SetComp: "set", ast.JoinedStr: "text", ast.Lambda: "function", ast.Compare: "bool",
}  # fmt: skip


def _type(node: ast.expr) -> str:
    """A word for the kind of an argument, never its value."""
    if isinstance(node, ast.UnaryOp):
        return _type(node.operand)
    if isinstance(node, ast.Constant):
        return {"str": "text", "NoneType": "nothing", "ellipsis": "value"}.get(
            type(node.value).__name__, type(node.value).__name__
        )
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and (kinds := {_type(item) for item in node.elts}):
        return f"{_KINDS[type(node)]} of {kinds.pop() if len(kinds) == 1 else 'values'}"
    return _KINDS.get(type(node), "value")


def _expected(test: str, names: Sequence[str]) -> Iterator[str]:
    """What a test compares with, in each way in which it may be written."""
    try:
        tree = parsed(test)
    except ValueError:
        return
    inside = {id(node) for call in _calls(test, names) for node in ast.walk(call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr) or id(node) in inside or any(id(part) in inside for part in ast.walk(node)):
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            continue
        yield ast.unparse(node)
        with suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            yield repr(ast.literal_eval(node))
