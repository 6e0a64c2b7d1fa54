"""`llmroute completion`: the script that a shell needs to complete names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pytest_llmroute.cli import output

HOW = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/llmroute.fish"}


@click.command()
@click.argument("shell", type=click.Choice(list(HOW)))
def completion(shell: str) -> None:
    """Print the script that completes names in your shell.

    \b
    Examples:
      llmroute completion bash >> ~/.bashrc
      llmroute completion fish > ~/.config/fish/completions/llmroute.fish
    """
    from pytest_llmroute.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    output.line(kind(cli, {}, "llmroute", "_LLMROUTE_COMPLETE").source())
    output.note(f"# append this to {HOW[shell]}")
