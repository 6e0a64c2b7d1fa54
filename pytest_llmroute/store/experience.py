"""What earlier runs on this machine measured of models: sizes, seconds, tokens. It lies beside the journals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median

from pytest_llmroute.core.records import CallRecord
from pytest_llmroute.core.whole import written_whole

FILE = ".llmroute/models.json"


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


def keep_experience(root: Path, calls: Iterable[CallRecord]) -> None:
    found = experience_of(calls)
    if not found:
        return
    before = read_experience(root)
    merged = before | {name: before.get(name, Measured()).after(new) for name, new in found.items()}
    with suppress(OSError), written_whole(root / FILE) as file:
        json.dump({name: asdict(one) for name, one in sorted(merged.items())}, file, indent=1)


def measured(values: Mapping[str, float | None]) -> Measured:
    """Raises TypeError where the values are none of ours."""
    return Measured(**values)  # type: ignore[arg-type]


def experience_of(calls: Iterable[CallRecord]) -> dict[str, Measured]:
    """By model; what was scripted, replayed or failed says nothing about it."""
    by_model: dict[str, list[CallRecord]] = {}
    for call in calls:
        if not (call.scripted or call.replayed or call.reused or call.error_class or call.link == "canned"):
            by_model.setdefault(call.model, []).append(call)
    return {model: _of(mine) for model, mine in by_model.items()}


def _of(calls: list[CallRecord]) -> Measured:
    sizes = [size for call in calls if (size := _size(call))]
    loads = [call.load_s for call in calls if call.cold and call.load_s]
    spent = [call.total_s - (call.load_s if call.total_s > call.load_s else 0.0) for call in calls]
    return Measured(
        ram=max(sizes, default=None),
        load_seconds=round(median(loads), 3) if loads else None,
        call_seconds=round(median(spent), 4),
        prompt_tokens=round(fmean(call.prompt_tokens for call in calls), 1),
        completion_tokens=round(fmean(call.completion_tokens for call in calls), 1),
    )


def _size(call: CallRecord) -> int | None:
    """By the server's word; the memory of a process is a model's own only where it is that of the whole run."""
    return call.ps_size or (call.server_rss_peak if call.ram_scope == "run" else None)
