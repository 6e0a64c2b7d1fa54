"""MBPP's files as task files."""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.tasks.files import load_tasks, read_task_file, recognises
from pytest_llmroute.tasks.proof import prove
from pytest_llmroute.tasks.unit_tests import UnitTests
from pytest_llmroute.tasks.values import TaskCase

from .mbpp_rows import FILE, rows, sanitized

DATA = os.environ.get("MBPP_DATA")
"""A folder with mbpp.jsonl and sanitized-mbpp.json: the real ones, which are not part of this project."""


def write(tmp_path: Path, found: Any, name: str = "mbpp.jsonl") -> Path:
    path = tmp_path / name
    lines = "".join(json.dumps(row) + "\n" for row in found) if name.endswith("l") else json.dumps(found, indent=2)
    path.write_text(lines, encoding="utf-8")
    return path


def changed(**keys: Any) -> list[dict[str, Any]]:
    """One row, otherwise right."""
    return [{**rows()[0], **keys}]


def load(path: Path) -> dict[str, TaskCase]:
    return {task.id: task for task in load_tasks(path)}


def unit_tests(task: TaskCase) -> UnitTests:
    assert isinstance(task.check, UnitTests)
    return task.check


def test_the_jsonl_file_is_recognised_and_read() -> None:
    assert recognises(FILE)
    tasks = load(FILE)
    assert list(tasks) == [f"mbpp-{number}" for number in range(1001, 1011)]
    first = tasks["mbpp-1001"]
    assert (first.task, first.tags, first.line) == ("code_generation", ("mbpp",), 1)
    assert first.reference == "def sum_of_squares(numbers):\n    return sum(n * n for n in numbers)"
    assert unit_tests(first).tests == tuple(rows()[0]["test_list"])
    assert unit_tests(first).challenge == ("assert sum_of_squares(range(1000)) == 332833500",)
    stack = unit_tests(tasks["mbpp-1005"])
    assert (stack.setup, stack.names) == ("one = Stack()\none.push(7)", ("Stack", "turned"))
    assert unit_tests(tasks["mbpp-1003"]).names == ("max",)


def test_the_sanitized_file_means_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, sanitized(), "sanitized-mbpp.json")
    assert recognises(path)
    one, other = load(FILE), load(path)
    assert one.keys() == other.keys()
    for name, task in one.items():
        assert task.messages == other[name].messages
        assert task.reference == other[name].reference
        assert unit_tests(task).tests == unit_tests(other[name]).tests
        assert unit_tests(task).setup == unit_tests(other[name]).setup
    assert [task.line for task in other.values()] == sorted({task.line for task in other.values()})


def test_the_prompt_has_text_signature_and_asserts_and_no_name_of_the_reference() -> None:
    tasks = load(FILE)
    assert tasks["mbpp-1008"].messages[0].content == (
        "Write a function to cut a text to a length, with an ending of your own where it was cut.\n\n"
        "Define `cut(a, b, ending=…)`. Your code must pass these tests:\n\n"
        "assert cut('abcdef', 5) == 'ab...'\nassert cut('abc', 5) == 'abc'\n"
        "assert cut('abcdef', 5, ending='!') == 'abcd!'\n\n"
        "Answer with Python code only."
    )
    assert "import math\nassert math.isclose(area(1)" in tasks["mbpp-1007"].messages[0].content
    assert "`Stack()` and `turned(a)`" in tasks["mbpp-1005"].messages[0].content
    assert "numbers):" not in tasks["mbpp-1001"].messages[0].content
    assert all("\r" not in task.messages[0].content for task in tasks.values())


def test_a_row_has_the_parts_that_prompts_are_made_of_and_no_more() -> None:
    """Nothing of the challenge, and nothing of the reference."""
    tasks = load(FILE)
    assert tasks["mbpp-1008"].parts == {
        "text": ("Write a function to cut a text to a length, with an ending of your own where it was cut.",),
        "tests": unit_tests(tasks["mbpp-1008"]).tests,
        "define": ("`cut(a, b, ending=…)`",),
        "start": ("def cut(a, b, ending=None):",),
    }
    stack = tasks["mbpp-1005"].parts
    assert (stack["setup"], stack["define"]) == (("one = Stack()\none.push(7)",), ("`Stack()` and `turned(a)`",))
    assert "start" not in stack
    for task in tasks.values():
        told = "\n".join(text for part in task.parts.values() for text in part)
        assert not any(test in told for test in unit_tests(task).challenge)


@pytest.mark.parametrize(
    ("number", "name", "tags"),
    [
        (1, "mbpp-1", ("mbpp", "mbpp_prompt")),
        (11, "mbpp-11", ("mbpp", "mbpp_test")),
        ("510", "mbpp-510", ("mbpp", "mbpp_test")),
        (511, "mbpp-511", ("mbpp", "mbpp_validation")),
        (974, "mbpp-974", ("mbpp", "mbpp_train")),
        (975, "mbpp-975", ("mbpp",)),
        ("Mbpp/601", "Mbpp-601", ("mbpp",)),
    ],
)
def test_ids_are_readable_and_tags_are_the_splits(
    tmp_path: Path, number: Any, name: str, tags: tuple[str, ...]
) -> None:
    (task,) = load_tasks(write(tmp_path, changed(task_id=number)))
    assert (task.id, task.tags) == (name, tags)


