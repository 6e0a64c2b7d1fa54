"""The pages tell the truth: their console blocks are run, made pages are current, links lead somewhere."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
FILE = re.compile(r"# (?P<name>[\w./-]+\.(?:toml|py|yaml|ini|env))(?: — .*)?$")
STATUS = re.compile(r"\s+# exit status (\d+)$")


@dataclass(frozen=True)
class Command:
    """A command of a page with what the page says it prints."""

    line: str
    expected: tuple[str, ...]
    status: int


def commands(text: str) -> Iterator[Command | tuple[str, str]]:
    """Files to write and commands to run, in the order of the page."""
    for block in BLOCK.finditer(text):
        body = block["text"]
        first = body.partition("\n")[0]
        if block["why"]:
            continue
        if block["kind"] in ("toml", "python", "yaml") and (file := FILE.match(first)):
            yield file["name"], body
        elif block["kind"] == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                status = STATUS.search(line)
                yield Command(STATUS.sub("", line), tuple(output.splitlines()), int(status[1]) if status else 0)


def normal(line: str) -> str:
    """Without what differs from run to run: times, sizes, ids, and the padding that they cause."""
    line = re.sub(r"\d{8}-\d{6}-[0-9a-f]{6}", "RUN", line)
    line = re.sub(r"\d+(?:\.\d+)? (ms|s|MB|GB)\b", r"# \1", line)
    line = re.sub(r"in \d+\.\d+s", "in #s", line)
    line = re.sub(r"[-=]{3,}", "--", line)
    return re.sub(r"\s+", " ", line).strip()


def pattern(expected: tuple[str, ...]) -> re.Pattern[str]:
    """A line of `…` stands for any lines, `…` in a line for anything."""
    parts = []
    for line in expected:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(piece) for piece in normal(line).split("…")) + r"\n")
    return re.compile("".join(parts) + r"\s*")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_pages_commands_print_what_it_says(page: Path, tmp_path: Path) -> None:
    if page.name == "README.md":
        shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "pytest.ini").write_text("[pytest]\nllm_gate = record\naddopts = -p no:asyncio\n")
    else:
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:asyncio\n")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    for step in commands(page.read_text(encoding="utf-8")):
        if isinstance(step, tuple):
            path = tmp_path / step[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step[1], encoding="utf-8")
            continue
        ended = subprocess.run(
            ["bash", "-c", step.line], cwd=tmp_path, env=env, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT if step.status else subprocess.PIPE,
        )  # fmt: skip
        assert ended.returncode == step.status, f"$ {step.line}\n{ended.stdout}{ended.stderr}"
        printed = "".join(f"{normal(line)}\n" for line in ended.stdout.splitlines())
        assert pattern(step.expected).fullmatch(printed), f"$ {step.line}\n{ended.stdout}"


def test_made_files_are_current() -> None:
    """`python tests/renew` writes them anew."""
    for path, text in runpy.run_path(str(ROOT / "tests" / "renew"))["pages"]().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, path


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "bench" / "README.md"], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
