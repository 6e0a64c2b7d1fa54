"""What an execution in the sandbox costs, beside a bare interpreter that is started for each."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pytest_llmroute.sandbox.jail import Jail, Job, Way, usable_cores
from pytest_llmroute.sandbox.pool import Pool

JOBS, OPENED, BARE = 400, 10, 30
JOB = Job(
    {
        "code": "def f(x): return x + 1",
        "tests": ["assert f(1) == 2", "assert f(5) == 6", "assert f(7) == 8"],
        "setup": "",
    },
    3.0,
)


def children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def bare() -> None:
    command = [sys.executable, "-I", "-S", "-c", "pass"]
    cpu, walls = children_cpu(), []
    for _ in range(BARE):
        began = time.perf_counter()
        subprocess.run(command, check=True)
        walls.append(time.perf_counter() - began)
    each = 1000 * (children_cpu() - cpu) / BARE
    print(f"a bare interpreter: {each:.1f} CPU ms, p50 {1000 * statistics.median(walls):.1f} ms")


def warm(way: Way) -> None:
    """One jail, one job after the other; its CPU is known when it has ended."""
    cpu, own = children_cpu(), time.process_time()
    jail = Jail(way, 1)
    walls = [jail.run(JOB).seconds for _ in range(JOBS)]
    jail.close()
    each = 1000 * (children_cpu() - cpu + time.process_time() - own) / JOBS
    print(f"{way}: warm {each:.1f} CPU ms (target 8), p50 {1000 * statistics.median(walls):.1f} ms (target 10)", end="")
    opened = []
    for number in range(OPENED):
        began = time.perf_counter()
        jail = Jail(way, number)
        jail.run(JOB)
        opened.append(time.perf_counter() - began)
        jail.close()
    print(f", a cold jail with its first job {1000 * statistics.median(opened):.0f} ms (target 150)")


def many(way: Way) -> None:
    cores = usable_cores()
    pool = Pool(partial(Jail, way), way, cores)
    with ThreadPoolExecutor(2 * cores) as threads:
        list(threads.map(pool.run, [JOB] * 2 * cores))
        began = time.perf_counter()
        list(threads.map(pool.run, [JOB] * JOBS))
        took = time.perf_counter() - began
    pool.close()
    print(f"{way}: {JOBS / took:.0f} executions a second on {cores} cores")


if __name__ == "__main__":
    bare()
    for each in ("isolated", "restricted"):
        warm(each)
        many(each)
