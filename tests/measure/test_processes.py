"""What is read below /proc is what psutil says."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from pytest_llmroute.core import processes

from .conftest import Start


def test_a_process_is_as_psutil_has_it(start: Start) -> None:
    child = start("print('ready', flush=True); input()")
    for own in (psutil.Process(), psutil.Process(child.pid)):
        assert processes.parent_of(own.pid) == own.ppid()
        assert processes.words_of(own.pid) == own.cmdline()
        assert processes.program_of(own.pid)
        assert own.name().startswith(processes.program_of(own.pid))
    assert {child.pid, os.getpid()} <= set(processes.pids())


def test_of_a_process_that_is_gone_nothing_is_told() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    told = processes.parent_of(gone.pid), processes.program_of(gone.pid), processes.words_of(gone.pid)
    assert told == (None, "", [])


def test_memory_is_as_psutil_has_it() -> None:
    memory = psutil.virtual_memory()
    assert processes.total_ram() == memory.total
    assert abs(processes.available_ram() - memory.available) < memory.total / 10
