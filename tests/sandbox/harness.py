"""Runs entries of the corpus through an executor, and reports all that a sandbox may not let happen."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pytest_llmroute.sandbox.verdict import SolutionVerdict

from .canaries import Canaries, planted, removed
from .corpus.entry import DOUBLE, DOUBLED, Entry
from .scene import Scene, processes

Kind = Literal["raised", "status", "false pass", "held", "output", "slow", "leak", "process", "file", "mount", "state"]
LOOSE: frozenset[Kind] = frozenset({"raised", "false pass", "leak", "process", "file", "mount", "state"})
"""Findings after which nothing dangerous is tried."""
TEXT_LIMIT = 4 << 20
"""Characters of a verdict: whoever keeps more of a flood is flooded."""
PATIENCE = 3.0
"""Seconds that processes have to go away."""


class Executor(Protocol):
    """`run_solution`, or what stands in for it."""

    def __call__(self, code: str, tests: Sequence[str], timeout: float, *, setup: str = "") -> SolutionVerdict: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that should not have been."""

    entry: str
    kind: Kind
    detail: str


Found = tuple[Kind, str]


class Watch:
    """An executor, what is planted around it, and what the machine looks like when it rests.

    `ignore`: paths that are no trace of a run; by default all whose name has not the mark, since other tests run too.
    """

    def __init__(self, executor: Executor, canaries: Canaries, ignore: Callable[[Path], bool] | None = None) -> None:
        self.executor, self.canaries = executor, canaries
        self.ignore = ignore or (lambda path: canaries.mark not in path.name)
        with suppress(Exception):  # what it raises is found when an entry is run
            executor(DOUBLE, [DOUBLED], 2.0)
        self.resting = len(processes(canaries.mark)[0])

    def findings(self, entry: Entry) -> list[Finding]:
        """Runs `entry`, after what has to come before it."""
        return [Finding(entry.id, kind, detail) for kind, detail in self.look(self.canaries.named_in(entry))]

    def look(self, entry: Entry) -> Iterator[Found]:
        scene = Scene.now(self.canaries.mark)
        if entry.before:
            _, found = self.run(entry.before, ["assert True"], entry)
            yield from found
        verdict, found = self.run(entry.code, entry.tests, entry)
        yield from found
        if verdict:
            yield from judged(entry, verdict)
        for canary, how in self.canaries.reached():
            yield "leak", f"{canary}: {how}"
        yield from self.left(scene)

    def run(self, code: str, tests: Sequence[str], entry: Entry) -> tuple[SolutionVerdict | None, list[Found]]:
        started = time.monotonic()
        found: list[Found] = []
        try:
            verdict = self.executor(code, tests, entry.timeout, setup=entry.setup)
        except Exception as error:
            return None, [("raised", f"{type(error).__name__}: {error}"[:300])]
        if (took := time.monotonic() - started) > 5 * entry.timeout + 12:
            found.append(("slow", f"{took:.1f} s for a timeout of {entry.timeout:g} s"))
        told = self.canaries.told(f"{verdict.message}\n{verdict.output}")
        return verdict, found + [("leak", f"{canary}: in the verdict") for canary in told]

    def left(self, before: Scene) -> Iterator[Found]:
        """What is there now and was not `before`; it is cleared away, so that each thing is told once."""
        now = self.settled(before)
        if len(now.ours) > self.at_rest(before):
            yield "process", f"{len(now.ours)} processes of ours, not {self.at_rest(before)}"
        for pid in sorted(now.marked - before.marked):
            yield "process", f"{pid} has the mark"
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for path in map(Path, sorted(now.paths - before.paths)):
            if not self.ignore(path):
                yield "file", str(path)
            if self.canaries.mark in path.name:
                removed(path)
        yield from (("mount", mount) for mount in sorted(now.mounts - before.mounts))
        yield from (("state", thing) for thing in sorted(now.objects - before.objects))
        if now.state != before.state:
            yield "state", f"{before.state} became {now.state}"

    def settled(self, before: Scene) -> Scene:
        deadline = time.monotonic() + PATIENCE
        while True:
            now = Scene.now(self.canaries.mark)
            calm = len(now.ours) <= self.at_rest(before) and not now.marked - before.marked
            if calm or time.monotonic() > deadline:
                return now
            time.sleep(0.02)

    def at_rest(self, before: Scene) -> int:
        """How many processes an executor may keep: as many as after its first, harmless run."""
        return max(self.resting, len(before.ours))


def judged(entry: Entry, verdict: SolutionVerdict) -> Iterator[Found]:
    """What is wrong with the verdict itself."""
    if verdict.status not in entry.allowed:
        kind: Kind = "false pass" if verdict.status == "pass" else "status"
        yield kind, f"{verdict.status}, not {'/'.join(sorted(entry.allowed))}: {verdict.message[-300:]}"
    if verdict.status == "pass" and verdict.held != (True,) * len(entry.tests):
        yield "held", f"passed with {verdict.held} for {len(entry.tests)} tests"
    if not entry.honest and verdict.status != "pass" and verdict.held and all(verdict.held):
        yield "held", f"{verdict.status}, and yet all tests held"
    if len(verdict.held) > len(entry.tests):
        yield "held", f"{len(verdict.held)} answers for {len(entry.tests)} tests"
    if entry.prints not in verdict.output:
        yield "output", f"{entry.prints!r} is not in {verdict.output[:300]!r}"
    if len(verdict.message) + len(verdict.output) > TEXT_LIMIT:
        yield "output", f"{len(verdict.message)} + {len(verdict.output)} characters were kept"


def survey(executor: Executor, entries: Iterable[Entry], ignore: Callable[[Path], bool] | None = None) -> list[Finding]:
    """All that is wrong with `executor`. Dangerous entries come last, and only if it has held all others."""
    findings: list[Finding] = []
    with planted() as canaries:
        watch = Watch(executor, canaries, ignore)
        for entry in sorted(entries, key=lambda entry: entry.dangerous):
            if entry.dangerous and any(finding.kind in LOOSE for finding in findings):
                findings.append(Finding(entry.id, "status", "not run: this executor holds nothing"))
            else:
                findings += watch.findings(entry)
    return findings
