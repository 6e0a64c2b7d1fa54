"""A quick meter, and real processes that do as they are told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pytest_llmroute.measure.mark import Mark, Target, Usage
from pytest_llmroute.measure.meter import ProcessMeter

Start = Callable[[str], subprocess.Popen[str]]


class Meter(ProcessMeter):
    """One whose marks always have a usage."""

    def ended(self, mark: Mark) -> Usage:
        usage = self.end(mark)
        assert usage is not None
        return usage

    def found(self, target: Target | None, mark: Mark) -> None:
        """Waits until the server of an open mark has been found."""
        import time

        deadline = time.monotonic() + 5
        while mark.cpu is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert mark.cpu is not None


@pytest.fixture
def meter() -> Iterator[Meter]:
    made = Meter(interval=0.05)
    yield made
    made.close()


@pytest.fixture
def slow_meter() -> Iterator[Meter]:
    """One that takes no sample between begin and end: what it sees, it has from the kernel's marks."""
    made = Meter(interval=60)
    yield made
    made.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a script that obeys lines on its stdin, and has said that it is ready."""
    with ExitStack() as stack:

        def started(script: str) -> subprocess.Popen[str]:
            child = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            stack.callback(child.kill)
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            return child

        yield started


def tell(child: subprocess.Popen[str], line: str) -> str:
    """One line to it, one back."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(line + "\n")
    child.stdin.flush()
    return child.stdout.readline().strip()
