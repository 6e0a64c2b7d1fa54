"""The one table of options; command line, ini, environment, help and docs are made from it.

Loaded in every pytest run: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["names", "name", "count", "choice", "flag", "path", "paths"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option with its twins: `--llm-x`, ini `llm_x`, environment `LLMROUTE_X`."""

    name: str
    kind: Kind
    help: str
    metavar: str = ""
    default: Any = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    """Further environment variables, read after `LLMROUTE_…`."""
    command_line: bool = True

    @property
    def flag(self) -> str:
        return "--llm-" + self.name.replace("_", "-")

    @property
    def dest(self) -> str:
        return f"llmroute_{self.name}"

    @property
    def ini(self) -> str:
        return f"llm_{self.name}"

    @property
    def env(self) -> tuple[str, ...]:
        return (f"LLMROUTE_{self.name.upper()}", *self.aliases)


OPTIONS: tuple[Option, ...] = (
    Option(
        "strategy", "names", "run the suite once per strategy: balanced, quality, fast, low_ram, single, …",
        metavar="NAME[,NAME…]", aliases=("LLM_STRATEGY",),
    ),
    Option("profile", "name", "the set of models that play the roles", metavar="NAME", default="scripted"),
    Option(
        "model", "names", "a column for each of these models, without routing",
        metavar="NAME[,NAME…]",
    ),
    Option(
        "phase", "names",
        "run tests that declare no phase once per phase, the others only in their own",
        metavar="NAME[,NAME…]",
    ),
    Option("repeat", "count", "run every case this many times", metavar="N", default=1),
    Option("plan", "flag", "print what would run and why; no call, no test", default=False),
    Option("json", "path", "write the run's figures and records to this file", metavar="FILE"),
    Option(
        "gate", "choice", "off: a miss is a failed test; record: misses show as m and fail nothing",
        choices=("off", "record"), metavar="off|record", default="off",
    ),
    Option(
        "tasks", "paths", "further files to collect as task files (paths or globs from rootdir)",
        default=(), command_line=False,
    ),
)  # fmt: skip

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
