"""A study: small models that try and a large one that rescues, against always asking the large one.

Made of the records of one run, whenever it is wanted: its ladders are arms, and so is the large model's column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.attempts import LARGE, SMALL
from pytest_llmroute.core.outcomes import SCORED
from pytest_llmroute.core.passk import Tries
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.stats import wilson
from pytest_llmroute.engine.case import digest
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.gate.bounds import bounds
from pytest_llmroute.gate.exact import placed
from pytest_llmroute.gate.pairs import Pair
from pytest_llmroute.learn.anytime import evidence
from pytest_llmroute.learn.efficiency import Attempted, against, efficiency
from pytest_llmroute.report.attempts import attempts_of
from pytest_llmroute.report.sources import StoredRun

GIGA = 1e9
LEVEL = 0.025
"""Of each of the two bounds of a difference: together 95 %."""
MACHINE = ("system", "machine", "cpu", "cores", "ram_bytes", "gpus", "python")
TOLD = {
    "scripted": "answers were scripted: no model was called, so nothing here measures one",
    "replayed": "replies were replayed: times and tokens are those of the recordings",
    "reused": "replies were reused within the run: their cost counts each time",
    "canned": "canned texts stood in for replies; they count as failures",
    "forced": "a model was forced past the strategy",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls took, those for tasks that stayed unsolved included."""

    seconds: float
    """Of the calls, as their models' servers or our clock have it."""
    wall_seconds: float
    """Of the tests: calls and checks."""
    cpu: float | None
    """Seconds: our processes with the embedded models and the sandbox, and the servers that can be seen."""
    ram: float | None
    """Gigabyte-seconds: what the model that answers holds, as long as it answers."""
    tokens: int
    tokens_exact: bool
    usd: float | None
    """None as soon as one call has no price."""


