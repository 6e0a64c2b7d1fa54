"""The same 1,000 tasks by this plugin and by others that evaluate models, against the mock server, in turn.

`python bench/peers.py [--python OTHER] [--rounds N] [--slots N …]`: OTHER is a Python of an environment with
pydantic-evals, openai and inspect-ai, made for this alone; those that it lacks are left out. Each is run as lean as it
can be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from engine import LATENCY, MODELS, Ran, Suite, makes_calls_ahead
from measured import Cost, cost_of
from mock_server import MockServer

TASKS = 1000
SLOTS = (10, 50, 100)
PYDANTIC = """
import sys
from openai import AsyncOpenAI
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected
port, tasks, slots = map(int, sys.argv[1:])
client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
async def ask(prompt: str) -> str:
    reply = await client.chat.completions.create(model="one", messages=[{"role": "user", "content": prompt}])
    return reply.choices[0].message.content
cases = [Case(name=f"t{n}", inputs=f"Say ok: {n}", expected_output="ok") for n in range(tasks)]
dataset = Dataset(name="made", cases=cases, evaluators=[EqualsExpected()])
dataset.evaluate_sync(ask, max_concurrency=slots, progress=False)
"""
INSPECT = """
import os, sys
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
port, tasks, slots = map(int, sys.argv[1:])
model = get_model("openai/one", base_url=f"http://127.0.0.1:{port}/v1", api_key="none", responses_api=False)
samples = [Sample(id=f"t{n}", input=f"Say ok: {n}", target="ok") for n in range(tasks)]
eval(Task(dataset=samples, solver=generate(), scorer=includes()), model=model, max_connections=slots,
     max_samples=slots, display="none", log_realtime=False, log_dir="logs")
"""
PEERS = {"pydantic-evals": PYDANTIC, "inspect-ai": INSPECT}
"""By package."""
HEAD = (
    f"{'':<18}{'version':>9}{'slots':>6}{'window':>8}{'wall':>7}{'CPU ms a task':>15}{'one task, CPU s':>17}{'MB':>6}"
)


def versions(python: str) -> dict[str, str]:
    """Of those that are there."""
    program = (
        "import json\nfrom importlib import metadata\nfound = {}\n"
        f"for name in {list(PEERS)!r}:\n"
        "    try: found[name] = metadata.version(name)\n    except metadata.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    found: dict[str, str] = json.loads(
        subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout
    )
    return found


def peer(python: str, folder: Path, program: str, tasks: int, slots: int) -> Ran:
    with MockServer(models=MODELS, latency=LATENCY, slots=slots) as server:
        cost: Cost = cost_of([python, "-c", program, str(server.port), str(tasks), str(slots)], folder)
        assert cost.status == 0, f"ended with {cost.status}"
        stats = server.stats()
    assert stats.answers == tasks, f"{stats.answers} answers for {tasks} tasks"
    return Ran(tasks, slots, cost, stats)


def ours(suite: Suite, tasks: int, slots: int) -> Ran:
    with MockServer(models=MODELS, latency=LATENCY, slots=slots) as server:
        return suite.run(server, tasks, slots)


def line(name: str, version: str, best: Ran, one: Cost) -> str:
    window, wall = best.stats.window / best.limit, best.cost.wall / best.limit
    return (
        f"{name:<18}{version:>9}{best.slots:>6}{window:>8.2f}{wall:>7.2f}{1000 * best.cost.cpu / best.tasks:>15.2f}"
        f"{one.cpu:>17.2f}{best.cost.rss / 1e6:>6.0f}"
    )


def main(python: str, rounds: int, sizes: Sequence[int]) -> None:
    there = versions(python)
    print(f"{TASKS} tasks of {1000 * LATENCY:.0f} ms; window and wall ÷ limit, the best of {rounds}; CPU with start-up")
    print(HEAD)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = Suite(folder, makes_calls_ahead(folder))
        one = min((ours(suite, 1, 10).cost for _ in range(rounds)), key=lambda cost: cost.cpu)
        first = {
            other: min((peer(python, folder, PEERS[other], 1, 10).cost for _ in range(rounds)), key=lambda c: c.cpu)
            for other in there
        }
        for slots in sizes:
            found: dict[str, list[Ran]] = {}
            for _ in range(rounds):
                found.setdefault("pytest-llmroute", []).append(ours(suite, TASKS, slots))
                for other in there:
                    found.setdefault(other, []).append(peer(python, folder, PEERS[other], TASKS, slots))
            for who, runs in found.items():
                best = min(runs, key=lambda ran: ran.stats.window)
                print(line(who, there.get(who, "this one"), best, first.get(who, one)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, nargs="+", default=SLOTS)
    asked = parser.parse_args()
    main(asked.python, asked.rounds, asked.slots)
