"""Runs within the remote sandbox: takes one job from a file and leaves a sealed answer in another.

Carried there with the modules that it imports (`luggage.py`); standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from pytest_llmroute.sandbox import probe
from pytest_llmroute.sandbox.daytona.seal import ANSWER, JOB, TAKEN, sealed
from pytest_llmroute.sandbox.inside import kernel
from pytest_llmroute.sandbox.jail import Jail, Job, Lost, Refused, Way
from pytest_llmroute.sandbox.local import UnsafeLocal


class Pair(UnsafeLocal):
    """Two processes without a jail, in a sandbox that is thrown away after them."""

    module = "guarded"


def main(folder: str, name: str) -> None:
    """The answer is written when the solver is dead, under a name that it has never seen."""
    with suppress(OSError):
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    os.umask(0o077)
    os.chdir("/")
    order = _taken(os.path.join(folder, name))
    if order is None:
        sys.exit(TAKEN)
    signal.alarm(order["within"])
    _clear(folder)
    told = _judged(order) if order["task"] else _prepared(order["ways"])
    path = os.path.join(folder, order["answer"])
    with open(path + ".part", "xb") as file:
        file.write(sealed(order["key"], told))
    os.rename(path + ".part", path)


def _taken(path: str) -> dict[str, Any] | None:
    """The job, once: whoever removes its file runs it. Expected values are on no disk when a solution starts."""
    try:
        with open(path, "rb") as file:
            order: dict[str, Any] = json.loads(file.read())
        os.unlink(path)
    except FileNotFoundError:
        return None
    return order


def _clear(folder: str) -> None:
    for name in os.listdir(folder):
        if name.startswith((JOB, ANSWER)):
            os.unlink(os.path.join(folder, name))


def _prepared(ways: Sequence[Way]) -> dict[str, Any]:
    """The first kind of jail that withstands our own attack here, and why the better ones do not."""
    lacks: dict[str, str] = {}
    for way in ways:
        try:
            lacks[way] = "; ".join(probe.withstands(way))
        except (Refused, OSError) as error:
            lacks[way] = str(error) or type(error).__name__
        if not lacks[way]:
            return {"inside": way, "lacks": lacks}
    return {"inside": "pair", "lacks": lacks}


def _judged(order: Mapping[str, Any]) -> dict[str, Any]:
    job = Job(order["task"], order["timeout"], order["memory"])
    try:
        executor = Pair() if order["inside"] == "pair" else Jail(order["inside"], 0)
        try:
            return {"verdict": asdict(executor.run(job))}
        finally:
            executor.close()
    except (Lost, Refused) as error:
        return {"lost": str(error)}
