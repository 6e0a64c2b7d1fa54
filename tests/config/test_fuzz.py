"""Whatever a file holds: values, or a list of sentences; never a traceback, never a hang."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_llmroute.config.keys import SECTIONS
from pytest_llmroute.config.lines import Lines
from pytest_llmroute.config.options import OPTIONS
from pytest_llmroute.config.situation import situation
from pytest_llmroute.engine.setup import check_names
from pytest_llmroute.errors import UserError
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.tasks.files import read_task_file

EXAMPLES = 10_000 if os.environ.get("LLMROUTE_FUZZ") else 150
EXTENSIONS = Extensions()
WORDS = st.sampled_from(
    sorted({key.name for section in SECTIONS for key in section.keys} | {section.name for section in SECTIONS}
           | {part for option in OPTIONS for part in option.file.split(".") if part}
           | {"balanced", "ollama", "gemma2:2b", "fixer_agent", "planning", "fix", "small", "extends", "hybrid", "x"})
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), WORDS, st.dates(), st.datetimes()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
TABLES = st.dictionaries(WORDS, VALUES, max_size=5)
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def toml(value: Any) -> str:
    """A value as TOML; what TOML has no word for is left out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(repr(value), repr(value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key_of(k)} = {toml(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(v) for v in value if v is not None) + "]"
    if isinstance(value, str):
        return key_of(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def key_of(text: str) -> str:
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")


def load(data: bytes) -> None:
    """Reads the file as pytest would; only a mistake of the user's may come out."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "llmroute.toml").write_bytes(data)
        started = time.process_time()
        try:
            found = situation(Path(folder), {})
            told = check_names(found.project, EXTENSIONS)
        except UserError as error:
            told = [error]
        for mistake in told:
            text = mistake.text()
            assert "Traceback" not in text
            assert all(line.isprintable() for line in text.split("\n"))
        assert time.process_time() - started < 5


@fuzz
@given(TABLES)
def test_any_table(table: dict[str, Any]) -> None:
    lines = [f"{key_of(key)} = {toml(value)}" for key, value in table.items() if value is not None]
    load("\n".join(lines).encode("utf-8", "replace"))


@fuzz
@given(st.text(max_size=200) | st.lists(WORDS | st.sampled_from(list("[]{}=.,\"'\n#0 ")), max_size=40).map("".join))
def test_any_text(text: str) -> None:
    load(text.encode("utf-8", "surrogatepass"))


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    load(data)


@fuzz
@given(VALUES, st.sampled_from([".llm.yaml", ".llm.json", ".llm.jsonl"]), st.booleans())
def test_any_task_file(value: Any, suffix: str, wrapped: bool) -> None:
    document = {"tasks": value} if wrapped else value
    text = yaml.safe_dump(document) if suffix == ".llm.yaml" else json.dumps(document, default=str)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t" + suffix)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        found = read_task_file(path)
        assert found.errors or found.tasks


@fuzz
@given(TABLES)
def test_a_line_is_found_for_every_key_of_the_top(table: dict[str, Any]) -> None:
    kept = {key: value for key, value in table.items() if value is not None}
    text = "\n".join(f"{key_of(key)} = {toml(value)}" for key, value in kept.items())
    lines = Lines(text)
    assert [lines.of((key,)) for key in kept] == list(range(1, len(kept) + 1))


def test_a_line_is_found_in_tables_lists_of_tables_and_long_values() -> None:
    text = 'a = 1\n[b."c.d"]\ne = """\nx = 1\n"""\nf = [\n 1,\n]\n[[g]]\nh = 1\n[[g]]\nh = {i = 2}\n[g.j]\nk = 1\n'
    lines = Lines(text)
    for at, line in ((("a",), 1), (("b", "c.d"), 2), (("b", "c.d", "e"), 3), (("b", "c.d", "f"), 6),
                     (("g", 0, "h"), 10), (("g", 1, "h", "i"), 12), (("g", 1, "j", "k"), 14)):  # fmt: skip
        assert lines.of(at) == line
    assert lines.of(("nowhere",)) is None


@pytest.mark.slow
def test_ten_thousand_of_each(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same properties, run long; in a process of its own, so that the number can differ."""
    monkeypatch.setenv("LLMROUTE_FUZZ", "1")
    result = pytester.runpytest_subprocess(__file__, "-q", "-k", "any", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4)
