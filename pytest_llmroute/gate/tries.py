"""One try: what the gate needs of a record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_llmroute.core.outcomes import SCORED
from pytest_llmroute.core.records import CallRecord, Record

SKIPPED = "skipped"
"""The cause of a try that a test skipped."""


@dataclass(frozen=True, slots=True)
class Try:
    """One repeat of a case on one column."""

    column: str
    kind: str
    case: str
    """What makes it the same case in another run: file and function or task, parameters, phase."""
    nodeid: str
    repeat: int
    outcome: int | None
    """1 or 0; None where it was lost to infrastructure, skipped, or never finished."""
    gated: bool = True
    fixed: bool = False
    """Made at temperature 0, or replayed: a repeat says nothing new."""
    replayed: bool = False
    """On replies that were recorded before, at least one of them."""
    check: str = ""
    """A hash of a task's check; another check makes it another case."""
    suite: str = ""
    line: int = 0
    task: str = ""
    phase: str = ""
    agent: str = ""
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Who answered, in order."""
    digests: tuple[str, ...] = ()
    """Of the same models; empty where the backend knows none."""
    reason: str = ""
    prompt: str = ""
    template: str = ""
    settings: str = ""
    policy: str = ""
    cause: str = ""
    """Why it was lost."""
    message: str = ""
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ram: int | None = None
    """Bytes: pytest and its children at their highest."""
    server_ram: int | None = None
    usd: float | None = None
    unpriced: int = 0
    """Calls whose price is not known."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def try_of(record: Record) -> Try:
    """A record without what the gate never asks for."""
    calls = record.calls
    last = calls[-1] if calls else None
    scored = record.outcome in SCORED
    return Try(
        column=record.column,
        kind=record.column_kind,
        case=record.case_id + (f" @{record.phase}" if record.phase else ""),
        nodeid=record.nodeid,
        repeat=record.repeat,
        outcome=int(record.success) if scored else None,
        gated=record.gated,
        fixed=fixed(record),
        replayed=record.replayed,
        check=record.check_hash or "",
        suite=record.suite,
        line=record.line,
        task=record.task or (last.task if last else "") or "",
        phase=record.phase or "",
        agent=record.agent or "",
        tags=record.tags,
        models=record.models,
        digests=tuple(_digest(calls, model) for model in record.models),
        reason=last.reason if last else "",
        prompt=_joined(call.prompt_hash for call in calls),
        template=_joined(call.template or "" for call in calls),
        settings=_joined(call.settings_hash for call in calls),
        policy=_joined(call.policy_id for call in calls),
        cause="" if scored else record.error_class or record.outcome,
        message=record.message,
        seconds=record.seconds,
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        ram=record.rss_peak,
        server_ram=max((call.server_rss_peak for call in calls if call.server_rss_peak is not None), default=None),
        usd=record.usd,
        unpriced=sum(call.usd is None for call in calls),
    )


def fixed(record: Record) -> bool:
    """Whether another repeat would say the same."""
    return bool(record.calls) and all(
        call.replayed or (call.temperature == 0 and not call.scripted) for call in record.calls
    )


def in_order(tries: Iterable[Try], columns: Iterable[str] = ()) -> list[Try]:
    """Sorted, so that nothing hangs on the order in which tries came: by column, as `columns` has them, and case."""
    places = {name: place for place, name in enumerate(columns)}

    def key(one: Try) -> tuple[int, str, str, int, str]:
        return places.get(one.column, len(places)), one.column, one.case, one.repeat, one.nodeid

    return sorted(tries, key=key)


def _digest(calls: Iterable[CallRecord], model: str) -> str:
    return next((call.digest for call in calls if call.model == model and call.digest), "")


def _joined(hashes: Iterable[str]) -> str:
    """Those of several calls that differ, in order."""
    return "+".join(filter(None, dict.fromkeys(hashes)))
