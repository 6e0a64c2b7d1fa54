"""`llmroute --help` and the completion of a model's name, against a bare start of Python in the same run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 20
HELP = [sys.executable, "-m", "pytest_llmroute", "--help"]
COMPLETE = {"_LLMROUTE_COMPLETE": "bash_complete", "COMP_WORDS": "llmroute models show q", "COMP_CWORD": "3"}
CASES: dict[str, tuple[list[str], dict[str, str]]] = {
    "bare Python": ([sys.executable, "-c", "pass"], {}),
    "llmroute --help": (HELP, {}),
    "completion": ([sys.executable, "-c", "from pytest_llmroute.cli.main import main; main([])"], COMPLETE),
}


def main() -> None:
    took: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(RUNS):
        for name, (command, more) in CASES.items():
            started = time.perf_counter()
            subprocess.run(command, env={**os.environ, **more}, stdout=subprocess.DEVNULL, check=False)
            took[name].append(time.perf_counter() - started)
    bare = statistics.median(took["bare Python"])
    for name, times in took.items():
        middle = statistics.median(times)
        print(f"{name:<16} {1000 * middle:6.1f} ms, {middle / bare:.1f} × bare Python (target of the last two: 150 ms)")


if __name__ == "__main__":
    main()
