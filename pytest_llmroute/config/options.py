"""The one table of options; command line, ini, environment, file, help, schema and docs are made from it.

Loaded in every pytest run: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "names", "name", "count", "choice", "flag", "path", "paths", "number", "size", "text", "lines", "mapping", "slots",
    "budget", "weights",
]  # fmt: skip
ADAPTIVE = "adaptive"
"""As many repeats as the gate needs."""
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
"""The words of a flag."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option with its twins: `--llm-x`, ini `llm_x`, environment `LLMROUTE_X`, and a key of the file."""

    name: str
    kind: Kind
    help: str
    metavar: str = ""
    default: Any = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    """Further environment variables, read after `LLMROUTE_…`."""
    command_line: bool = True
    ini_key: bool = True
    file: str = ""
    """The key in llmroute.toml; empty where it makes no sense to keep the option in a file."""
    least: float | None = None
    most: float | None = None

    @property
    def flag(self) -> str:
        return "--llm-" + self.name.replace("_", "-")

    @property
    def dest(self) -> str:
        return f"llmroute_{self.name}"

    @property
    def ini(self) -> str:
        return f"llm_{self.name}" if self.ini_key else ""

    @property
    def env(self) -> tuple[str, ...]:
        return (f"LLMROUTE_{self.name.upper()}", *self.aliases) if self.ini_key else ()

    @property
    def machine(self) -> bool:
        """A fact of the machine: the only thing that the user's own file may hold."""
        return self.file.startswith("machine.")


def _gate(name: str, kind: Kind, help: str, default: Any, **more: Any) -> Option:
    """A knob of the gate: it has its place in the file only."""
    return Option(
        f"gate_{name}", kind, help, default=default, file=f"gate.{name}", command_line=False, ini_key=False, **more
    )


