"""Ten tasks of MBPP's form, written for these tests, in the two forms of its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "fixtures" / "mbpp-ten.jsonl"


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def sanitized() -> list[dict[str, Any]]:
    """The same as the sanitized file has them: another key for the text, imports in place of set-up code."""
    return [
        {
            "source_file": "a notebook",
            "task_id": row["task_id"],
            "prompt": row["text"],
            "code": row["code"].replace("\r\n", "\n"),
            "test_imports": [line for line in row["test_setup_code"].split("\r\n") if line],
            "test_list": row["test_list"],
        }
        for row in rows()
    ]
