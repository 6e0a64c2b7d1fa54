"""The gate of a session: the statistics are loaded where it has one."""

from __future__ import annotations

from pathlib import Path

from pytest_llmroute.config.options import ADAPTIVE
from pytest_llmroute.config.resolve import Settings
from pytest_llmroute.pytest_side.nogate import NoGate
from pytest_llmroute.report.summary import RunHead


def gate_of(settings: Settings, head: RunHead, folder: Path, store: Path) -> NoGate:
    """What the settings ask for; wrong ones are told here, before any test."""
    adaptive = settings["repeat"] == ADAPTIVE
    if settings["gate"] in ("off", "record") and not (settings["save"] or settings["require"] or adaptive):
        return NoGate(settings["gate"])
    from pytest_llmroute.pytest_side.judging import Gate

    return Gate(settings, head, folder, store)
