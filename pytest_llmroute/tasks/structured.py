"""Checks that read the reply as something: JSON, a number, or whatever a Python function makes of it."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.tasks.values import Refused

if TYPE_CHECKING:
    from pytest_llmroute.tasks.values import TaskCase

FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*")


class CheckError(UserError):
    """A check that could not be carried out: a mistake of its author, not a miss of the model."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The reply is JSON that fits a schema; a fenced block in a chatty reply will do."""

    schema: Mapping[str, Any]

    def run(self, text: str, task: TaskCase) -> CheckResult:
        import jsonschema

        fenced = FENCED.search(text)
        try:
            value = json.loads(fenced.group(1) if fenced else text)
        except (ValueError, RecursionError) as error:
            return CheckResult(False, f"wanted JSON: {printable(str(error), 120)}; got {_got(text)}")
        validator = jsonschema.validators.validator_for(self.schema, jsonschema.Draft202012Validator)
        wrong = next(iter(validator(self.schema).iter_errors(value)), None)
        if wrong is None:
            return CheckResult(True)
        place = printable("".join(f"[{key!r}]" for key in wrong.absolute_path) or "the document", 80)
        return CheckResult(False, f"does not fit the schema at {place}: {printable(wrong.message, 200)}")


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number of the reply lies near enough."""

    value: float
    absolute: float = 0.0
    relative: float = 0.0
    pick: str = "last"

    def run(self, text: str, task: TaskCase) -> CheckResult:
        numbers = [float(found.replace(",", "")) for found in NUMBER.findall(text[:100_000])]
        wanted = f"wanted {self.value:g} ± {max(self.absolute, self.relative * abs(self.value)):g}"
        if not numbers:
            return CheckResult(False, f"{wanted}; got no number in {_got(text)}")
        if self.pick == "only" and len(numbers) > 1:
            return CheckResult(False, f"{wanted} as the only number; got {len(numbers)} in {_got(text)}")
        got = numbers[0] if self.pick == "first" else numbers[-1]
        near = math.isclose(got, self.value, rel_tol=self.relative, abs_tol=self.absolute)
        return CheckResult(near and math.isfinite(got), "" if near else f"{wanted}; got {got:g}")


@dataclass(frozen=True, slots=True)
class Python:
    """A function by its dotted name decides: `f(text)` or `f(text, task)`.

    True or None passes; False, an AssertionError or (False, "why") misses; other exceptions are the author's.
    """

    name: str

    def run(self, text: str, task: TaskCase) -> CheckResult:
        function, takes_task = _function(self.name)
        try:
            answer = function(text, task) if takes_task else function(text)
        except AssertionError as error:
            return CheckResult(False, f"{self.name}: {printable(str(error) or 'assertion failed', 300)}")
        except Exception as error:
            raise CheckError(
                f"the check {self.name} broke: {type(error).__name__}: {error}", code=Code.CHECK
            ) from error
        passed, message = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, "")
        if passed is None or passed is True:
            return CheckResult(True)
        if passed is False:
            return CheckResult(False, f"{self.name}: {printable(str(message), 300) or 'said no'}; got {_got(text)}")
        raise CheckError(
            f"the check {self.name} answered {printable(repr(answer), 80)}",
            code=Code.CHECK,
            fix='return True, False, None or (False, "why")',
        )


def load_json_schema(value: Any) -> JsonSchema:
    import jsonschema

    if not isinstance(value, dict):
        raise Refused
    kind = jsonschema.validators.validator_for(value, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(value)
    except jsonschema.SchemaError as error:
        raise ValueError(f"is no JSON Schema: {error.message}") from None
    return JsonSchema(value)


def load_numeric(value: Any) -> Numeric:
    if _is_number(value):
        return Numeric(float(value))
    allowed = {"value", "abs", "rel", "pick"}
    if not isinstance(value, dict) or "value" not in value or not set(value) <= allowed:
        raise Refused
    numbers = {key: value[key] for key in ("value", "abs", "rel") if key in value}
    if not all(map(_is_number, numbers.values())) or numbers.get("abs", 0) < 0 or numbers.get("rel", 0) < 0:
        raise Refused
    if value.get("pick", "last") not in ("first", "last", "only"):
        raise Refused
    return Numeric(
        float(value["value"]),
        float(value.get("abs", 0)),
        float(value.get("rel", 0)),
        value.get("pick", "last"),
    )


def load_python(value: Any) -> Python:
    if not isinstance(value, str) or not DOTTED.fullmatch(value):
        raise Refused
    return Python(value)


@cache
def _function(name: str) -> tuple[Callable[..., Any], bool]:
    """The function and whether it wants the task too; looked up when first used."""
    module, _, attribute = name.replace(":", ".").rpartition(".")
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise CheckError(
            f"the check python: {name} can't be found: {error}",
            code=Code.CHECK,
            fix="check the spelling; its folder must be importable (ini pythonpath)",
        ) from None
    if not callable(function):
        raise CheckError(f"the check python: {name} is no function", code=Code.CHECK)
    try:
        positional = [
            p for p in inspect.signature(function).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]  # fmt: skip
    except (TypeError, ValueError):
        return function, False
    return function, len(positional) > 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _got(text: str) -> str:
    return f'"{printable(text.strip(), 120)}"'
