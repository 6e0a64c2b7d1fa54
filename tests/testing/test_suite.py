"""The example suite `tasks/properties.py`, and what is there without hypothesis."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, assert_type

from hypothesis.strategies import SearchStrategy

from pytest_llmroute import Message
from pytest_llmroute.testing import strategies
from tests.conftest import WITHIN

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "tasks" / "properties.py"
WITHOUT = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hypothesis":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    options = [
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        *WITHIN.split(),
    ]
    return subprocess.run([sys.executable, *args, *options], cwd=folder, capture_output=True, text=True, check=False)


def test_the_suite_asks_real_models_and_says_the_same_each_time(tmp_path: Path) -> None:
    """What is right differs by model, so a miss is allowed; a broken test is not."""
    outcomes = []
    for name in ("first", "second"):
        file = tmp_path / f"{name}.json"
        more = ("--llm-strategy=fast,quality", "--llm-gate=record", f"--llm-json={file}")
        ended = run(tmp_path, "-m", "pytest", str(SUITE), *more)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        records = json.loads(file.read_text())["records"]
        outcomes.append({(one["column"], one["case_id"]): (one["outcome"], len(one["calls"])) for one in records})
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == 10
    assert {outcome for outcome, _ in outcomes[0].values()} <= {"passed", "missed"}
    passed = [column for (column, _), (outcome, _) in outcomes[0].items() if outcome == "passed"]
    assert passed.count("quality") > passed.count("fast")


def test_it_is_no_part_of_the_suite_that_is_the_same_everywhere(tmp_path: Path) -> None:
    ended = run(tmp_path, "-m", "pytest", str(SUITE.parent), "--co", "-q")
    assert "properties" not in ended.stdout
    assert "98 tests collected" in ended.stdout


def test_without_hypothesis_it_is_skipped_and_says_what_to_type(tmp_path: Path) -> None:
    ended = run(tmp_path, "-c", WITHOUT, str(SUITE), "-rs")
    assert "1 skipped" in ended.stdout, ended.stdout + ended.stderr
    assert "needs hypothesis: pip install 'pytest-llmroute[hypothesis]'" in ended.stdout


def test_nothing_else_imports_hypothesis() -> None:
    modules = "pytest_llmroute, pytest_llmroute.testing, pytest_llmroute.plugin"
    script = f"import sys, {modules}; print('hypothesis' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_strategies_have_types() -> None:
    """Mypy reads this."""
    assert_type(strategies.prompts(), SearchStrategy[str])
    assert_type(strategies.messages(), SearchStrategy[tuple[Message, ...]])
    assert_type(strategies.perturbed("a", of=[strategies.spaces]), SearchStrategy[str])
    assert_type(strategies.values_of({"const": 1}), SearchStrategy[Any])
    spaces: strategies.Perturbation = strategies.spaces
    assert_type(spaces("a b"), SearchStrategy[str])


def test_every_public_name_is_there_and_documented() -> None:
    page = (ROOT / "docs" / "properties.md").read_text(encoding="utf-8")
    for name in strategies.__all__:
        assert getattr(strategies, name)
        assert f"`{name}" in page, name
