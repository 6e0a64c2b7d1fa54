"""The check `unit_tests`: the code of a reply, run in the sandbox on asserts, or as a program on its input.

All that a task runs is run here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_llmroute.config.sentences import Path
from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.solutions import Solution
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.prompts.extraction import Extracted, extract_code
from pytest_llmroute.sandbox.run import run_program, run_solution
from pytest_llmroute.sandbox.verdict import SolutionVerdict
from pytest_llmroute.tasks.asserts import Piece, names_in, piece
from pytest_llmroute.tasks.quality import quality_of
from pytest_llmroute.tasks.values import Mistake, Mistakes, Refused, SolutionLost

if TYPE_CHECKING:
    from pytest_llmroute.tasks.values import TaskCase

TIMEOUT = 3.0
LONGEST_TIMEOUT = 3600.0
KEYS = frozenset({"tests", "cases", "setup", "challenge", "names", "timeout"})


_references: dict[tuple[UnitTests, str], SolutionVerdict] = {}
"""What the references of tasks cost."""


@dataclass(frozen=True, slots=True)
class Program:
    """One run of the solution as a program."""

    stdin: str
    stdout: str
    """What it must print; white space at the ends of lines and of the text does not count."""


@dataclass(frozen=True, slots=True)
class UnitTests:
    """The solution passes all tests, and prints what is wanted in all cases."""

    tests: tuple[str, ...] = ()
    cases: tuple[Program, ...] = ()
    setup: str = ""
    """Runs before the tests."""
    challenge: tuple[str, ...] = ()
    """Further tests, scored apart: they decide nothing."""
    names: tuple[str, ...] = ()
    """What the solution has to define."""
    timeout: float = TIMEOUT
    """Seconds of CPU of one execution."""
    extracts: bool = True
    """False: the text is code already."""

    @property
    def long(self) -> bool:
        """It runs code: worth a thread beside the calls."""
        return True

    def run(self, text: str, task: TaskCase) -> CheckResult:
        found = extract_code(text, names=self.names) if self.extracts else Extracted(text, "whole")
        return self._judged(found, tuple(self._verdicts(found.code)), task.reference)

    def _verdicts(self, code: str) -> Iterator[SolutionVerdict]:
        """Of the tests, then of the cases, until one uses up its limits: the others would take as long."""
        if self.tests:
            yield (verdict := _executed(run_solution, code, self.tests, self.timeout, setup=self.setup))
            if verdict.status in ("timeout", "memory"):
                return
        for number, case in enumerate(self.cases, start=1):
            verdict = _executed(run_program, code, case.stdin, case.stdout, self.timeout)
            yield verdict if len(self.cases) == 1 else _named(verdict, f"case {number} of {len(self.cases)}: ")
            if verdict.status in ("timeout", "memory"):
                return

    def _judged(self, found: Extracted, verdicts: Sequence[SolutionVerdict], reference: str | None) -> CheckResult:
        decisive = _decisive(verdicts)
        held = _whole(verdicts[0].held, len(self.tests)) if self.tests else ()
        held += _whole(tuple(verdict.passed for verdict in verdicts[bool(self.tests) :]), len(self.cases))
        whole = _together(verdicts)
        quality = quality_of(found.code, whole, self._known(reference) if whole.passed and reference else None)
        solution = Solution(
            status=decisive.status,
            rule=found.rule,
            truncated=found.truncated,
            held=held,
            challenge=self._challenge(found.code) if decisive.status in ("pass", "fail") else None,
            efficiency=quality.efficiency,
            readability=quality.readability,
            cpu_seconds=whole.cpu_seconds,
            rss_peak=whole.rss_peak or None,
            seconds=whole.seconds,
            tier=decisive.tier,
            retried=any(verdict.retried for verdict in verdicts),
            output_bytes=decisive.output_bytes,
            output=decisive.output,
            code=found.code,
        )
        message = _message(decisive, found)
        if decisive.status == "infra":
            raise SolutionLost(printable(decisive.message, 400), CheckResult(False, message, None, solution))
        return CheckResult(decisive.passed, message, solution.score, solution)

    def _known(self, reference: str) -> SolutionVerdict:
        """The execution of the task's own solution: once for each process that asks."""
        key = (self, reference)
        if key not in _references:
            _references[key] = _together(tuple(self._verdicts(reference)))
        return _references[key]

    def _challenge(self, code: str) -> float | None:
        if not self.challenge:
            return None
        verdict = _executed(run_solution, code, self.challenge, self.timeout, setup=self.setup)
        return None if verdict.status == "infra" else verdict.share


