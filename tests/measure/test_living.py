"""A process's name is its own, and lives as long as it does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_llmroute.core import processes
from pytest_llmroute.core.processes import lives, name_of


@pytest.fixture(params=["told by the system", "by the clock"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by the clock":
        monkeypatch.setattr(processes, "_boot", lambda: "")


@pytest.mark.usefixtures("ways")
def test_a_name_lives_as_long_as_its_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = name_of(process.pid)
    assert lives(name)
    assert lives(name_of(os.getpid()))
    assert name != name_of(os.getpid())
    process.communicate(b"\n")
    assert (lives(name), name_of(process.pid)) == (False, "")


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("name", ["", "x", ":", "-1:5", f"{10**30}:5:abc", "PID", "PID:5:abc"])
def test_what_is_no_living_name_is_none(name: str) -> None:
    assert not lives(name.replace("PID", str(os.getpid())))


@pytest.mark.skipif(sys.platform != "linux", reason="zombies are told apart where the kernel shows them")
def test_who_has_died_is_dead_though_nobody_has_asked_how() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = name_of(process.pid)
    assert lives(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(name)
    process.communicate()
