"""Names for the shell's completion: read from the built-in tables and the project's file, nothing else."""

from __future__ import annotations

import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_llmroute.config.files import find_project_file, project_root
from pytest_llmroute.errors import UserError

IN_CODE = {"strategies": ("hybrid", "local_fallback", "local_only", "claude_only", "agents")}


def names_of(section: str) -> list[str]:
    """The names of a section; beside a broken file, the built-in ones."""
    text = (resources.files("pytest_llmroute.config") / "data" / f"{section}.toml").read_text(encoding="utf-8")
    known: dict[str, Any] = tomllib.loads(text)
    try:
        file = find_project_file(project_root(Path.cwd()), os.environ.get("LLMROUTE_CONFIG"))
    except UserError:
        file = None
    own = file.table.get(section) if file is not None else None
    return sorted({*known, *(own if isinstance(own, dict) else ()), *IN_CODE.get(section, ())})