OPTIONS: tuple[Option, ...] = (
    Option(
        "strategy", "names", "run the suite once per strategy: balanced, quality, fast, low_ram, single, …",
        metavar="NAME[,NAME…]", aliases=("LLM_STRATEGY",), file="strategy",
    ),
    Option(
        "profile", "name", "the set of models that play the roles", metavar="NAME", default="embedded", file="profile",
    ),
    Option(
        "model", "names", "a column for each of these models, without routing",
        metavar="NAME[,NAME…]", file="model",
    ),
    Option(
        "phase", "names",
        "run tests that declare no phase once per phase, the others only in their own",
        metavar="NAME[,NAME…]", file="phase",
    ),
    Option(
        "repeat", "count", "run every case this many times; adaptive: once, and up to five times while the gate may still fail",
        metavar="N|adaptive", choices=(ADAPTIVE,), default=1, file="repeat",
    ),
    Option(
        "timeout", "number", "seconds that the calls of one test may take together, retries and fallbacks included",
        metavar="SECONDS", default=300.0, file="timeout", least=0.001, most=86_400,
    ),
    Option(
        "concurrency", "slots", "how many calls are made at once, ahead of the tests that wait for them; 1: one after another",
        metavar="N|auto", default=None, file="concurrency",
    ),
    Option(
        "replay", "choice",
        "none: ask the models; auto: replay what is recorded, ask and record the rest; only: ask nobody, what is not recorded is"
        " an error; rewrite: ask, and record anew",
        choices=("none", "auto", "only", "rewrite"), metavar="none|auto|only|rewrite", default="none", file="replay",
    ),
    Option(
        "budget", "budget",
        "what the calls of a run may take: '$2', '200000 tokens' or '30 min', several with commas; the run stops before the"
        " call that would exceed it",
        metavar="AMOUNT[,AMOUNT…]", file="budget",
    ),
    Option(
        "resume", "text",
        "go on with a run that was cut short: its finished tests are reported as they ended, and no call that was answered is"
        " made again",
        metavar="last|RUN", ini_key=False,
    ),
    Option("plan", "flag", "print what would run and why; no call, no test", default=False),
    Option(
        "limit", "count", "run the first N of the chosen tests only, by their names: each with all its columns and repeats",
        metavar="N", ini_key=False,
    ),
    Option(
        "small", "name", "the role or model that tries on every ladder of this run, whatever profile and strategy say",
        metavar="NAME", ini_key=False,
    ),
    Option(
        "large", "name", "the role or model that rescues on every ladder of this run, whatever profile and strategy say",
        metavar="NAME", ini_key=False,
    ),
    Option("json", "path", "write the run's figures and records to this file", metavar="FILE"),
    Option(
        "gate", "choice",
        "off: a miss is a failed test; record: misses show as m and fail nothing; warn, fail: the run is compared with its"
        " baseline, and fail makes it red when it got worse",
        choices=("off", "record", "warn", "fail"), metavar="off|record|warn|fail", default="off", file="gate.mode",
    ),
    Option(
        "baseline", "text", "what the gate compares with: FILE, run:ID, run:last or branch:NAME",
        metavar="SOURCE", default="llmroute-baseline.json", file="gate.baseline",
    ),
    Option(
        "junit_miss", "choice", "how a miss that fails nothing stands in JUnit files", choices=("failure", "skipped"),
        default="failure", command_line=False, file="gate.junit_miss",
    ),
    Option("save", "flag", "write the baseline file from this run", default=False),
    Option(
        "require", "lines", "what must hold besides, such as 'success_rate>=0.9' or 'tokens:+10%'; may be repeated",
        metavar="EXPR", default=(), file="gate.require",
    ),
    Option(
        "store", "text", "where runs are kept: sqlite:///FILE, relative to rootdir",
        metavar="URL", default="sqlite:///.llmroute/results.db", file="store.url",
    ),
    Option(
        "offline", "flag", "ask nobody but servers on this machine", default=False, file="machine.offline",
    ),
    Option(
        "sandbox", "choice", "where model-written code runs; auto: the best that holds on this machine",
        choices=("auto", "isolated", "restricted", "daytona", "unsafe-local"), metavar="TIER", default="auto",
        file="machine.sandbox",
    ),
    Option(
        "allow_unsafe", "flag", "the second word that --llm-sandbox=unsafe-local needs", default=False,
        command_line=False, file="machine.allow_unsafe",
    ),
    Option("debug", "flag", "show the traceback behind a message of this plugin", default=False),
    Option(
        "tasks", "paths", "further files to collect as task files (paths or globs from rootdir)",
        default=(), command_line=False, file="tasks",
    ),
    Option(
        "recordings", "path", "the folder of recorded calls, from rootdir", default=".llmroute/recordings",
        command_line=False, file="recordings",
    ),
    Option(
        "cache", "flag", "send a request that the run has made before no second time; repeats are requests of their own",
        default=False, command_line=False, file="cache",
    ),
    Option(
        "config", "path", "the configuration file, instead of looking for llmroute.toml or pyproject.toml",
        command_line=False,
    ),
    Option(
        "env_file", "path", "a file of lines NAME=value that stands behind the real environment; unset: none is read",
        command_line=False, file="env_file",
    ),
    Option(
        "ollama_host", "text", "the address of the Ollama server", default="http://127.0.0.1:11434",
        aliases=("OLLAMA_HOST",), command_line=False, file="machine.ollama_host",
    ),
    Option(
        "cache_dir", "path", "where downloaded models are kept", default="./.cache/models",
        aliases=("MODEL_CACHE_DIR",), command_line=False, file="machine.cache_dir",
    ),
    Option(
        "ram_budget", "size", "the RAM that models may take together, such as 6GB; unset: what is free less a reserve",
        metavar="SIZE", file="machine.ram_budget",
    ),
    Option(
        "pin", "names", "models that stay in memory where that is possible", default=(), command_line=False,
        file="machine.pin",
    ),
    Option(
        "order", "choice",
        "model: where models can't all be in memory, tests run model by model; file: they run in the order of their files",
        choices=("model", "file"), default="model", command_line=False, file="order",
    ),
    _gate("alpha", "number", "the chance of a false alarm that is accepted", 0.05, least=0.0001, most=0.5),
    _gate("margin", "number", "the drop in the success rate that must be ruled out for a pass", 0.05, least=0.0, most=1.0),
    _gate("min_drop", "number", "a drop below this is never a regression", 0.02, least=0.0, most=1.0),
    _gate("max_lost", "number", "the share of cases that may be lost to infrastructure", 0.1, least=0.0, most=1.0),
    _gate("scope", "choice", "the suite itself, or the population that it stands for", "suite",
          choices=("suite", "population")),
    _gate("p", "choice", "mid-p or the exact p value", "mid", choices=("mid", "exact")),
    _gate("family", "choice", "what is judged together: cells (columns, and all of them), none (each by itself) or pooled (all of them only)", "cells",
          choices=("cells", "none", "pooled")),
    _gate("inconclusive", "choice", "what too few tries do", "warn", choices=("warn", "fail")),
    _gate("require_baseline", "flag", "whether a run without a baseline is an error", False),
    _gate("allow_replayed", "flag", "whether replayed tries count", False),
    _gate("columns", "mapping", "renamed columns: new name = old name", {}),
    Option(
        "study_weights", "weights", "what a study's score weighs, and how much: seconds, cpu, ram, tokens, usd",
        choices=("seconds", "cpu", "ram", "tokens", "usd"), default={"seconds": 1, "cpu": 1, "ram": 1},
        command_line=False, ini_key=False, file="study.weights",
    ),
)  # fmt: skip

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
