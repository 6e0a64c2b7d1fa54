"""CPU seconds and peak memory of a command, as the kernel counts them; run as a program, what measuring costs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_llmroute.measure.meter import ProcessMeter

TESTS = 1000
SUITE = """
import pytest
@pytest.mark.parametrize("n", range({tests}))
def test_it(llm, n): llm.generate("x")
"""
CONFTEST = """
import os
def llmroute_scripted(call): return "y"
if "UNMEASURED" in os.environ:
    from pytest_llmroute.measure.meter import ProcessMeter
    ProcessMeter.begin = lambda meter, target=None: None
    ProcessMeter.end = lambda meter, mark: None
"""
SERVER = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
for _ in range(2):
    if os.fork() == 0: sys.stdin.read(); os._exit(0)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a child process used."""

    cpu: float
    rss: int
    status: int
    wall: float = 0.0


def pytest_cost(folder: Path, *args: str, env: Mapping[str, str] | None = None) -> Cost:
    """One run of pytest in a process of its own; its output is dropped."""
    return cost_of([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args], folder, env)


def cost_of(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Of a process and the children that it waits for; it may keep what it compiles, as everybody's Python does."""
    own = {**os.environ, **(env or {})}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=own)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, process.returncode, wall)


def runs(pairs: int) -> None:
    """Whole runs with and without measuring, interleaved."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("test_it.py").write_text(SUITE.format(tests=TESTS))
        folder.joinpath("conftest.py").write_text(CONFTEST)
        sides: list[dict[str, str]] = [{}, {"UNMEASURED": "1"}]
        with_: list[float] = []
        without: list[float] = []
        for number in range(pairs + 1):
            for side in sides if number % 2 else sides[::-1]:
                cost = pytest_cost(folder, env={"LLMROUTE_PROFILE": "scripted", **side})
                assert cost.status == 0
                if number:  # the first pair warms up
                    (without if side else with_).append(cost.cpu)
    ratios = [ours / bare for ours, bare in zip(with_, without, strict=True)]
    more = [1000 * (ours - bare) / TESTS for ours, bare in zip(with_, without, strict=True)]
    print(
        f"{TESTS} tests of one call, {pairs} pairs: CPU {statistics.median(with_):.3f} s with measuring,"
        f" {statistics.median(without):.3f} s without; ratio {statistics.median(ratios):.3f},"
        f" {statistics.median(more):.3f} ms a call (target 0.1 ms)"
    )


def sampling(seconds: float = 10.0) -> None:
    """The sampler beside a server with two runners, and the marks of a case and of a call to that server."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        meter = ProcessMeter()
        endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
        open_mark = meter.begin(meter.watch(endpoint))
        started = time.perf_counter()
        time.sleep(seconds)
        share = meter.spent / (time.perf_counter() - started)
        meter.end(open_mark)
        started = time.perf_counter()
        for _ in range(1000):
            case = meter.begin()
            call = meter.begin(meter.watch(endpoint))
            meter.end(call)
            meter.end(case)
        each = time.perf_counter() - started
        meter.close()
        server.stdin.close()
    print(f"sampler: {100 * share:.2f} % of one core (target 1 %)")
    print(f"a case with a call to a server of three processes, all of them ours: {each:.3f} ms (target 0.1 ms a call)")


if __name__ == "__main__":
    sampling()
    runs(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
