"""The machine that a run was made on: enough to know whether two runs can be compared, nothing that names anybody."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_llmroute.core.processes import total_ram


def machine_facts() -> dict[str, Any]:
    """System, processors, memory and Python."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "gpus": _gpus(),
        "cores": os.cpu_count() or 0,
        "ram_bytes": total_ram(),
        "python": platform.python_version(),
    }


def machine_class(facts: Mapping[str, Any]) -> str:
    """One line; times and RAM of two runs are compared only where it is the same."""
    ram = f"{facts.get('ram_bytes', 0) / 2**30:.0f} GiB"
    processors = f"{facts.get('cores', 0)} × {facts.get('cpu') or 'unknown CPU'}"
    return ", ".join([f"{facts.get('system', '')} {facts.get('machine', '')}", processors, ram, *facts.get("gpus", ())])


def _cpu() -> str:
    """The processor's name as the system has it."""
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor()


def _gpus() -> list[str]:
    """Names of Nvidia's cards, as their driver lists them; others are not looked for."""
    return sorted(_field(path, "Model") for path in Path("/proc/driver/nvidia/gpus").glob("*/information"))


def _field(path: Path, name: str) -> str:
    """The first line `name: value` of a file of the kernel's; empty where there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith(name)), "")
    except OSError:
        return ""
