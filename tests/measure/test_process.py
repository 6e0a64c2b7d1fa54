"""RAM and CPU of this process and of real children."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pytest_llmroute.measure.machine import machine_facts
from pytest_llmroute.measure.process import ProcessMeter

HOLD = "import sys, time; held = bytearray(200_000_000); print('held', flush=True); time.sleep(30)"


@pytest.fixture
def meter() -> Iterator[ProcessMeter]:
    made = ProcessMeter(interval=0.05)
    yield made
    made.close()


def test_a_childs_memory_is_seen(meter: ProcessMeter) -> None:
    mark = meter.begin()
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.4)
        usage = meter.end(mark)
        child.kill()
    assert usage.rss_peak > 200_000_000 + 5_000_000
    assert usage.rss_average <= usage.rss_peak
    time.sleep(0.2)
    assert meter.end(meter.begin()).rss_peak < usage.rss_peak - 150_000_000


def test_cpu_seconds_of_a_busy_loop_and_of_a_sleep(meter: ProcessMeter) -> None:
    mark = meter.begin()
    started = time.process_time()
    while time.process_time() - started < 0.3:
        pass
    busy = meter.end(mark)
    assert 0.25 < busy.cpu_seconds < 0.6
    mark = meter.begin()
    time.sleep(0.3)
    assert meter.end(mark).cpu_percent < 50


def test_cpu_of_a_finished_child_is_counted(meter: ProcessMeter) -> None:
    mark = meter.begin()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert 0.4 < meter.end(mark).cpu_seconds < 1.5


def test_marks_may_overlap(meter: ProcessMeter) -> None:
    outer = meter.begin()
    inner = meter.begin()
    assert meter.end(inner).seconds <= meter.end(outer).seconds


def test_machine_facts_name_nobody() -> None:
    assert set(machine_facts()) == {"system", "machine", "cores", "ram_bytes", "python"}
