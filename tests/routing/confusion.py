"""The confusion table of the classification over labelled messages: `python tests/routing/confusion.py FILE`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from pytest_llmroute.routing.classify import COMPLEX, SIMPLE, Classifier

LABELLED = Path(__file__).with_name("labelled_messages.jsonl")
TYPES = (*SIMPLE, *COMPLEX)


def confusion(path: Path = LABELLED, language: str | None = None) -> Counter[tuple[str, str]]:
    """(label, predicted) → count."""
    classifier = Classifier()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return Counter(
        (row["type"], classifier.classify(row["text"]).task_type) for row in rows if language in (None, row["lang"])
    )


def right(table: Counter[tuple[str, str]]) -> float:
    """The share of messages whose type is right."""
    return sum(count for (label, predicted), count in table.items() if label == predicted) / table.total()


def right_side(table: Counter[tuple[str, str]]) -> float:
    """The share of messages on the right side, simple or complex."""
    same = sum(n for (label, predicted), n in table.items() if (label in SIMPLE) == (predicted in SIMPLE))
    return same / table.total()


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else LABELLED
    table = confusion(path)
    print(f"{'label':<18}" + "".join(f"{kind[:9]:>10}" for kind in TYPES))
    for label in TYPES:
        print(f"{label:<18}" + "".join(f"{table[label, kind] or '·':>10}" for kind in TYPES))
    for language in (None, "en", "de"):
        part = confusion(path, language)
        print(
            f"{language or 'all'}: {part.total()} messages, type right {right(part):.1%}, side {right_side(part):.1%}"
        )
    if "-v" in sys.argv:
        classifier = Classifier()
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found = classifier.classify(row["text"])
            if found.task_type != row["type"]:
                print(f"{row['type']} as {found.task_type} ({found.rule}): {row['text'][:90]}")


if __name__ == "__main__":
    main()