@dataclass(frozen=True, slots=True)
class PerSolved:
    """The same for one solved task."""

    seconds: float
    wall_seconds: float
    cpu: float | None
    ram: float | None
    tokens: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """One model of an arm."""

    model: str
    digests: tuple[str, ...]
    backend: str
    calls: int
    seconds: float
    ram_peak: int | None
    settings: tuple[str, ...]
    """Temperature, tokens and top_p that it was asked with, each once."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way over the tasks."""

    column: str
    baseline: bool
    tasks: int
    runs: int
    """Scored runs of tasks: their number times the repeats, without errors."""
    errors: int
    """Runs that gave no outcome; they are not scored."""
    solved: int
    rate: float | None
    interval: tuple[float, float] | None
    """95 %, of as many tries as there are tasks: repeats of a task are not independent."""
    first: int
    """Solved by the first attempt, without a further one, a fallback or the large model's rescue."""
    solved_at: Mapping[str, int]
    by_large: int
    unsolved: int
    judged_by: tuple[str, ...]
    """What accepted an attempt, and which tests decided and which score."""
    spent: Spent
    per_solved: PerSolved | None
    """None where nothing was solved."""
    ram_peak: int | None
    """Bytes: the most that a model held that was answering."""
    ram_average: int | None
    """Bytes, over the time of the calls."""
    ram_together: int | None
    """Bytes: the peaks of all its models, as if all of them stayed in memory."""
    efficiency: float | None
    """Of its solutions against their references, in the mean."""
    readability: float | None
    repeats: tuple[float, ...]
    """The share that each repeat solved; empty where there is one only."""
    repeats_sd: float | None
    models: tuple[ModelUsed, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against the baseline, run by run of the same tasks."""

    column: str
    pairs: int
    both: int
    only_arm: int
    only_baseline: int
    none: int
    left_out: int
    """Runs that the other side has no scored one for."""
    difference: float | None
    """Of the shares solved."""
    interval: tuple[float, float] | None
    """95 %, for tasks like these."""
    p: float | None
    """Exact and two-sided, for these tasks."""
    evidence: float
    """That one of the two is better, from the first repeat of each task; 20 decides, however often one looks."""
    ratios: Mapping[str, float | None]
    """How many times as much the baseline takes for one solved task, for each resource."""
    score: float | None
    """Their weighted geometric mean; resources that one side does not know are left out."""


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that is told of it."""

    run_id: str
    status: str
    version: str
    started_at: str
    finished_at: str | None
    profile: str
    data: tuple[str, ...]
    selection: str
    tasks: int
    fingerprint: str
    """Of the tasks and their checks: the same for the same tasks."""
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    baseline: str
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    weights: Mapping[str, float]
    notes: tuple[str, ...] = field(default=())


def study_of(run: StoredRun, weights: Mapping[str, float]) -> Study:
    """The figures of a run that has a ladder and the column of a large model."""
    columns = {name: [record for record in run.records if record.column == name] for name in run.info.columns}
    base = _baseline(run, columns)
    arms = [name for name in columns if name != base]
    info = run.info
    cases = {record.case_id: record.check_hash for record in run.records}
    return Study(
        run_id=info.run_id,
        status=info.status,
        version=info.version,
        started_at=info.started_at,
        finished_at=info.finished_at,
        profile=info.profile,
        data=tuple(info.facts.get("paths", ())),
        selection=str(info.facts.get("selection", "")),
        tasks=len(cases),
        fingerprint=digest(sorted((case, str(check)) for case, check in cases.items()))[:12],
        settings={key: value for key, value in info.facts.get("settings", {}).items() if key != "hash"},
        machine={key: info.facts[key] for key in MACHINE if key in info.facts},
        baseline=base,
        arms=tuple(_arm(name, columns[name], baseline=name == base) for name in [*arms, base]),
        comparisons=tuple(_compared(name, columns[name], columns[base], weights) for name in arms),
        weights=weights,
        notes=tuple(_notes(run)),
    )


def is_study(columns: Iterable[str], settings: Mapping[str, Any]) -> bool:
    """Whether a run is one, by its facts: `llmroute study` names both models."""
    return "small" in settings and settings.get("large") in set(columns)


def spent_by(record: Record) -> Spent:
    """What one run of a task took."""
    calls = record.calls
    ram = [held * call.total_s / GIGA for call in calls if (held := _held(call)) is not None]
    return Spent(
        seconds=math.fsum(call.total_s for call in calls),
        wall_seconds=record.seconds,
        cpu=_cpu(record),
        ram=math.fsum(ram) if len(ram) == len(calls) else None,
        tokens=record.prompt_tokens + record.completion_tokens,
        tokens_exact=record.tokens_exact,
        usd=math.fsum(prices) if len(prices := [c.usd for c in calls if c.usd is not None]) == len(calls) else None,
    )


def _baseline(run: StoredRun, columns: Mapping[str, Sequence[Record]]) -> str:
    """The column of a single model: the one that rescues, where there are several."""
    models = [name for name, own in columns.items() if any(record.column_kind == "model" for record in own)]
    large = run.info.facts.get("settings", {}).get("large")
    found = [name for name in models if name == large] or models
    ladders = [name for name, own in columns.items() if any(call.rung for record in own for call in record.calls)]
    if len(found) == 1 and ladders:
        return found[0]
    lacks = "no ladder (branching, cascade, …)" if not ladders else (
        f"{'no' if not found else 'more than one'} column of a single model")  # fmt: skip
    raise UserError(
        f"{run.source} is no study: among its columns ({printable(', '.join(columns))}) is {lacks}",
        code=Code.NO_RUN,
        means="a study compares attempts on a ladder with always asking the large model",
        fix="llmroute study mbpp --small MODEL --large MODEL",
        instead="llmroute compare RUN, for any columns",
    )


def _arm(name: str, records: Sequence[Record], *, baseline: bool) -> Arm:
    scored = [record for record in records if record.outcome in SCORED]
    given = efficiency([_attempted(record, lambda call: call.total_s) for record in scored])
    tasks = len({record.case_id for record in scored})
    rate = given.solved / len(scored) if scored else None
    shares = _by_repeat(scored)
    spent = _spent(scored)
    held = [(_held(call), call.total_s) for record in scored for call in record.calls]
    known = [(size, seconds) for size, seconds in held if size is not None]
    time = math.fsum(seconds for _, seconds in known)
    models = _models(scored)
    peaks = [peak for record in scored for call in record.calls if (peak := _peak(call)) is not None]
    tried = [call for record in scored for call in record.calls]
    solutions = [record.solution for record in scored if record.success and record.solution]
    return Arm(
        column=name,
        baseline=baseline,
        tasks=tasks,
        runs=len(scored),
        errors=len(records) - len(scored),
        solved=given.solved,
        rate=rate,
        interval=wilson(rate * tasks, tasks) if rate is not None else None,
        first=sum(map(_at_first, scored)),
        solved_at={str(number): count for number, count in given.at.items()},
        by_large=given.rescued,
        unsolved=given.tasks - given.solved,
        judged_by=tuple(sorted({f"{one.verifier}, feedback {one.feedback}" for one in tried if one.verifier})),
        spent=spent,
        per_solved=_per_solved(spent, given.solved),
        ram_peak=max(peaks, default=None),
        ram_average=round(math.fsum(size * seconds for size, seconds in known) / time) if time else None,
        ram_together=sum(model.ram_peak for model in models if model.ram_peak) if peaks else None,
        efficiency=_mean(one.efficiency for one in solutions),
        readability=_mean(one.readability for one in solutions),
        repeats=tuple(shares) if len(shares) > 1 else (),
        repeats_sd=stdev(shares) if len(shares) > 1 else None,
        models=models,
    )


def _at_first(record: Record) -> bool:
    return record.success and record.first_attempt and not attempts_of(record)[1]


def _attempted(record: Record, cost: Callable[[CallRecord], float]) -> Attempted:
    """As `learn` has it: each attempt with its cost, a verifier's word with the attempt that it judged."""
    small: list[float] = []
    large: list[float] = []
    for call in record.calls:
        own = large if call.role == LARGE else small
        if not own or (call.role == SMALL and not call.cancelled):
            own.append(cost(call))
        else:
            own[-1] += cost(call)
    tried, by_large = attempts_of(record)
    if not tried and not by_large:  # no ladder: one attempt, whatever was asked for it
        return Attempted(record.case_id, (record.success,), (math.fsum(small),))
    if not tried:
        small, large = [], [math.fsum((*small, *large))]
    outcomes = (False,) * (tried - 1) + (record.success and not by_large,) if tried else ()
    return Attempted(record.case_id, outcomes, (*small, *large), record.success if by_large else None)


def _spent(records: Sequence[Record]) -> Spent:
    each = [spent_by(record) for record in records]
    return Spent(
        seconds=math.fsum(one.seconds for one in each),
        wall_seconds=math.fsum(one.wall_seconds for one in each),
        cpu=_sum(one.cpu for one in each),
        ram=_sum(one.ram for one in each),
        tokens=sum(one.tokens for one in each),
        tokens_exact=all(one.tokens_exact for one in each),
        usd=_sum(one.usd for one in each),
    )


def _per_solved(spent: Spent, solved: int) -> PerSolved | None:
    def each(value: float | None) -> float | None:
        return None if value is None else value / solved

    if not solved:
        return None
    return PerSolved(
        spent.seconds / solved, spent.wall_seconds / solved, each(spent.cpu), each(spent.ram), spent.tokens / solved,
        each(spent.usd),
    )  # fmt: skip


def _compared(
    column: str, records: Sequence[Record], others: Sequence[Record], weights: Mapping[str, float]
) -> Comparison:
    ours, theirs = _scored(records), _scored(others)
    keys = sorted(ours.keys() & theirs.keys())
    mine, base = [ours[key] for key in keys], [theirs[key] for key in keys]
    by_seconds = against(*([_attempted(one, lambda call: call.total_s) for one in side] for side in (mine, base)))
    firsts = [(one.success, other.success) for one, other in zip(mine, base, strict=True) if one.repeat == 1]
    pairs = _pairs(mine, base)
    drop = bounds(pairs, LEVEL) if pairs else None
    place = placed(pairs, "suite") if pairs else None
    ratios = {name: _ratio(name, mine, base) for name in weights}
    both = by_seconds.plan.solved - by_seconds.only_plan
    return Comparison(
        column=column,
        pairs=len(keys),
        both=both,
        only_arm=by_seconds.only_plan,
        only_baseline=by_seconds.only_large,
        none=len(keys) - both - by_seconds.only_plan - by_seconds.only_large,
        left_out=len(ours) + len(theirs) - 2 * len(keys),
        difference=-drop.drop if drop else None,
        interval=(-drop.upper, -drop.lower) if drop else None,
        p=min(1.0, 2 * min(place.drop("exact"), place.rise("exact"))) if place else None,
        evidence=evidence(sum(a and not b for a, b in firsts), sum(b and not a for a, b in firsts)),
        ratios=ratios,
        score=_score(ratios, weights),
    )


def _scored(records: Sequence[Record]) -> dict[tuple[str, str, int], Record]:
    return {
        (record.case_id, record.phase or "", record.repeat): record for record in records if record.outcome in SCORED
    }


def _pairs(mine: Sequence[Record], base: Sequence[Record]) -> list[Pair]:
    """Task by task, each with its repeats."""
    tries: dict[str, list[tuple[bool, bool]]] = {}
    for one, other in zip(mine, base, strict=True):
        tries.setdefault(one.case_id, []).append((other.success, one.success))
    return [
        Pair(case, *(Tries(sum(pair[side] for pair in each), len(each)) for side in (0, 1)))
        for case, each in tries.items()
    ]


def _ratio(resource: str, mine: Sequence[Record], base: Sequence[Record]) -> float | None:
    """The baseline's ÷ the arm's; None where one of them is not known, or nothing."""
    ours, theirs = (
        getattr(per, resource) if (per := _per_solved(_spent(side), sum(one.success for one in side))) else None
        for side in (mine, base)
    )
    return theirs / ours if ours and theirs else None


def _score(ratios: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    known = {name: ratio for name, ratio in ratios.items() if ratio is not None and weights[name]}
    if not known:
        return None
    whole = math.fsum(weights[name] for name in known)
    return math.exp(math.fsum(weights[name] * math.log(ratio) for name, ratio in known.items()) / whole)


def _by_repeat(records: Sequence[Record]) -> list[float]:
    """The share solved of each repeat."""
    by_number: dict[int, list[bool]] = {}
    for record in records:
        by_number.setdefault(record.repeat, []).append(record.success)
    return [fmean(own) for _, own in sorted(by_number.items())]


def _models(records: Sequence[Record]) -> tuple[ModelUsed, ...]:
    calls: dict[str, list[CallRecord]] = {}
    for record in records:
        for call in record.calls:
            calls.setdefault(call.model, []).append(call)
    return tuple(
        ModelUsed(
            model=name,
            digests=tuple(sorted({call.digest for call in own if call.digest})),
            backend=own[0].backend,
            calls=len(own),
            seconds=math.fsum(call.total_s for call in own),
            ram_peak=max((peak for call in own if (peak := _peak(call)) is not None), default=None),
            settings=tuple(sorted({_settings(call) for call in own})),
        )
        for name, own in calls.items()
    )


def _settings(call: CallRecord) -> str:
    named = {"temperature": call.temperature, "max_tokens": call.max_tokens, "top_p": call.top_p}
    return ", ".join(f"{name} {value:g}" for name, value in named.items() if value is not None)


def _peak(call: CallRecord) -> int | None:
    return call.server_rss_peak if call.server_rss_peak is not None else call.ps_size


def _held(call: CallRecord) -> int | None:
    return call.server_rss_average if call.server_rss_average is not None else _peak(call)


def _cpu(record: Record) -> float | None:
    if record.cpu_seconds is None:
        return None
    return record.cpu_seconds + math.fsum(call.server_cpu_seconds or 0.0 for call in record.calls)


def _sum(values: Iterable[float | None]) -> float | None:
    """None as soon as one of them is not known, or there is none."""
    each = list(values)
    known = [value for value in each if value is not None]
    return math.fsum(known) if known and len(known) == len(each) else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _notes(run: StoredRun) -> Iterable[str]:
    for mark, text in TOLD.items():
        if count := sum(getattr(record, mark) for record in run.records):
            yield text if count == len(run.records) else f"{count} of {len(run.records)} runs of tasks: {text}"
    if any(record.ram_scope == "shared" for record in run.records):
        yield "several tests ran at once: CPU and RAM of one are partly those of others"
    if run.incomplete:
        yield run.incomplete
