"""GPUs are read through a library that need not be there; here a stand-in plays its part."""

from __future__ import annotations

import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from pytest_llmroute.measure.gpu import Gpu, GpuSeen

from .conftest import Meter


class NVMLError(Exception):
    """The library's own error."""


class StandIn(ModuleType):
    """Two GPUs; processes 7 and 8 use the first one, 7 the second one, too."""

    NVMLError = NVMLError

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetComputeRunningProcesses(self, device: int) -> list[SimpleNamespace]:
        of_8 = [SimpleNamespace(pid=8, usedGpuMemory=None)] if device == 0 else []
        return [SimpleNamespace(pid=7, usedGpuMemory=100), *of_8]

    def nvmlDeviceGetUtilizationRates(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=90 - 40 * device)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn("pynvml")
    monkeypatch.setitem(sys.modules, "pynvml", made)
    return made


def test_memory_is_told_by_process_and_utilisation_as_the_mean(library: StandIn) -> None:
    gpu = Gpu.opened()
    assert gpu is not None
    seen = gpu.look()
    assert seen == GpuSeen({7: 200, 8: 0}, 70.0)
    assert (seen.bytes_for({7, 8, 9}), seen.bytes_for({9})) == (200, None)


def test_a_library_that_fails_is_like_none(library: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise NVMLError

    gpu = Gpu.opened()
    assert gpu is not None
    monkeypatch.setattr(StandIn, "nvmlDeviceGetUtilizationRates", fails)
    assert gpu.look() is None
    monkeypatch.setattr(StandIn, "nvmlInit", fails)
    assert Gpu.opened() is None


def test_the_figures_of_a_case(library: StandIn, meter: Meter) -> None:
    mark = meter.begin()
    time.sleep(0.2)
    usage = meter.ended(mark)
    assert (usage.gpu_bytes, usage.gpu_percent) == (None, 70.0)
    series = meter.series("main")
    assert series is not None
    assert series.rows[-1][-2:] == (None, 70.0)


def test_the_library_is_not_imported_before_something_is_measured() -> None:
    script = "import sys, pytest_llmroute.measure.meter; print('pynvml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
