"""Checks on a reply: each a small value with `run(text, task)`, loaded from one key of a task file.

exact, contains, regex, json_schema, numeric, python, unit_tests, and all / any / not of these. Another one is a
CheckType, registered by the hook `llmroute_checks`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard

from pytest_llmroute.codes import Code
from pytest_llmroute.config.sentences import Path
from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.errors import UserError, broken, guarded, printable
from pytest_llmroute.tasks.values import Mistake, Mistakes, Refused

if TYPE_CHECKING:
    from pytest_llmroute.core.solutions import Solution
    from pytest_llmroute.tasks.unit_tests import UnitTests
    from pytest_llmroute.tasks.values import TaskCase

LONGEST = 100_000
"""Longer replies are judged by their first characters, so that a pattern can't take for ever on them."""
REGEX_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


class Check(Protocol):
    """Judges one reply."""

    def run(self, text: str, task: TaskCase) -> CheckResult: ...


Loader = Callable[[Any], Check]


@dataclass(frozen=True, slots=True)
class CheckType:
    """A kind of check: its key in task files, and how its value becomes a Check.

    `load(value)` raises ValueError with a sentence when the value can't be; `schema` describes the value to
    editors and to the messages about broken files.
    """

    name: str
    load: Loader
    schema: Mapping[str, Any]


def llmroute_checks() -> Sequence[CheckType]:
    """The hook's implementation; the schemas of these are part of the published file."""
    return [CheckType(name, load, {"$ref": f"#/$defs/{name}"}) for name, load in _LOADERS.items()]


def builtin_checks() -> dict[str, CheckType]:
    return {kind.name: kind for kind in llmroute_checks()}


def load_check(value: Any, at: Path, types: Mapping[str, CheckType]) -> Check:
    """A mapping with one key: the check's name. Raises Refused, or Mistakes with their places below `at`."""
    if not isinstance(value, dict) or len(value) != 1:
        raise Refused
    ((name, content),) = value.items()
    if name in ("all", "any"):
        if not isinstance(content, list) or not content:
            raise Refused
        parts = _load_parts(content, (*at, name), types)
        return All(parts) if name == "all" else Any_(parts)
    if name == "not":
        return Not(load_check(content, (*at, "not"), types))
    if name not in types:
        raise Refused
    try:
        return types[name].load(content)
    except Mistakes as found:
        raise found.below((*at, name)) from None
    except ValueError as error:
        if name not in _LOADERS and not _fits(content, types[name].schema):
            raise Refused from None  # the schema of the extension says it better
        raise Mistakes([Mistake((*at, name), str(error))]) from None
    except Exception as error:
        if isinstance(error, Refused) or name in _LOADERS:
            raise
        raise Mistakes([Mistake((*at, name), broken("loading the check", error).what)]) from error


def _load_parts(items: list[Any], at: Path, types: Mapping[str, CheckType]) -> tuple[Check, ...]:
    parts: list[Check] = []
    wrong: list[Mistake] = []
    for place, item in enumerate(items):
        try:
            parts.append(load_check(item, (*at, place), types))
        except Mistakes as found:
            wrong += found.mistakes
    if wrong:
        raise Mistakes(wrong)
    return tuple(parts)


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    import jsonschema

    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


class All(NamedTuple):
    """Every part must hold; the score is the share that does."""

    parts: tuple[Check, ...]

    def run(self, text: str, task: TaskCase) -> CheckResult:
        results = [part.run(text, task) for part in self.parts]
        held = sum(result.passed for result in results)
        message = "; ".join(result.message for result in results if not result.passed)
        return CheckResult(held == len(results), message, held / len(results), _solution(results))


class Any_(NamedTuple):
    """One part must hold."""

    parts: tuple[Check, ...]

    def run(self, text: str, task: TaskCase) -> CheckResult:
        results = [part.run(text, task) for part in self.parts]
        held = [result for result in results if result.passed]
        message = "" if held else "none of these held: " + "; ".join(result.message for result in results)
        return CheckResult(bool(held), message, solution=_solution(held) or _solution(results))


class Not(NamedTuple):
    """The part must not hold."""

    part: Check

    def run(self, text: str, task: TaskCase) -> CheckResult:
        result = self.part.run(text, task)
        message = f"held, and must not: {describe(self.part)}; got {_got(text)}" if result.passed else ""
        return CheckResult(not result.passed, message, solution=result.solution)


