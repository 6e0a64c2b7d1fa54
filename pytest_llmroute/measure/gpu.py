"""GPU memory by process and utilisation, through NVIDIA's library; needs the extra `gpu`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple


class GpuSeen(NamedTuple):
    """One look at all GPUs of the machine."""

    bytes_of: Mapping[int, int]
    """By process, where the driver names processes."""
    percent: float
    """Utilisation: the mean over the GPUs, whoever uses them."""

    def bytes_for(self, pids: Collection[int]) -> int | None:
        """None where the driver names none of these processes, as in most containers."""
        found = [size for pid, size in self.bytes_of.items() if pid in pids]
        return sum(found) if found else None


class Gpu:
    """The opened library."""

    def __init__(self, library: Any, devices: list[Any]) -> None:
        self._library, self._devices = library, devices

    @staticmethod
    def opened() -> Gpu | None:
        """None without the extra, a driver, or a GPU."""
        try:
            import pynvml
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
            devices = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError:
            return None
        return Gpu(pynvml, devices) if devices else None

    def look(self) -> GpuSeen | None:
        sizes: dict[int, int] = {}
        shares = []
        try:
            for device in self._devices:
                for process in self._library.nvmlDeviceGetComputeRunningProcesses(device):
                    sizes[process.pid] = sizes.get(process.pid, 0) + (process.usedGpuMemory or 0)
                shares.append(self._library.nvmlDeviceGetUtilizationRates(device).gpu)
        except self._library.NVMLError:
            return None
        return GpuSeen(sizes, sum(shares) / len(shares))
