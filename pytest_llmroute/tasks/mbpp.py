"""MBPP's own files as tasks: JSON lines, the sanitized JSON file, and the hub's parquet, recognised by their keys.

One plain prompt: the text, the names to define with their arguments as the asserts give them, and the asserts.
The reference's own argument names are not told: who copies them from it would know more than the tests say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_llmroute.config.sentences import Path, mistakes
from pytest_llmroute.tasks.values import Mistake

KEYS = frozenset({"task_id", "test_list"})
TEXTS = ("text", "prompt")
SPLITS = {"mbpp_prompt": range(1, 11), "mbpp_test": range(11, 511), "mbpp_validation": range(511, 601),
          "mbpp_train": range(601, 975)}  # fmt: skip
"""By task_id, as its authors divided it."""
SLOW = {123: 30.0}
"""Seconds of CPU for tasks whose own reference takes longer than others may: 123 counts for 2 to 10 seconds."""
_TEXT = {"type": ["string", "null"], "description": "a text"}
_LIST = {"type": ["array", "null"], "items": {"type": "string", "description": "a text"}}
_ROW: dict[str, Any] = {
    "type": "object",
    "required": ["task_id", "test_list"],
    "properties": {
        "task_id": {"type": ["integer", "string"], "minLength": 1, "description": "a number or a short text"},
        "test_list": {**_LIST, "type": "array", "minItems": 1, "description": "a list of asserts"},
        **dict.fromkeys(("code", "test_setup_code"), _TEXT),
        **dict.fromkeys(("test_imports", "challenge_test_list"), _LIST),
    },
}
_PLACES: Mapping[Path, str] = {
    ("check", "unit_tests", "tests"): "test_list",
    ("check", "unit_tests", "challenge"): "challenge_test_list",
    ("check", "unit_tests", "setup"): "test_setup_code",
    ("reference",): "code",
    ("id",): "task_id",
}


def is_row(value: Any) -> bool:
    """Whether an entry of a file is one of MBPP's."""
    return (
        isinstance(value, dict) and value.keys() >= KEYS and any(key in value for key in TEXTS) and "check" not in value
    )


def wrong_row(row: Any) -> list[Mistake]:
    """What is not of the form; looked at quickly, explained by a schema where it is needed."""
    if _right(row):
        return []
    found = [Mistake(at, what) for at, what, _ in mistakes(row, _ROW)]
    return found or [Mistake((), "text (or prompt) missing")]


def _right(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("task_id"), int | str)
        and not isinstance(row["task_id"], bool)
        and any(_is_text(row.get(key)) for key in TEXTS)
        and bool(row.get("test_list"))
        and all(_is_texts(row.get(key)) for key in ("test_list", "test_imports", "challenge_test_list"))
        and all(isinstance(row.get(key), str | None) for key in ("code", "test_setup_code"))
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def as_task(row: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a task file that a row stands for."""
    number = _number(row["task_id"])
    tests = [_lines(test) for test in row["test_list"]]
    setup = "\n".join([*(row.get("test_imports") or ()), _lines(row.get("test_setup_code") or "")]).strip()
    check = {
        "tests": tests,
        **({"setup": setup} if setup else {}),
        **({"challenge": list(map(_lines, row["challenge_test_list"]))} if row.get("challenge_test_list") else {}),
        **({"timeout": SLOW[number]} if number in SLOW else {}),
    }
    text = _lines(next(row[key] for key in TEXTS if _is_text(row.get(key)))).strip()
    wanted = _signatures(tests, setup)
    return {
        "id": f"mbpp-{number}" if isinstance(number, int) else number.replace("/", "-"),
        "prompt": prompt(text, tests, setup, wanted),
        "parts": _parts(text, tests, setup, wanted),
        "task": "code_generation",
        "tags": ["mbpp", *(name for name, numbers in SPLITS.items() if number in numbers)],
        "check": {"unit_tests": check},
        **({"reference": _lines(row["code"])} if row.get("code") else {}),
    }


def _number(task_id: int | str) -> int | str:
    """A number, however it is written; a row that names itself keeps its own name."""
    return int(task_id) if isinstance(task_id, int) or task_id.isdecimal() else task_id


def place(at: Path) -> Path | None:
    """Where in a row the place of a task is from; None for parts: what they are made of is judged where it stands."""
    if at[:1] == ("parts",):
        return None
    for path, key in _PLACES.items():
        if at[: len(path)] == path:
            return (key, *at[len(path) :])
    return at


def prompt(text: str, tests: Sequence[str], setup: str, signatures: Sequence[str]) -> str:
    """What the model is asked where no template is chosen."""
    wanted = _named(signatures)
    asked = f"Define {wanted}. Your code must pass these tests:" if wanted else "Your code must pass these tests:"
    return "\n\n".join([text, asked, "\n".join([*([setup] if setup else []), *tests]), "Answer with Python code only."])


def _parts(text: str, tests: Sequence[str], setup: str, signatures: Sequence[str]) -> dict[str, Any]:
    """What templates can make a prompt of: no test of the challenge, and nothing of the reference."""
    parts = {
        "text": text,
        "tests": [test for test in tests if test.strip()],
        "setup": setup,
        "define": _named(signatures),
        "start": _start(signatures),
    }
    return {name: part for name, part in parts.items() if part}


def _named(signatures: Sequence[str]) -> str:
    return " and ".join(f"`{signature}`" for signature in signatures)


def _start(signatures: Sequence[str]) -> str:
    """The line that a function begins with, where one function is all that is wanted."""
    one = signatures[0] if len(signatures) == 1 else ""
    return f"def {one.replace('=…', '=None')}:" if "(" in one and not one[0].isupper() else ""


def _signatures(tests: Sequence[str], setup: str) -> list[str]:
    from pytest_llmroute.tasks.asserts import names_in, piece, signature

    try:
        pieces = [piece(text) for text in (setup, *tests)]
    except ValueError:
        return []  # the check says what is wrong with them
    return [signature(name, pieces) for name in names_in(pieces)]


def _lines(text: str) -> str:
    """The published file has the line ends of another system."""
    return text.replace("\r\n", "\n")
