"""Whole runs of pytest against a server that answers after a fixed time: how near they come to what its slots allow.

The limit is tasks × latency ÷ slots; the yardstick is threads with kept-alive connections in the same run. A plugin
without `--llm-concurrency` is measured as it is: one call after the other. `--quick`: fewer tasks, one round;
`--large`: 100,000 tasks, too; `--pieces N`: chunks of text in an answer. It imports little: a child's peak memory is
never below its parent's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import run

from measured import Cost, cost_of, pytest_cost
from mock_server import MockServer, Stats

HERE = Path(__file__).parent
OPTION = "--llm-concurrency"
LATENCY = 0.1
ALONE = 30
"""Tasks of a run whose calls are made one after the other."""
MODELS = {"one": 1, "two": 1}
YARDSTICKS = ("http.client", "urllib3")
LOAD, SWAP_CALL, SWAP_SLOTS, SWAP_TASKS = 0.1, 0.01, 4, 80
SWAP_SIZE, SWAP_ROOM = 4_000_000_000, 6_000_000_000
NOBODY_ELSE = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "",
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "llmroute-bench"),
}
"""Nobody else's plugins: what they cost is not ours. Modules are compiled once, as pip compiles what it installs."""
OURS = ("-p", "pytest_llmroute.plugin")
CONFIG = """
profile = "mock"
[models.one]
backend = "{backend}"
base_url = "{url}"
[models.two]
extends = "one"
id = "two"
[profiles.mock]
roles = {{ tiny = "one", small = "one", medium = "one", coder = "one", large = "one", remote = "one" }}
[strategies.dealt]
extends = "single"
rules = [{{ user = "one", use = "one" }}, {{ user = "two", use = "two" }}]
"""
PLAIN = "import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n): pass\n"


@dataclass(frozen=True)
class Ran:
    """One run, with what the server saw of it."""

    tasks: int
    slots: int
    cost: Cost
    stats: Stats

    @property
    def limit(self) -> float:
        """Seconds below which nobody can be."""
        return math.ceil(self.tasks / self.slots) * LATENCY

    def line(self, title: str, start: float) -> str:
        """`start`: CPU seconds of a run with a single call."""
        cost, stats = self.cost, self.stats
        figures = (
            f"{self.tasks:>7}{self.slots:>6}{stats.window / self.limit:>8.2f}{cost.wall / self.limit:>7.2f}",
            f"{1000 * cost.cpu / self.tasks:>9.2f}{1000 * (cost.cpu - start) / self.tasks:>9.2f}",
            f"{stats.mean_in_flight:>11.1f}{stats.max_in_flight:>5}{stats.connections:>6}{cost.rss / 1e6:>7.0f}",
        )
        return f"{title:<13}" + "".join(figures)


HEAD = (
    f"{'':<13}{'tasks':>7}{'slots':>6}{'window':>8}{'wall':>7}{'CPU ms':>9}{'- start':>9}"
    f"{'in flight':>11}{'most':>5}{'conn':>6}{'MB':>7}"
)


@dataclass(frozen=True)
class Suite:
    """A folder with a task file that asks the mock server."""

    folder: Path
    ahead: bool
    """Whether this plugin makes calls ahead."""

    def write(self, server: MockServer, tasks: int, backend: str = "openai") -> None:
        url = server.v1 if backend == "openai" else server.url
        self.folder.joinpath("llmroute.toml").write_text(CONFIG.format(backend=backend, url=url))
        with self.folder.joinpath("made.llm.jsonl").open("w") as file:
            for number in range(tasks):
                task = {"id": f"t{number}", "prompt": f"Say ok: {number}", "user": ("one", "two")[number % 2]}
                file.write(json.dumps({**task, "check": {"contains": "ok"}}) + "\n")

    def run(self, server: MockServer, tasks: int, slots: int, *args: str, backend: str = "openai") -> Ran:
        self.write(server, tasks, backend)
        options = (f"{OPTION}={slots}",) if self.ahead else ()
        cost = pytest_cost(self.folder, *OURS, "made.llm.jsonl", *options, *args, env=NOBODY_ELSE)
        stats = server.stats()
        assert cost.status == 0, f"pytest ended with {cost.status}"
        assert stats.answers == tasks, f"{stats.answers} answers for {tasks} tasks"
        return Ran(tasks, slots, cost, stats)

    def plain(self, tasks: int) -> Cost:
        """The same number of items that do nothing, without the plugin."""
        self.folder.joinpath("test_plain.py").write_text(PLAIN.format(count=tasks))
        cost = pytest_cost(self.folder, "test_plain.py", env=NOBODY_ELSE)
        assert cost.status == 0
        return cost


def makes_calls_ahead(folder: Path) -> bool:
    """Asked where the runs will be: a checkout's own folder would come before what is installed."""
    command, env = [sys.executable, "-m", "pytest", *OURS, "--help"], {**os.environ, **NOBODY_ELSE}
    return OPTION in run(command, cwd=folder, capture_output=True, text=True, env=env, check=True).stdout


def yardstick(folder: Path, kind: str, server: MockServer, calls: int, slots: int) -> Ran:
    program = str(HERE / "yardstick.py")
    cost = cost_of([sys.executable, program, kind, str(server.port), str(calls), str(slots)], folder)
    stats = server.stats()
    assert stats.answers == calls
    return Ran(calls, slots, cost, stats)