class Exact(NamedTuple):
    """The whole reply is one of these texts."""

    texts: tuple[str, ...]
    strip: bool = True
    ignore_case: bool = False

    def run(self, text: str, task: TaskCase) -> CheckResult:
        passed = self._form(text) in {self._form(wanted) for wanted in self.texts}
        return _result(passed, f"wanted exactly {_any_of(self.texts)}", text)

    def _form(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text


class Contains(NamedTuple):
    """All of these texts occur."""

    texts: tuple[str, ...]
    ignore_case: bool = False

    def run(self, text: str, task: TaskCase) -> CheckResult:
        body = text.casefold() if self.ignore_case else text
        missing = [t for t in self.texts if (t.casefold() if self.ignore_case else t) not in body]
        score = 1 - len(missing) / len(self.texts)
        wanted = " and ".join(_quoted(item) for item in missing)
        return CheckResult(not missing, f"wanted {wanted} in it; got {_got(text)}" if missing else "", score)


class Regex(NamedTuple):
    """The pattern is found (or, with `full`, fits the whole reply)."""

    pattern: re.Pattern[str]
    full: bool = False

    def run(self, text: str, task: TaskCase) -> CheckResult:
        body = text[:LONGEST]
        found = self.pattern.fullmatch(body.strip()) if self.full else self.pattern.search(body)
        return _result(found is not None, f"wanted a match of /{self.pattern.pattern}/", text)


def run_check(task: TaskCase, text: str) -> CheckResult:
    """A task's verdict on a reply; a check that asserts may miss, whatever else it raises is its author's mistake."""
    check, name = task.check, f"the check {describe(task.check)}"
    try:
        result: object = guarded(name, lambda: check.run(text, task))
    except UserError as error:
        if isinstance(error.__cause__, AssertionError):
            return CheckResult(False, f"{printable(str(error.__cause__) or 'assertion failed', 300)}; got {_got(text)}")
        raise
    if not isinstance(result, CheckResult):
        raise UserError(f"{name} gave {type(result).__name__}, not a CheckResult", code=Code.HOOK)
    return result


def describe(check: Check) -> str:
    """A check in a few words."""
    if isinstance(check, Exact):
        return f"exactly {_any_of(check.texts)}"
    if isinstance(check, Contains):
        return "contains " + " and ".join(map(_quoted, check.texts))
    if isinstance(check, Regex):
        return f"a match of /{printable(check.pattern.pattern, 60)}/"
    if _runs_code(check):
        return "the unit tests"
    return type(check).__name__.strip("_").lower()


def unit_tests_of(check: Check) -> Iterator[UnitTests]:
    """The parts of a check that run code."""
    if _runs_code(check):
        yield check
    elif isinstance(check, Not):
        yield from unit_tests_of(check.part)
    elif isinstance(check, All | Any_):
        for part in check.parts:
            yield from unit_tests_of(part)


def on_code(check: Check) -> Check:
    """The same check for a text that is code, and no reply."""
    if _runs_code(check):
        return replace(check, extracts=False)
    if isinstance(check, Not):
        return Not(on_code(check.part))
    if isinstance(check, All | Any_):
        return type(check)(tuple(map(on_code, check.parts)))
    return check


def _runs_code(check: Check) -> TypeGuard[UnitTests]:
    """What runs code is loaded by the first check that does."""
    loaded = sys.modules.get("pytest_llmroute.tasks.unit_tests")
    return loaded is not None and isinstance(check, loaded.UnitTests)


def _solution(results: Sequence[CheckResult]) -> Solution | None:
    """Of several executions the first is kept."""
    return next((result.solution for result in results if result.solution), None)


def _result(passed: bool, wanted: str, text: str) -> CheckResult:
    return CheckResult(passed, "" if passed else f"{printable(wanted, 300)}; got {_got(text)}")


def _got(text: str) -> str:
    return _quoted(text.strip(), 120) if text.strip() else "an empty reply"


def _quoted(text: str, limit: int = 80) -> str:
    return f'"{printable(text, limit)}"'


def _any_of(texts: Sequence[str]) -> str:
    return " or ".join(_quoted(text) for text in texts[:4]) + (" or …" if len(texts) > 4 else "")


def _texts(value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not texts or not all(isinstance(text, str) for text in texts):
        raise Refused
    return texts


def _options(value: Any, main: str, allowed: Mapping[str, type]) -> tuple[Any, dict[str, Any]]:
    """The long form `{main: …, option: …}`, or the short one with the value alone."""
    if not isinstance(value, dict):
        return value, {}
    options = dict(value)
    if main not in options:
        raise Refused
    content = options.pop(main)
    for key, item in options.items():
        if key not in allowed or not isinstance(item, allowed[key]):
            raise Refused
    return content, options


def _load_exact(value: Any) -> Check:
    content, options = _options(value, "text", {"strip": bool, "ignore_case": bool})
    return Exact(_texts(content), **options)


def _load_contains(value: Any) -> Check:
    content, options = _options(value, "text", {"ignore_case": bool})
    return Contains(_texts(content), **options)


def _load_regex(value: Any) -> Check:
    pattern, options = _options(value, "pattern", {"flags": str, "full": bool})
    if not isinstance(pattern, str):
        raise Refused
    flags = 0
    for letter in options.get("flags", ""):
        if letter not in REGEX_FLAGS:
            raise Refused
        flags |= REGEX_FLAGS[letter]
    try:
        return Regex(re.compile(pattern, flags), options.get("full", False))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"/{printable(pattern, 80)}/ is no regular expression: {error}") from None


def _load_json_schema(value: Any) -> Check:
    from pytest_llmroute.tasks.structured import load_json_schema

    return load_json_schema(value)


def _load_numeric(value: Any) -> Check:
    from pytest_llmroute.tasks.structured import load_numeric

    return load_numeric(value)


def _load_python(value: Any) -> Check:
    from pytest_llmroute.tasks.structured import load_python

    return load_python(value)


def _load_unit_tests(value: Any) -> Check:
    from pytest_llmroute.tasks.unit_tests import load_unit_tests

    return load_unit_tests(value)


_LOADERS: dict[str, Loader] = {
    "exact": _load_exact,
    "contains": _load_contains,
    "regex": _load_regex,
    "json_schema": _load_json_schema,
    "numeric": _load_numeric,
    "python": _load_python,
    "unit_tests": _load_unit_tests,
}
