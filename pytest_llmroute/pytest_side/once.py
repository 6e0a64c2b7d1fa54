"""Something that one process of a host does for all workers of a run: the first to come does it, the others read it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

PATIENCE = 10.0
"""Seconds; then the one who waits does it itself: the first one may have been killed."""


KINDS = ("preflight", "learned")


def path_of(root: Path, run_id: str, kind: str) -> Path:
    return root / ".llmroute" / f"{kind}-{run_id}.json"


def lease_folder(root: Path, run_id: str) -> Path:
    """Where the workers of a run share slots."""
    return root / ".llmroute" / f"leases-{run_id}"


def once_for_all(session: LLMSession, kind: str, ask: Callable[[], Any]) -> Any:
    """What `ask` gives, as JSON has it."""
    if session.worker == "main":
        return ask()
    path = path_of(session.config.rootpath, session.run_id, kind)
    lock = path.with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        found = _waited(path)
        return ask() if found is None else found
    except OSError:
        return ask()  # nothing can be written here: the journal says so
    told = ask()
    whole = path.with_suffix(".part")
    with suppress(OSError):
        whole.write_text(json.dumps(told), encoding="utf-8")
        whole.replace(path)
    return told


def forget(root: Path, run_id: str) -> None:
    """By the controller, when the run is over."""
    for path in (path_of(root, run_id, kind) for kind in KINDS):
        for each in (path, path.with_suffix(".lock")):
            with suppress(OSError):
                each.unlink()
    rmtree(lease_folder(root, run_id), ignore_errors=True)


def _waited(path: Path) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(OSError, ValueError):
            return json.loads(path.read_text(encoding="utf-8"))
        time.sleep(0.02)
    return None