def _executed(run: Any, *args: Any, **options: Any) -> SolutionVerdict:
    """A machine without a sandbox can't say anything of a solution."""
    try:
        verdict: SolutionVerdict = run(*args, **options)
    except UserError as error:
        return SolutionVerdict("infra", error.what)
    return verdict


def _decisive(verdicts: Sequence[SolutionVerdict]) -> SolutionVerdict:
    """The first that is a failure; where there is none, the first that could not be run."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    return next((verdict for verdict in failed if verdict.status != "infra"), (failed or verdicts)[0])


def _together(verdicts: Sequence[SolutionVerdict]) -> SolutionVerdict:
    """Several executions of one solution as one, with what they used together."""
    return replace(
        _decisive(verdicts),
        cpu_seconds=sum(verdict.cpu_seconds for verdict in verdicts),
        rss_peak=max(verdict.rss_peak for verdict in verdicts),
        seconds=sum(verdict.seconds for verdict in verdicts),
    )


def _named(verdict: SolutionVerdict, name: str) -> SolutionVerdict:
    return replace(verdict, message=name + verdict.message)


def _whole(held: tuple[bool, ...], count: int) -> tuple[bool, ...]:
    """What was never reached did not hold."""
    return (*held, *[False] * (count - len(held)))


def _message(verdict: SolutionVerdict, found: Extracted) -> str:
    if verdict.passed:
        return ""
    kind = "" if verdict.status == "fail" else f"{verdict.status}: "
    return printable(kind + verdict.message, 400) + (" (the reply breaks off)" if found.truncated else "")


def load_unit_tests(value: Any) -> UnitTests:
    """Raises Refused where the form is wrong, and Mistakes where the Python in it is."""
    if not isinstance(value, dict) or not value.keys() <= KEYS or not value.keys() & {"tests", "cases"}:
        raise Refused
    setup, tests, challenge = _text(value, "setup"), _texts(value, "tests"), _texts(value, "challenge")
    cases = _programs(value["cases"]) if "cases" in value else ()
    names, timeout = _names(value), _seconds(value)
    wrong: list[Mistake] = []
    before = list(_pieces([(setup, ("setup",))] if setup else [], wrong))
    pieces = list(_pieces([(text, ("tests", place)) for place, text in enumerate(tests)], wrong))
    list(_pieces([(text, ("challenge", place)) for place, text in enumerate(challenge)], wrong))
    if setup and not (tests or challenge):
        wrong.append(Mistake(("setup",), "runs before tests, and there are none"))
    if wrong:
        raise Mistakes(wrong)
    return UnitTests(tests, cases, setup, challenge, names or names_in([*before, *pieces]), timeout)


def _pieces(texts: Sequence[tuple[str, Path]], wrong: list[Mistake]) -> Iterator[Piece]:
    for text, at in texts:
        try:
            found = piece(text)
        except ValueError as error:
            wrong.append(Mistake(at, str(error)))
            continue
        if at != ("setup",) and found.asserts_nothing:
            wrong.append(Mistake(at, f'"{printable(text.strip(), 60)}" asserts nothing: it would always hold'))
        yield found


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key, "")
    if not isinstance(text, str):
        raise Refused
    return text


def _texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    texts = value.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise Refused
    if key in value and not texts:
        raise Refused
    return tuple(texts)


def _programs(cases: Any) -> tuple[Program, ...]:
    if not isinstance(cases, list) or not cases:
        raise Refused
    for case in cases:
        if not isinstance(case, dict) or not {"stdout"} <= case.keys() <= {"stdin", "stdout"}:
            raise Refused
        if not all(isinstance(text, str) for text in case.values()):
            raise Refused
    return tuple(Program(case.get("stdin", ""), case["stdout"]) for case in cases)


def _names(value: Mapping[str, Any]) -> tuple[str, ...]:
    names = _texts(value, "names")
    if not all(name.isidentifier() and name.isascii() for name in names):
        raise Refused
    return names


def _seconds(value: Mapping[str, Any]) -> float:
    seconds = value.get("timeout", TIMEOUT)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_TIMEOUT:
        raise Refused
    return float(seconds)
