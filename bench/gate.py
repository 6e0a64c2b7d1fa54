"""What a verdict costs, beside the plainest way to add up the same chances: floats, item by item."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

from pytest_llmroute.gate import judge, judge_cells
from pytest_llmroute.gate.pairs import Pair, shared

ROUNDS = 5
Side = dict[str, list[int]]


def suite(tasks: int, repeats: int, rng: random.Random) -> tuple[Side, Side]:
    """Nothing has changed; a task passes by a chance of its own, 60 % on average, so most of them waver."""
    chances = {f"t{number:04}": rng.betavariate(1.2, 0.8) for number in range(tasks)}

    def side() -> Side:
        return {name: [int(rng.random() < chance) for _ in range(repeats)] for name, chance in chances.items()}

    return side(), side()


def naive(pairs: Sequence[Pair]) -> float:
    """The mid-p by one convolution for each item."""
    sums = [1.0]
    for one in pairs:
        passes, now, total = one.passes, one.now.total, one.total
        ways = math.comb(total, now)
        dealt = [math.comb(passes, k) * math.comb(total - passes, now - k) / ways for k in range(min(passes, now) + 1)]
        longer = [0.0] * (len(sums) + len(dealt) - 1)
        for at, chance in enumerate(sums):
            for k, share in enumerate(dealt):
                longer[at + k] += chance * share
        sums = longer
    seen = sum(one.now.passes for one in pairs)
    return math.fsum(sums[:seen]) + sums[seen] / 2


def fastest(work: Callable[[], object]) -> float:
    """Milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return min(times)


def main() -> None:
    rng = random.Random(1)
    sides = suite(500, 5, rng)
    pairs = shared(*sides).pairs
    plain, ours = fastest(lambda: naive(pairs)), fastest(lambda: judge(*sides))
    print(
        f"500 tasks x 5 repeats: judged in {ours:.1f} ms (target 150), item by item {plain:.1f} ms; ratio"
        f" {ours / plain:.2f} (target 0.5); p differs by {abs(naive(pairs) - judge(*sides).p_value):.1g}"
    )
    print(f"  for tasks like these: {fastest(lambda: judge(*sides, scope='population')):.1f} ms")
    cells = {f"c{number}": suite(100, 5, rng) for number in range(12)}
    plain = fastest(lambda: [naive(shared(*each).pairs) for each in cells.values()])
    ours = fastest(lambda: judge_cells(cells))
    print(f"12 cells of 100 x 5 and all together: {ours:.1f} ms, the cells item by item {plain:.1f} ms", end="")
    print(f"; ratio {ours / plain:.2f}")
    large = suite(5000, 5, rng)
    print(f"5000 tasks x 5 repeats: {fastest(lambda: judge(*large)):.0f} ms")


if __name__ == "__main__":
    main()
