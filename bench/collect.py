"""Collecting 10,000 items of ours against 10,000 plain parametrized ones, and 10,000 tasks of one file."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from measured import Cost, pytest_cost

ITEMS = 10_000
ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (1, ITEMS):
            for kind, fixture in (("plain", ""), ("ours", ", llm")):
                folder.joinpath(f"test_{kind}_{count}.py").write_text(
                    f"import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n{fixture}): pass\n"
                )
            lines = [
                json.dumps({"id": f"task-{n}", "prompt": f"say {n}", "task": "fix", "check": {"contains": str(n)}})
                for n in range(count)
            ]
            folder.joinpath(f"tasks_{count}.llm.jsonl").write_text("\n".join(lines))
        plain = grown(folder, "test_plain_{}.py")
        ours = grown(folder, "test_ours_{}.py")
        tasks = grown(folder, "tasks_{}.llm.jsonl")
    print(f"{ITEMS} items, medians of {ROUNDS} rounds, above a run with one item")
    for title, cost in (("plain", plain), ("llm", ours), ("tasks", tasks)):
        print(f"  {title:<6} {1000 * cost.cpu / ITEMS:.4f} ms CPU and {cost.rss / ITEMS / 1000:.2f} KB an item")
    print(f"  llm / plain: {ours.cpu / plain.cpu:.2f} in CPU (target < 2); memory target 4 KB; tasks target 0.2 ms")


def grown(folder: Path, pattern: str) -> Cost:
    """What the items cost above a run with a single one."""
    costs = []
    for _ in range(ROUNDS):
        small, large = (pytest_cost(folder, "--co", "-q", "-q", pattern.format(n)) for n in (1, ITEMS))
        assert small.status == large.status == 0
        costs.append((large.cpu - small.cpu, large.rss - small.rss))
    return Cost(statistics.median(c for c, _ in costs), int(statistics.median(r for _, r in costs)), 0)


if __name__ == "__main__":
    main()
