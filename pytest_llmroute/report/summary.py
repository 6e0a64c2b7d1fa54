"""The figures of a run by column, gathered record by record."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_llmroute.core.outcomes import SCORED
from pytest_llmroute.core.records import TEARDOWN, Record
from pytest_llmroute.core.stats import quantile, wilson

if TYPE_CHECKING:
    from pytest_llmroute.report.attempts import Attempts, AttemptsTally


@dataclass(frozen=True, slots=True)
class RunHead:
    """What identifies a run."""

    run_id: str
    version: str
    profile: str
    columns: tuple[str, ...]
    started_at: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    status: str = "finished"
    """finished or interrupted."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """Unbiased means over the cases with at least k tries."""

    k: int
    pass_at_k: float
    pass_hat_k: float
    cases: int


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One strategy or model over all its cases."""

    column: str
    kind: str
    total: int
    """Scored cases: passed, missed or failed; errors and skips say nothing of a model."""
    passed: int
    missed: int
    failed: int
    errors: int
    skipped: int
    interrupted: int
    rate: float | None
    interval: tuple[float, float] | None
    first_attempt: int
    repeated: tuple[Repeated, ...]
    """Of cases with repeats: the chance that one of k tries passes, and that all of them do."""
    median_s: float | None
    p95_s: float | None
    prompt_tokens: int
    completion_tokens: int
    tokens_exact: bool
    rss_peak: int | None
    usd: float | None
    unpriced: int
    """Calls to models whose price is not known."""
    calls: int
    causes: Mapping[str, int]
    """Errors by their typed cause: refused, timeout, auth, …"""
    models: Mapping[str, int]
    models_ram: Mapping[str, int]
    """Peak bytes by model: of its server's processes where those were measured, else as it reports itself."""
    models_ram_reported: tuple[str, ...]
    """Those models of `models_ram` whose figure is their server's own report."""
    forced: int
    scripted: int
    canned: int
    replayed: int
    reused: int
    seconds_per_solved: float | None = None
    """With what was spent on unsolved cases; None where none is solved."""
    attempts: Attempts | None = None
    """Of tasks on a ladder; None where the column has none."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's head and its columns, in the order of the command line."""

    run: RunHead
    columns: tuple[ColumnSummary, ...]


@dataclass(slots=True)
class _Column:
    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    first: int = 0
    tries: dict[str, list[int]] = field(default_factory=dict)
    """Passes and misses of each case that has repeats."""
    seconds: array[float] = field(default_factory=lambda: array("d"))
    usd: array[float] = field(default_factory=lambda: array("d"))
    prompt_tokens: int = 0
    completion_tokens: int = 0
    exact: bool = True
    rss_peak: int | None = None
    unpriced: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    measured_ram: dict[str, int] = field(default_factory=dict)
    reported_ram: dict[str, int] = field(default_factory=dict)
    marks: Counter[str] = field(default_factory=Counter)
    attempts: AttemptsTally | None = None
    """Made by the first attempt on a ladder."""

    def tried(self, record: Record, sign: int = 1) -> None:
        """A record, where it has attempts on a ladder; `sign` -1 takes it back."""
        if not any(call.role for call in record.calls):
            return
        if self.attempts is None:
            from pytest_llmroute.report.attempts import AttemptsTally

            self.attempts = AttemptsTally()
        self.attempts.add(record, sign)


USUAL = (1, 2, 3, 5, 10)
MARKS = ("forced", "scripted", "canned", "replayed", "reused")
"""What a record may say of itself; counted by column."""


