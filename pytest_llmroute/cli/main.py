"""The command itself: its verbs by name, its errors as clean blocks, its exit statuses.

0 fine, 1 a regression, 2 bad usage or configuration, 3 no stored run to work on, 4 the environment, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from pytest_llmroute import __version__
from pytest_llmroute.codes import Code
from pytest_llmroute.errors import LLMRouteError, UserError, nearest

VERBS: dict[str, tuple[str, str]] = {
    "config": (
        "pytest_llmroute.cli.config:config",
        "What is configured, where it is from, whether it is right.",
    ),
    "models": (
        "pytest_llmroute.cli.models:models",
        "Model cards: what is known of each, whether it fits here.",
    ),
    "explain": ("pytest_llmroute.cli.explain:explain", "Which model would answer, and why; nobody is asked."),
    "runs": ("pytest_llmroute.cli.runs:runs", "The stored runs."),
    "show": ("pytest_llmroute.cli.show:show", "One stored run: its table, its cases, its calls."),
    "init": ("pytest_llmroute.cli.init:init", "Write a commented llmroute.toml and a sample test."),
    "doctor": ("pytest_llmroute.cli.doctor:doctor", "What is here, what is missing, and the command that fixes it."),
    "completion": ("pytest_llmroute.cli.completion:completion", "Print the script that completes names in your shell."),
}
EXIT = {Code.NO_RUN: 3, Code.ENVIRONMENT: 4, Code.STORE: 4, Code.INTERNAL: 4}
USAGE = 2
INTERRUPTED = 130


class Verbs(click.Group):
    """Loads a verb when it is called; lists them without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0]), ctx)
        return super().resolve_command(ctx, args)


def _unknown(name: str) -> str:
    if name == "run":
        return 'no command "run": pytest is the runner. Try: pytest --llm-strategy=balanced'
    near = nearest(name, VERBS)
    return f'no command "{name}"' + (f' (did you mean "{near}"?)' if near else "") + f"; known: {', '.join(VERBS)}"


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="llmroute")
@click.option("--debug", is_flag=True, help="Show the traceback behind a message.")
@click.option("-C", "--root", type=click.Path(), help="The project's folder, instead of looking upwards from here.")
@click.pass_context
def cli(ctx: click.Context, debug: bool, root: str | None) -> None:
    """Companion of pytest-llmroute: configuration, models, decisions and stored runs.

    \b
    Tests are run by pytest:
      pytest --llm-strategy=balanced,fast
      llmroute show last
    """
    ctx.obj = root


def main(args: list[str] | None = None) -> NoReturn:
    """Runs the command and leaves with its exit status."""
    from pytest_llmroute.cli.output import fail

    debug = "--debug" in (sys.argv if args is None else args)
    try:
        status = cli.main(args, prog_name="llmroute", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        status = _told(error, debug)
    except click.ClickException as error:
        fail(
            error.format_message(),
            usage=error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx else "",
        )
        status = USAGE
    except (click.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`llmroute runs | head`); nothing is left to be written to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        status = _told(_ours(error), debug)
    sys.exit(status if isinstance(status, int) else 0)


def _ours(error: Exception) -> UserError:
    what = str(error) if isinstance(error, LLMRouteError) else f"{type(error).__name__}: {error}"
    internal = UserError(
        f"llmroute stopped: {what}", code=Code.INTERNAL, fix="llmroute --debug … shows where; please report it"
    )
    internal.__cause__ = error
    return internal


def _told(error: UserError, debug: bool) -> int:
    from pytest_llmroute.cli.output import fail

    trace: Any = None
    if debug:
        import traceback

        trace = "".join(traceback.format_exception(error))
    fail(error.text(), trace=trace)
    codes = [each.code for each in getattr(error, "errors", (error,))]
    return max((EXIT.get(code, USAGE) for code in codes if code), default=USAGE)
