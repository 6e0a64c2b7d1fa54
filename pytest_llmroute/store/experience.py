"""What earlier runs on this machine measured of models: sizes, seconds, tokens. It lies beside the journals."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_llmroute.core.stats import quantile
from pytest_llmroute.core.whole import written_whole
from pytest_llmroute.store.contract import Kept

FILE = ".llmroute/models.json"
NO_MODEL = ("scripted", "replayed", "reused", "error_class")
"""Where one of these holds of a call, no model has answered it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one model, by the last run that asked it; None where that run could not tell."""

    ram: int | None = None
    """Bytes while it is loaded."""
    load_seconds: float | None = None
    call_seconds: float | None = None
    """The median call, without loading."""
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    """Of the mean call."""

    def after(self, later: Measured) -> Measured:
        """With what a later run knows better."""
        known = {name: value for name, value in asdict(later).items() if value is not None}
        return replace(self, **known)


def read_experience(root: Path) -> dict[str, Measured]:
    """Empty where there is none, or none that can be read: these are expectations, nothing hangs on them."""
    try:
        told = json.loads((root / FILE).read_text(encoding="utf-8"))
        return {str(name): measured(values) for name, values in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def keep_experience(root: Path, found: Mapping[str, Measured]) -> None:
    if not found:
        return
    before = read_experience(root)
    merged = before | {name: before.get(name, Measured()).after(new) for name, new in found.items()}
    with suppress(OSError), written_whole(root / FILE) as file:
        json.dump({name: asdict(one) for name, one in sorted(merged.items())}, file, indent=1)


def measured(values: Mapping[str, float | None]) -> Measured:
    """Raises TypeError where the values are none of ours."""
    return Measured(**values)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Model:
    """What the calls to one model tell, as far as they came."""

    ram: int | None = None
    loads: array[float] = field(default_factory=lambda: array("d"))
    spent: array[float] = field(default_factory=lambda: array("d"))
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, call: Mapping[str, Any]) -> None:
        if size := _size(call):
            self.ram = max(size, self.ram or 0)
        total, load = call["total_s"], call["load_s"]
        if call["cold"] and load:
            self.loads.append(load)
        self.spent.append(total - (load if total > load else 0.0))
        self.prompt_tokens += call["prompt_tokens"]
        self.completion_tokens += call["completion_tokens"]

    def measured(self) -> Measured:
        return Measured(
            ram=self.ram,
            load_seconds=_median(self.loads, 3),
            call_seconds=_median(self.spent, 4),
            prompt_tokens=round(self.prompt_tokens / len(self.spent), 1),
            completion_tokens=round(self.completion_tokens / len(self.spent), 1),
        )


class Experience:
    """Hears the calls of a run as they go by; what was scripted, replayed or failed says nothing about a model."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}

    def of(self, calls: Iterable[Kept]) -> Iterator[Kept]:
        """Hands them on."""
        for kept in calls:
            call = kept.to_dict()["call"]
            if not any(map(call.get, NO_MODEL)) and call["link"] != "canned":
                self._models.setdefault(call["model"], _Model()).add(call)
            yield kept

    def measured(self) -> dict[str, Measured]:
        """By model."""
        return {name: model.measured() for name, model in self._models.items()}


def _median(seconds: array[float], digits: int) -> float | None:
    middle = quantile(seconds, 0.5)
    return None if middle is None else round(middle, digits)


def _size(call: Mapping[str, Any]) -> int | None:
    """By the server's word; the memory of a process is a model's own only where it is that of the whole run."""
    size: int | None = call["ps_size"] or (call["server_rss_peak"] if call["ram_scope"] == "run" else None)
    return size
