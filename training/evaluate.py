"""How good the shipped models are, through the engine that users have: `python training/evaluate.py [--seed N] [--count N]`.

Greedy, whole answers (of validate: the verdict), on the exercises that training left out; with --seed on fresh ones, of
which a short message may also have come up in training. `unseen` has names that training never had. `shuffled` holds the replies against the answers of other items of the same task: near chance, or
the check would be worth nothing.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

from data import TASKS, Item, left_out, test_items

from pytest_llmroute.backends.embedded.backend import EmbeddedModel
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling


def replies(model: EmbeddedModel, tests: list[Item]) -> list[str]:
    settings = Sampling(temperature=0.0, max_tokens=160)
    return [model.generate(Call(model.card, (Message("user", item.prompt),), settings)).text for item in tests]


def right(item: Item, reply: str) -> bool:
    if item.task == "validate":
        return reply.partition(":")[0] == item.answer.partition(":")[0]
    return reply == item.answer


def shares(tests: list[Item], given: list[str]) -> dict[str, float]:
    found: dict[str, list[bool]] = defaultdict(list)
    for item, reply in zip(tests, given, strict=True):
        found[item.task].append(right(item, reply))
    return {task: round(100 * sum(found[task]) / len(found[task]), 1) for task in TASKS}


def by_kind(tests: list[Item], given: list[str], task: str) -> dict[str, str]:
    found: dict[str, list[bool]] = defaultdict(list)
    for item, reply in zip(tests, given, strict=True):
        if item.task == task:
            found[item.kind].append(right(item, reply))
    return {kind: f"{sum(hits)}/{len(hits)}" for kind, hits in sorted(found.items())}


def shuffled(tests: list[Item], given: list[str]) -> dict[str, float]:
    """The control: every reply against the answer of another item of its task."""
    rng = random.Random(1)
    moved: list[Item] = []
    for task in TASKS:
        members = [item for item in tests if item.task == task]
        rng.shuffle(members)
        moved += members
    return shares(moved, given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--count", type=int, default=300, help="exercises of each task, with --seed")
    parser.add_argument("--json", type=Path)
    parser.add_argument("models", nargs="*", default=["pico", "nano", "micro"])
    options = parser.parse_args()
    held_out, unseen = left_out()
    if options.seed is not None:
        held_out = test_items(options.seed, options.count)
        unseen = test_items(options.seed + 1000, options.count, unseen=True)
    results = {}
    print(f"{'model':<7}{'set':<10}" + "".join(f"{task:>10}" for task in TASKS))
    for name in options.models:
        model = EmbeddedModel(ModelCard(name, "embedded"))
        try:
            given = {"held-out": (held_out, replies(model, held_out)), "unseen": (unseen, replies(model, unseen))}
        finally:
            model.close()
        table = {title: shares(*pair) for title, pair in given.items()}
        table["shuffled"] = shuffled(*given["held-out"])
        for title, row in table.items():
            print(f"{name:<7}{title:<10}" + "".join(f"{row[task]:>10}" for task in TASKS))
        results[name] = {**table, "fix by defect": by_kind(*given["held-out"], "fix")}
        print(f"{'':<7}fix by defect: {results[name]['fix by defect']}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
