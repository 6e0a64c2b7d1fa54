"""Whether the engine keeps its budgets: each figure beside its target; exit status 1 where one is missed.

Windows are the best of several runs, each with `http.client` beside it in the same minute: what else the machine does
makes a run slower, and never faster. `--slack 1.25` lets figures of a busy machine be that much worse; `--tasks N` is
the size of the large run. Run it on a quiet machine: `python bench/budgets.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine import LATENCY, MODELS, NOBODY_ELSE, OURS, Ran, Suite, makes_calls_ahead, yardstick
from measured import Cost, pytest_cost
from mock_server import MockServer

TASKS = 1000
WINDOWS = {10: 1.04, 50: 1.08, 100: 1.12}
"""Slots → first request to last answer ÷ (tasks × latency ÷ slots)."""
MB, KB = 1e6, 1e3
TIMED = """
import json, time, pytest
moments = {}

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session):
    began = time.perf_counter()
    result = yield
    moments["loop"], moments["ended"] = time.perf_counter() - began, time.perf_counter()
    return result

@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    plain = terminalreporter.write_line
    def write_line(line, *args, **more):
        moments.setdefault("first", time.perf_counter() - moments["ended"]) if "tokens in/out" in line else None
        plain(line, *args, **more)
    terminalreporter.write_line = write_line

def pytest_unconfigure():
    with open("moments.json", "w") as file:
        json.dump(moments, file)
"""
"""A conftest.py that notes how long the loop took, and when after it the table was printed."""


class Line(NamedTuple):
    """One budget."""

    what: str
    figure: float
    target: float
    unit: str
    beside: str = ""

    def kept(self, slack: float) -> bool:
        return self.figure <= self.target * slack


@dataclass(frozen=True)
class Bench:
    """Runs of one suite."""

    suite: Suite
    rounds: int

    def windows(self) -> Iterator[Line]:
        for slots, target in WINDOWS.items():
            ours, bare = zip(*(self._pair(TASKS, slots) for _ in range(self.rounds)), strict=True)
            yield Line(f"window ÷ limit at {slots} slots", _best(ours), target, "×", f"http.client {_best(bare):.2f}")
        ours, bare = zip(*(self._pair(4000, 500) for _ in range(self.rounds)), strict=True)
        yield Line("the same, 4,000 tasks at 500", _best(ours), 2.0, "×", f"http.client {_best(bare):.2f}")

    def _pair(self, tasks: int, slots: int) -> tuple[Ran, Ran]:
        def server() -> MockServer:
            return MockServer(models=MODELS, latency=LATENCY, slots=slots, pieces=1, text="ok ")

        with server() as one:
            bare = yardstick(self.suite.folder, "http.client", one, tasks, slots)
        with server() as one:
            return self.suite.run(one, tasks, slots), bare

    def costs(self) -> Iterator[Line]:
        with MockServer(models=MODELS) as server:

            def ran(tasks: int) -> Cost:
                server.reset()
                return self.suite.run(server, tasks, 10).cost

            ran(1)  # compiles the modules
            ones, many = [ran(1) for _ in range(self.rounds)], [ran(TASKS) for _ in range(3)]
        bare_ones = [self.suite.plain(1) for _ in range(self.rounds)]
        bare_many = [self.suite.plain(TASKS) for _ in range(3)]
        beside = f"plain items {1000 * _cpu(bare_many) / TASKS:.2f}"
        yield Line("CPU a task, all in", 1000 * _cpu(many) / TASKS, 1.5, "ms", beside)
        start = _cpu(ones) - _cpu(bare_ones)
        yield Line("one task, above bare pytest", start, 0.15, "CPU s", f"bare pytest {_cpu(bare_ones):.2f}")
        more = min(cost.rss for cost in many) - min(cost.rss for cost in bare_many)
        yield Line(f"memory of {TASKS} tasks above plain items", more / MB, _room(TASKS), "MB")

    def large(self, tasks: int) -> Iterator[Line]:
        """Recorded calls: nobody is asked, so that all that is left is our own work."""
        one, few, many = self._replayed(1), self._replayed(TASKS), self._replayed(tasks)
        each = (few["cpu"] - one["cpu"]) / TASKS
        ratio = (many["cpu"] - one["cpu"]) / tasks / each
        yield Line(
            f"{tasks:,} tasks replayed: CPU a task ÷ that of {TASKS:,}", ratio, 1.3, "×", f"{1000 * each:.2f} ms"
        )
        yield Line(f"{tasks:,} tasks replayed: until the table is printed", many["first"], 1.0, "s")
        more = many["rss"] - self.suite.plain(tasks).rss
        yield Line(f"{tasks:,} tasks replayed: memory above plain items", more / MB, _room(tasks), "MB")

    def _replayed(self, tasks: int) -> dict[str, float]:
        with MockServer(models=MODELS) as server:
            self.suite.write(server, tasks)
            self.suite.folder.joinpath("conftest.py").write_text(TIMED)
            args = (*OURS, "made.llm.jsonl", "--llm-concurrency=10")
            recorded = pytest_cost(self.suite.folder, *args, "--llm-replay=auto", env=NOBODY_ELSE)
        cost = pytest_cost(self.suite.folder, *args, "--llm-replay=only", env=NOBODY_ELSE)
        self.suite.folder.joinpath("conftest.py").unlink()
        assert (recorded.status, cost.status) == (0, 0)
        return {**json.loads(self.suite.folder.joinpath("moments.json").read_text()), "cpu": cost.cpu, "rss": cost.rss}


def _room(tasks: int) -> float:
    """Megabytes that so many tasks may take."""
    return 30 + 3 * tasks * KB / MB


def _best(runs: tuple[Ran, ...]) -> float:
    return min(ran.stats.window / ran.limit for ran in runs)


def _cpu(costs: list[Cost]) -> float:
    return min(cost.cpu for cost in costs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slack", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=10_000)
    asked = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        assert makes_calls_ahead(Path(name))
        bench = Bench(Suite(Path(name), True), asked.rounds)
        for lines in (bench.costs(), bench.windows(), bench.large(asked.tasks)):
            for line in lines:
                kept = line.kept(asked.slack)
                missed += not kept
                said = f"{line.figure:8.2f} {line.unit:<6} target {line.target:<6g} {'' if kept else 'MISSED'}"
                print(f"{line.what:<58}{said:<34} {line.beside}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
