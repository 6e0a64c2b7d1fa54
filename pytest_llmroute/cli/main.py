"""The command itself: its errors as clean blocks, its exit statuses.

0 fine, 1 a regression, 2 bad usage or configuration, 3 no stored run to work on, 4 the environment, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from pytest_llmroute.cli.verbs import cli
from pytest_llmroute.codes import Code
from pytest_llmroute.errors import LLMRouteError, UserError

EXIT = {Code.NO_RUN: 3, Code.ENVIRONMENT: 4, Code.STORE: 4, Code.SANDBOX: 4, Code.INTERNAL: 4}
USAGE = 2
INTERRUPTED = 130


def main(args: list[str] | None = None) -> NoReturn:
    """Runs the command and leaves with its exit status."""
    debug = "--debug" in (sys.argv if args is None else args)
    try:
        status = cli.main(args, prog_name="llmroute", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        status = _told(error, debug)
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        status = USAGE
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        _say(context.get_usage() if context else "", f"llmroute: {error.format_message()}")
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
    trace = ""
    if debug:
        import traceback

        trace = "".join(traceback.format_exception(error))
    _say(trace, f"llmroute: {error.text()}")
    codes = [each.code for each in getattr(error, "errors", (error,))]
    return max((EXIT.get(code, USAGE) for code in codes if code), default=USAGE)


def _say(*parts: str) -> None:
    from pytest_llmroute.cli import output

    for part in filter(None, parts):
        output.note(part)
