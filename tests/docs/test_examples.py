"""The workflows to copy: they parse, stand on the page as they lie in `examples/`, and name what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pytest_llmroute.cli.verbs import cli
from pytest_llmroute.config.options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
FILES = sorted((ROOT / "examples").glob("git*/*.yml"))
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_workflow_parses_and_stands_on_the_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.relative_to(ROOT).as_posix()}\n")
    assert text in BLOCKS
    loaded = yaml.safe_load(text)
    for job in loaded.get("jobs", {}).values():
        assert job["runs-on"] == "ubuntu-latest"
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])


def test_every_workflow_of_the_page_is_a_file() -> None:
    assert len(BLOCKS) == len(FILES) == len(set(BLOCKS))


def test_the_first_job_has_eight_lines() -> None:
    assert len(BLOCKS[0].splitlines()[1:]) == 8


def test_options_and_verbs_of_the_page_exist() -> None:
    options = {f"--llm-{option.name.replace('_', '-')}" for option in OPTIONS}
    assert set(re.findall(r"--llm-[a-z-]+", PAGE)) <= options
    verbs = set(re.findall(r"(?:`|\$ |run: |&& )llmroute ([a-z]+)", PAGE))
    assert {"gate", "merge", "baseline"} <= verbs <= set(cli.commands)


def test_a_workflow_puts_nothing_foreign_into_a_script() -> None:
    """What others can choose (branch names, titles) comes by the environment, or it would be run."""
    for path in FILES:
        for job in yaml.safe_load(path.read_text(encoding="utf-8")).get("jobs", {}).values():
            assert not [step["run"] for step in job["steps"] if "${{" in step.get("run", "")]
