"""What the server behind a model used while it was asked."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_llmroute.measure.mark import Mark, Usage
from pytest_llmroute.measure.meter import ProcessMeter


@dataclass(frozen=True, slots=True)
class Gauges:
    """Makes a gauge for each call; without a meter it measures nothing."""

    meter: ProcessMeter | None = None

    def gauge(self) -> Gauge:
        return Gauge(self)


class Gauge:
    """One call: each try of each model begins anew, so the figures are those of the try that answered."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges
        self._mark: Mark | None = None

    def begin(self, endpoint: str) -> None:
        """`endpoint`: the address of the server that is asked; empty where there is none."""
        self.end()
        meter = self._gauges.meter
        if meter is not None and (server := meter.watch(endpoint)) is not None:
            self._mark = meter.begin(server)

    def end(self) -> Usage | None:
        """None where no server of this machine was asked, or its processes can't be seen."""
        mark, self._mark = self._mark, None
        meter = self._gauges.meter
        return meter.end(mark) if meter is not None and mark is not None else None
