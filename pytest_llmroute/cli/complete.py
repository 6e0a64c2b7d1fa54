"""Names for the shell's completion: read from the built-in tables and the project's file, nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from pytest_llmroute.config.catalog import builtin_tables
from pytest_llmroute.config.files import find_project_file, project_root
from pytest_llmroute.errors import UserError

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def complete(section: str) -> Completer:
    """Completes the names of a section; a broken file completes built-in names."""

    def names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        known = dict(builtin_tables()[section])
        try:
            file = find_project_file(project_root(Path.cwd()), os.environ.get("LLMROUTE_CONFIG"))
        except UserError:
            file = None
        if file is not None and isinstance(own := file.table.get(section), dict):
            known |= own
        more = ("hybrid", "local_fallback", "local_only", "claude_only", "agents") if section == "strategies" else ()
        return sorted(name for name in (*known, *more) if name.startswith(incomplete))

    return names
