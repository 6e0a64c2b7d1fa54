"""What is kept of a run beside its cases: machine, commit, what was collected, and what decides its result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.config.resolve import Settings
from pytest_llmroute.engine.case import digest
from pytest_llmroute.measure.checkout import checkout_facts
from pytest_llmroute.measure.machine import machine_facts

SELECTING: tuple[tuple[str, str], ...] = (
    ("keyword", "-k {}"), ("markexpr", "-m {}"), ("lf", "--lf"), ("stepwise", "--sw"), ("deselect", "--deselect"),
    ("ignore", "--ignore"), ("ignore_glob", "--ignore-glob"),
    ("llmroute_limit", "--llm-limit={}"),
    ("group", "--group={}"), ("shard_id", "--shard-id={}"),  # of pytest-split and pytest-shard
)  # fmt: skip
"""Options that leave cases out, and how they are shown. Read from the options: xdist's controller collects nothing."""
DECIDING = ("profile", "phase", "repeat", "timeout", "sandbox")
WHERE_SET = ("small", "large")
"""They decide, too, where they are set."""


def run_facts(config: pytest.Config, settings: Settings, env: Mapping[str, str]) -> dict[str, Any]:
    """Facts of a run, the same in every process of it."""
    root = config.rootpath
    deciding = {name: settings[name] for name in DECIDING}
    deciding |= {name: settings[name] for name in WHERE_SET if settings[name] is not None}
    return {
        **machine_facts(),
        **checkout_facts(root, env),
        "paths": sorted({_path(arg, config) for arg in config.args}) or ["."],
        "selection": selection_of(config),
        "settings": {**deciding, "hash": digest(deciding)},
    }


def selection_of(config: pytest.Config) -> str:
    """The options that leave cases out; empty for a whole run."""
    shown = [text.format(value) for name, text in SELECTING if (value := config.getoption(name, None))]
    return " ".join([*shown, *(arg for arg in config.args if "::" in arg)])


def _path(arg: str, config: pytest.Config) -> str:
    """From the root directory; what lies outside of it by its name only."""
    path = (config.invocation_params.dir / Path(arg.split("::", 1)[0])).resolve()
    return path.relative_to(config.rootpath).as_posix() if path.is_relative_to(config.rootpath) else path.name
