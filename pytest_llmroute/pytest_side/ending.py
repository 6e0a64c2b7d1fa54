"""Ctrl-C: workers of xdist that do not hear it would go on for ten seconds; and what is shown is made in no time."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_llmroute.store.contents import alive
from pytest_llmroute.store.journal import journal_folder
from pytest_llmroute.store.merge import journals_of


def interrupt_workers(root: Path, run_id: str) -> None:
    """By the controller; those that heard it themselves let it pass."""
    for path in journals_of(journal_folder(root, run_id)):
        with suppress(OSError, ValueError), path.open("rb") as file:
            header = json.loads(file.readline())
            if header.get("parent") == os.getpid() and alive(header):
                os.kill(int(header["pid"]), signal.SIGINT)


def hear_no_more() -> None:
    """By a worker that is ending: another one would tear its ending apart."""
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def without_way(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Only where it was interrupted is shown; rendering the way there takes pytest half a second of CPU."""
    last = excinfo.traceback[-1:]
    if last and not last[0].ishidden(excinfo):
        excinfo.traceback = last
