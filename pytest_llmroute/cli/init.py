"""`llmroute init`: a commented configuration and a sample that runs; nothing is ever overwritten."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import root_of
from pytest_llmroute.codes import Code
from pytest_llmroute.config.files import NAME, find_project_file
from pytest_llmroute.errors import UserError

SAMPLE = Path("tests") / "llm_sample"
FILES = {
    "llmroute.toml": Path(NAME),
    "conftest.py.txt": SAMPLE / "conftest.py",
    "test_sample.py.txt": SAMPLE / "test_sample.py",
    "sample.llm.yaml": SAMPLE / "sample.llm.yaml",
}


def init(ctx: click.Context, as_json: bool) -> None:
    """Write a commented llmroute.toml and a sample test into this project; what is there is left as it is."""
    root = Path.cwd() if ctx.find_root().obj is None else root_of(ctx)
    configured = find_project_file(root)
    written, kept = [], []
    for source, target in FILES.items():
        path = root / target
        if path.exists() or (target == Path(NAME) and configured is not None):
            kept.append(target.as_posix())
            continue
        text = (resources.files("pytest_llmroute.cli") / "samples" / source).read_text(encoding="utf-8")
        _write(path, text)
        written.append(target.as_posix())
    ignore = not _ignored(root)
    if as_json:
        output.data({"written": written, "kept": kept, "suggest_gitignore": ignore}, "llmroute.init/1")
        return
    for name in written:
        output.line(f"{output.mark('ok')} wrote {name}")
    for name in kept:
        why = "[tool.llmroute] in pyproject.toml is there" if not (root / name).exists() else "is there, left as it is"
        output.line(f"{output.mark('warn')} {name}: {why}")
    if ignore:
        output.line("add a line .llmroute/ to .gitignore: runs are kept there")
    output.line(f"next: pytest {SAMPLE.as_posix()} --llm-strategy=balanced,fast --llm-gate=record")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(
            f"{path} can't be written: {error.strerror}", code=Code.ENVIRONMENT, fix="make the folder writable"
        ) from error


def _ignored(root: Path) -> bool:
    if not (root / ".git").exists():
        return True
    ignore = root / ".gitignore"
    lines = ignore.read_text(encoding="utf-8", errors="replace").split() if ignore.is_file() else []
    return any(line.strip("/") == ".llmroute" for line in lines)
