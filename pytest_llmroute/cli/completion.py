"""`llmroute completion`: the script that a shell needs to complete names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pytest_llmroute.cli import output

HOW = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/llmroute.fish"}


def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes names in your shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    output.line(kind(ctx.find_root().command, {}, "llmroute", "_LLMROUTE_COMPLETE").source())
    output.note(f"# append this to {HOW[shell]}")