def test_the_one_slow_reference_has_more_time(tmp_path: Path) -> None:
    (task,) = load_tasks(write(tmp_path, changed(task_id=123)))
    assert unit_tests(task).timeout == 30.0
    (other,) = load_tasks(write(tmp_path, changed(task_id=124)))
    assert unit_tests(other).timeout == 3.0


def test_what_may_be_missing_may_be_missing(tmp_path: Path) -> None:
    (row,) = changed()
    for key in ("code", "test_setup_code", "challenge_test_list"):
        row.pop(key)
    (task,) = load_tasks(write(tmp_path, [row]))
    assert (task.reference, unit_tests(task).setup, unit_tests(task).challenge) == (None, "", ())
    (task,) = load_tasks(write(tmp_path, changed(code=None, test_setup_code=None, challenge_test_list=None, extra=1)))
    assert task.reference is None


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"test_list": []}, "mbpp.jsonl:1: test_list: an empty list won't do: a list of asserts"),
        ({"test_list": "assert f()"}, 'test_list: must be a list, not "assert f()"'),
        ({"test_list": ["assert f(", "f() == 1"]}, "test_list[0]: is no Python"),
        ({"test_list": ["assert f()", "f() == 1"]}, 'test_list[1]: "f() == 1" asserts nothing'),
        ({"challenge_test_list": ["assert"]}, "challenge_test_list[0]: is no Python"),
        ({"challenge_test_list": [3]}, "challenge_test_list[0]: must be a text, not 3"),
        ({"test_setup_code": "x = ="}, "test_setup_code: is no Python"),
        ({"code": "def f("}, "code: is no Python"),
        ({"code": 3}, "code: must be a text or empty, not 3"),
        ({"text": " "}, "text (or prompt) missing"),
        ({"task_id": None}, "task_id: must be a whole number or a text, not nothing"),
        ({"task_id": True}, "task_id: must be a whole number or a text, not true"),
        ({"task_id": "a::b"}, "task_id: "),
    ],
)
def test_mistakes_name_the_rows_own_keys(tmp_path: Path, keys: dict[str, Any], told: str) -> None:
    found = read_task_file(write(tmp_path, changed(**keys)))
    assert not found.tasks
    assert told in "\n".join(map(str, found.errors))


def test_a_broken_row_leaves_the_others_and_an_id_stands_once(tmp_path: Path) -> None:
    found = read_task_file(write(tmp_path, [*changed(), 3, {"id": "own"}, *changed(task_id=7), *changed(task_id=7)]))
    assert [task.id for task in found.tasks] == ["mbpp-1001", "mbpp-7"]
    told = [str(error) for error in found.errors]
    assert "mbpp.jsonl:2: must be a mapping, not 3" in told[0]
    assert "mbpp.jsonl:3: task_id and test_list missing" in told[1]
    assert 'mbpp.jsonl:5: task_id: the id "mbpp-7" stands in line 4 already' in told[2]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"task_id": 1}'),
        ("b.json", "[1, 2]"),
        ("c.json", '[{"task_id": 1, "text": "x"}]'),
        ("d.jsonl", '{"task_id": 1, "test_list": []}'),
        ("e.jsonl", ""),
        ("f.parquet", "PAR1 task_id test_list PAR1"),
        ("g.parquet", ""),
    ],
)
def test_other_files_are_left_alone(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert not recognises(tmp_path / name)


# Parquet, as the hub has it


def parquet(tmp_path: Path) -> Path:
    """A file whose footer is like a real one's, as far as it is looked at."""
    footer = b"\x15\x04schema task_id \x00 text test_list \x0c"
    path = tmp_path / "test.parquet"
    path.write_bytes(b"PAR1 rows " + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    return path


def test_parquet_is_recognised_without_a_package_and_the_message_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    path = parquet(tmp_path)
    assert recognises(path)
    (error,) = read_task_file(path).errors
    assert "parquet is read with pyarrow: pip install pyarrow" in str(error)


def test_parquet_is_read_where_the_package_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class File:
        def __init__(self, path: Path) -> None:
            assert path.suffix == ".parquet"

        def read(self) -> File:
            return self

        def to_pylist(self) -> list[dict[str, Any]]:
            return rows()

    monkeypatch.setitem(sys.modules, "pyarrow", types.ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", types.SimpleNamespace(ParquetFile=File))
    tasks = load(parquet(tmp_path))
    assert [task.line for task in tasks.values()] == list(range(1, 11))
    assert tasks["mbpp-1003"].messages == load(FILE)["mbpp-1003"].messages


def test_real_parquet_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "test-00000-of-00001.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows()), path)
    assert recognises(path)
    assert load(path).keys() == load(FILE).keys()


@pytest.mark.usefixtures("sandbox")
def test_all_references_pass_and_fail_without_their_bodies() -> None:
    assert [found for found in prove(load_tasks(FILE), threads=2) if found.kind] == []


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="MBPP_DATA names no folder with the real files")
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(("name", "count"), [("mbpp.jsonl", 974), ("sanitized-mbpp.json", 427)])
def test_the_real_files_are_in_order(name: str, count: int) -> None:
    path = Path(DATA or "") / name
    assert recognises(path)
    tasks = load_tasks(path)
    assert (len(tasks), len({task.id for task in tasks})) == (count, count)
    found = prove(tasks, threads=2)
    assert (len(found), [(each.task.id, each.kind, each.message) for each in found if each.kind]) == (count, [])
