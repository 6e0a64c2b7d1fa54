"""Which tests decide on an attempt, and which score it: kept apart, or the same."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, replace

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.prompts.extraction import extract_code
from pytest_llmroute.tasks.checks import Check, unit_tests_of
from pytest_llmroute.tasks.structured import FENCED, JsonSchema


@dataclass(frozen=True, slots=True)
class Judged:
    """One reply, as it looks to those who go on, and as it counts."""

    decides: CheckResult
    scores: CheckResult
    feedback: str
    """What was used: a task whose tests can't be told apart has `all`, whatever is wanted."""


def judged(check: Check, result: CheckResult, wanted: str) -> Judged:
    """From one run of all tests."""
    found, unit = result.solution, next(unit_tests_of(check), None)
    if found is None or unit is None or unit is not check:
        return Judged(result, result, "all")
    if wanted == "visible" and len(unit.tests) > 1:
        seen = found.held[:1] == (True,)
        return Judged(CheckResult(True, solution=found) if seen else result, result, "visible")
    if wanted == "challenge" and unit.challenge:
        held = found.challenge or 0.0
        passed = result.passed and held == 1.0
        message = result.message or ("" if passed else f"the challenge: {held:.0%} of its tests held")
        return Judged(result, replace(result, passed=passed, message=message), "challenge")
    return Judged(result, result, "all")


def first_held(result: CheckResult) -> bool:
    """Whether the first test held; where no tests were run, whether the answer passed."""
    held = result.solution.held if result.solution else ()
    return held[0] if held else result.passed


def well_formed(check: Check, text: str) -> bool:
    """Whether the code of a reply compiles, or where no code is wanted, the reply is JSON or any text at all."""
    unit = next(unit_tests_of(check), None)
    if unit is not None:
        code = extract_code(text, names=unit.names).code
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        return bool(code.strip())
    if isinstance(check, JsonSchema):
        fenced = FENCED.search(text)
        try:
            json.loads(fenced.group(1) if fenced else text)
        except (ValueError, RecursionError):
            return False
    return bool(text.strip())
