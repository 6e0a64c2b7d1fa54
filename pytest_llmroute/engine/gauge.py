"""What the server behind a model used while it was asked."""

from __future__ import annotations

from pytest_llmroute.measure.mark import Mark, Usage
from pytest_llmroute.measure.meter import ProcessMeter


class Gauge:
    """One call: each try of each model begins anew, so the figures are those of the try that answered."""

    def __init__(self, meter: ProcessMeter | None) -> None:
        self._meter = meter
        self._mark: Mark | None = None

    def begin(self, endpoint: str) -> None:
        """`endpoint`: the address of the server that is asked; empty where there is none."""
        self.end()
        if self._meter is not None and (server := self._meter.watch(endpoint)) is not None:
            self._mark = self._meter.begin(server)

    def end(self) -> Usage | None:
        """None where no server of this machine was asked, or its processes can't be seen."""
        mark, self._mark = self._mark, None
        return self._meter.end(mark) if self._meter is not None and mark is not None else None