def middle(runs: Sequence[Ran]) -> Ran:
    """The run whose window is the median."""
    return sorted(runs, key=lambda each: each.stats.window)[len(runs) // 2]


def windows(suite: Suite, sizes: Sequence[tuple[int, int]], rounds: int, pieces: int) -> None:
    """Each number of slots: yardsticks and pytest in turn, each with a server of its own."""

    def ran(kind: str, tasks: int, slots: int) -> Ran:
        with MockServer(models=MODELS, latency=LATENCY, slots=slots, pieces=pieces, text="ok " * pieces) as server:
            if kind in YARDSTICKS:
                return yardstick(suite.folder, kind, server, tasks, slots)
            return suite.run(server, tasks, slots)

    start = statistics.median(ran("pytest", 1, 1).cost.cpu for _ in range(3))
    print(f"answers after {1000 * LATENCY:.0f} ms, in {pieces} pieces; window: first request to last answer")
    print(f"window and wall are ÷ limit: tasks × latency ÷ slots; start: {start:.2f} CPU s of a run with one task")
    print(HEAD)
    for tasks, slots in sizes:
        kinds = (*YARDSTICKS, "pytest") if suite.ahead else YARDSTICKS
        turns = [[ran(kind, tasks, slots) for kind in kinds] for _ in range(rounds)]
        for kind, runs in zip(kinds, zip(*turns, strict=True), strict=True):
            print(middle(runs).line(kind, start if kind == "pytest" else 0.0))
    if not suite.ahead:
        print(middle([ran("sequential", ALONE, 1) for _ in range(rounds)]).line("sequential", start))


def start_and_memory(suite: Suite, tasks: int, rounds: int) -> None:
    """What a run costs before its first task, and how much memory its tasks take, each beside plain items."""
    with MockServer(models=MODELS) as server:
        ones, many, bare_ones, bare_many = [], [], [], []
        for _ in range(rounds):
            bare_ones.append(suite.plain(1))
            bare_many.append(suite.plain(tasks))
            server.reset()
            ones.append(suite.run(server, 1, 10).cost)
            server.reset()
            many.append(suite.run(server, tasks, 10).cost)

    def cpu(costs: list[Cost]) -> float:
        return statistics.median(cost.cpu for cost in costs)

    def rss(costs: list[Cost]) -> float:
        return statistics.median(cost.rss for cost in costs) / 1e6

    print(
        f"one task: {cpu(ones):.2f} CPU s, bare pytest with one test {cpu(bare_ones):.2f}:"
        f" {cpu(ones) - cpu(bare_ones):+.2f} s (target 0.15)"
    )
    more = (rss(many) - rss(ones) - rss(bare_many) + rss(bare_ones)) / tasks
    print(
        f"memory: {rss(ones):.0f} MB with one task, {rss(many):.0f} with {tasks}; plain items {rss(bare_ones):.0f} and"
        f" {rss(bare_many):.0f}: {1000 * more:.1f} KB more a task"
    )


def swaps(suite: Suite) -> None:
    """Tasks dealt to two models in turn, with room for one of them."""
    setup = {"latency": SWAP_CALL, "slots": SWAP_SLOTS, "room": SWAP_ROOM, "load_seconds": LOAD, "strict": True}
    args = ("--llm-strategy=dealt", f"--llm-ram-budget={SWAP_ROOM / 1e9:g}GB")
    with MockServer(models=dict.fromkeys(MODELS, SWAP_SIZE), **setup) as server:
        stats = suite.run(server, SWAP_TASKS, SWAP_SLOTS, *args, backend="ollama").stats
    ideal = 2 * LOAD + SWAP_TASKS * SWAP_CALL / SWAP_SLOTS
    print(
        f"two models, room for one, {SWAP_TASKS} calls in turn, {1000 * LOAD:.0f} ms a load: {len(stats.loaded)} loads"
        f" (target 2), {stats.window:.2f} s = {stats.window / ideal:.2f} × what two loads take"
    )


def growth(suite: Suite, sizes: Sequence[int]) -> None:
    """Time a task with a server that answers at once, above a run with one: the same however many there are."""

    def cost(tasks: int) -> Cost:
        with MockServer(models=MODELS) as server:
            return suite.run(server, tasks, 10).cost

    one = cost(1)
    for tasks in sizes:
        many, each = cost(tasks), 1000 / tasks
        wall, cpu = each * (many.wall - one.wall), each * (many.cpu - one.cpu)
        print(f"{tasks} tasks answered at once: {wall:.2f} ms, {cpu:.2f} CPU ms each, {many.rss / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--pieces", type=int, default=1)
    asked = parser.parse_args()
    rounds, tasks = (1, 200) if asked.quick else (3, 1000)
    sizes = [(tasks, slots) for slots in (10, 50, 100)] + ([] if asked.quick else [(4000, 500)])
    with tempfile.TemporaryDirectory() as name:
        suite = Suite(Path(name), makes_calls_ahead(Path(name)))
        windows(suite, sizes, rounds, asked.pieces)
        start_and_memory(suite, tasks, rounds)
        swaps(suite)
        growth(suite, [tasks, *([100_000] if asked.large else [])])
    run([sys.executable, str(HERE / "journal.py")], check=True)


if __name__ == "__main__":
    main()