class Tally:
    """Takes records one by one, in any order; keeps a few numbers a column and two a case."""

    def __init__(self, run: RunHead) -> None:
        self.run = run
        self.count = 0
        self._columns: dict[tuple[str, str], _Column] = {}

    def add(self, record: Record) -> None:
        self.count += 1
        column = self._columns.setdefault((record.column_kind, record.column), _Column(record.column_kind))
        column.outcomes[record.outcome] += 1
        if record.outcome == "error" and record.error_class:
            column.causes[record.error_class] += 1
        if record.outcome in SCORED:
            column.seconds.append(record.seconds)
            column.first += record.success and record.first_attempt
            if record.repeats > 1:
                column.tries.setdefault(record.group, [0, 0])[not record.success] += 1
        column.prompt_tokens += record.prompt_tokens
        column.completion_tokens += record.completion_tokens
        column.exact = column.exact and record.tokens_exact
        if record.rss_peak is not None:
            column.rss_peak = max(column.rss_peak or 0, record.rss_peak)
        if record.usd is not None:
            column.usd.append(record.usd)
        column.unpriced += sum(call.usd is None for call in record.calls)
        column.tried(record)
        for call in record.calls:
            column.models[call.model] += 1
            for sizes, size in ((column.measured_ram, call.server_rss_peak), (column.reported_ram, call.ps_size)):
                if size is not None:
                    sizes[call.model] = max(size, sizes.get(call.model, 0))
        for mark in MARKS:
            column.marks[mark] += getattr(record, mark)

    def turn_into_error(self, record: Record) -> None:
        """A counted case whose teardown failed afterwards: it is no statement about the model any more."""
        column = self._columns[record.column_kind, record.column]
        column.outcomes[record.outcome] -= 1
        column.outcomes["error"] += 1
        if record.outcome == "error" and record.error_class:
            column.causes[record.error_class] -= 1
        column.causes[TEARDOWN] += 1
        column.tried(record, -1)
        if record.outcome in SCORED:
            column.seconds.remove(record.seconds)
            column.first -= record.success and record.first_attempt
            if record.repeats > 1:
                column.tries[record.group][not record.success] -= 1

    def summary(self) -> Summary:
        order = {name: place for place, name in enumerate(self.run.columns)}
        keys = sorted(self._columns, key=lambda key: (order.get(key[1], len(order)), key))
        return Summary(self.run, tuple(_summary(key[1], self._columns[key]) for key in keys))


def summarize(records: Iterable[Record], run: RunHead) -> Summary:
    tally = Tally(run)
    for record in records:
        tally.add(record)
    return tally.summary()


def _repeated(tries: Collection[Sequence[int]]) -> tuple[Repeated, ...]:
    """For the usual k, as far as there are tries, and for all tries."""
    if not tries:
        return ()
    from pytest_llmroute.core.passk import Tries, mean_pass_at_k, mean_pass_hat_k

    cases = [Tries(passes, passes + misses) for passes, misses in tries]
    most = max(case.total for case in cases)
    found = []
    for k in sorted({k for k in (*USUAL, most) if 0 < k <= most}):
        at, hat = mean_pass_at_k(cases, k), mean_pass_hat_k(cases, k)
        if at.value is not None and hat.value is not None:
            found.append(Repeated(k, at.value, hat.value, at.counted))
    return tuple(found)


def _most_frequent(counts: Counter[str]) -> dict[str, int]:
    """The most frequent first, those of one count by name."""
    return dict(
        sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))
    )


def _summary(name: str, column: _Column) -> ColumnSummary:
    outcomes = column.outcomes
    total = sum(outcomes[kind] for kind in SCORED)
    return ColumnSummary(
        column=name,
        kind=column.kind,
        total=total,
        passed=outcomes["passed"],
        missed=outcomes["missed"],
        failed=outcomes["failed"],
        errors=outcomes["error"],
        skipped=outcomes["skipped"],
        interrupted=outcomes["interrupted"],
        rate=outcomes["passed"] / total if total else None,
        interval=wilson(outcomes["passed"], total),
        first_attempt=column.first,
        repeated=_repeated(column.tries.values()),
        median_s=quantile(column.seconds, 0.5),
        p95_s=quantile(column.seconds, 0.95),
        prompt_tokens=column.prompt_tokens,
        completion_tokens=column.completion_tokens,
        tokens_exact=column.exact,
        rss_peak=column.rss_peak,
        usd=math.fsum(column.usd) if column.usd else None,
        unpriced=column.unpriced,
        calls=sum(column.models.values()),
        causes=_most_frequent(column.causes),
        models=_most_frequent(column.models),
        models_ram=dict(sorted({**column.reported_ram, **column.measured_ram}.items())),
        models_ram_reported=tuple(sorted(column.reported_ram.keys() - column.measured_ram.keys())),
        seconds_per_solved=math.fsum(column.seconds) / outcomes["passed"] if outcomes["passed"] else None,
        attempts=column.attempts.summary() if column.attempts is not None else None,
        **{mark: column.marks[mark] for mark in MARKS},
    )
