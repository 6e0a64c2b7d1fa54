"""The machine that a run was made on: enough to know whether two runs can be compared, nothing that names anybody."""

from __future__ import annotations

import platform
from typing import Any

import psutil


def available_ram() -> int:
    """Bytes that could be used now without swapping."""
    return int(psutil.virtual_memory().available)


def machine_facts() -> dict[str, Any]:
    """System, processor, memory and Python."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": psutil.cpu_count(logical=True) or 0,
        "ram_bytes": int(psutil.virtual_memory().total),
        "python": platform.python_version(),
    }
