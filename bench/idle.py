"""What the installed, unused plugin costs: 500 trivial tests, interleaved with `-p no:llmroute`."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from measured import pytest_cost

TESTS = 500


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("test_plain.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(TESTS)))
        pytest_cost(folder), pytest_cost(folder, "-p", "no:llmroute")  # warm-up
        ratios, ours, bare = [], [], []
        for number in range(pairs):
            sides = [(), ("-p", "no:llmroute")]
            costs = {side: pytest_cost(folder, *side).cpu for side in (sides if number % 2 else sides[::-1])}
            ours.append(costs[()])
            bare.append(costs[sides[1]])
            ratios.append(costs[()] / costs[sides[1]])
    with_, without = statistics.median(ours), statistics.median(bare)
    print(f"{TESTS} tests, {pairs} pairs: CPU {with_:.3f} s with, {without:.3f} s without")
    print(f"ratio: median of pairs {statistics.median(ratios):.3f} (quartiles {quartiles(ratios)}), target 1.05")


def quartiles(values: list[float]) -> str:
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low:.3f}–{high:.3f}"


if __name__ == "__main__":
    main()
