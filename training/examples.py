"""Writes the example suite `tasks/*.llm.yaml` from exercises that training left out: `python training/examples.py`.

Only exercises whose names are words are taken, so that people can read them. Needs nothing but Python.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from data import CLASSES, MESSAGES, UNSEEN, WORDS, Item, left_out

FOLDER = Path(__file__).parents[1] / "tasks"
COUNTS = {"fix": 24, "validate": 24, "document": 20}
ABOUT = {
    "analyze": "Name the class of a message: one of eight.",
    "fix": "Repair a program: the answer is the whole of it, corrected.",
    "validate": "Say whether a program is right; if not, what is wrong.",
    "document": "One line of documentation from a signature: what it takes, what it returns.",
}
NOTE = "The shipped models were trained without these exercises (training/README.md)."
LANGUAGE = set(
    re.findall(
        r"\w+",
        """analyze fix validate document c python main error expected line invalid syntax Maybe you meant never closed was missing
        unterminated string literal terminating character name is not defined undeclared an indented block suggest parentheses
        around assignment implicit declaration include at end of input SyntaxError NameError IndentationError
        int void float bool char double long def return if while for in range print i str list dict None HIGH d h
        digitalWrite delay Serial println analogWrite printf stdio stdlib strlen abs gpio_set_level driver gpio vTaskDelay
        freertos task ESP_LOGI esp_log math sqrt time sleep json dumps os getcwd random randint sys exit import""",
    )
)


def readable(item: Item) -> bool:
    """Whether every name is made of words."""
    known = LANGUAGE if item.task != "analyze" else set(re.findall(r"\w+", f"analyze {MESSAGES}"))
    wrong = re.findall(r"'(\w+)'", item.prompt.split("\n")[1]) if item.kind == "typo" else []
    names = (name for name in re.findall(r"[A-Za-z_]\w*", item.prompt) if name not in known and name not in wrong)
    return all(part in WORDS or part in UNSEEN for name in names for part in name.split("_"))


def chosen(pool: list[Item], task: str) -> list[Item]:
    """Readable exercises, kinds in turn: as many of each as there are, up to the count."""
    fit = [item for item in pool if item.task == task and readable(item)]
    if task == "analyze":
        return [item for kind in CLASSES for item in [each for each in fit if each.kind == kind][:3]]
    if task == "validate":
        half = COUNTS[task] // 2
        right = [item for item in fit if item.kind == "valid"][:half]
        return right + _by_turns([item for item in fit if item.kind != "valid"], half)
    return _by_turns(fit, COUNTS[task])


def _by_turns(fit: list[Item], count: int) -> list[Item]:
    """Sorted by kind, none of which crowds out another."""
    seen: Counter[str] = Counter()
    ranked = []
    for item in fit:
        seen[item.kind] += 1
        ranked.append((seen[item.kind], item))
    best = sorted(ranked, key=lambda pair: pair[0])[:count]
    return [item for _, item in sorted(best, key=lambda pair: pair[1].kind)]


def text(content: str, indent: int) -> str:
    return "|-\n" + "\n".join(f"{' ' * indent}{line}" for line in content.split("\n"))


def check(item: Item) -> str:
    if item.task == "analyze":
        return f"{{exact: {item.answer}}}"
    if item.task == "validate":
        return json.dumps({"regex": "^valid$" if item.kind == "valid" else "^invalid: "}).replace('"regex"', "regex")
    return f"\n      exact: {text(item.answer, 8)}"


def lines(task: str, found: list[Item]) -> Iterator[str]:
    yield f"# {ABOUT[task]}\n# {NOTE}\n# Written by training/examples.py.\ndefaults: {{task: {task}}}\ntasks:"
    seen: Counter[str] = Counter()
    for item in found:
        kind = item.kind.replace("_", "-")
        seen[kind] += 1
        yield f"  - id: {kind}-{seen[kind]}"
        if task in ("fix", "validate"):
            yield f"    tags: [{item.prompt.split()[1]}]"
        yield f"    prompt: {text(item.prompt, 6)}"
        yield f"    check: {check(item)}".replace(": \n", ":\n")


def main() -> None:
    held_out, unseen = left_out()
    for task in ABOUT:
        found = chosen(unseen + held_out, task)
        (FOLDER / f"{task}.llm.yaml").write_text("\n".join(lines(task, found)) + "\n", encoding="utf-8")
        print(task, len(found))


if __name__ == "__main__":
    main()
