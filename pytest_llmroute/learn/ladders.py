"""How many attempts a small model is given, from the records of earlier runs: one answer for all processes of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from pytest_llmroute.core.attempts import LARGE, SMALL, Ladder
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.learn.stopping import CAP, WEAK, Costs, Prior, Tally, attempts, enough, fit, pooled

Asked = tuple[str, str, int | None]
"""Hashes of prompt and settings, and the seed where there is chance in it."""
ALL = ""
"""The group of all tasks together."""
UNTYPED = "default"
"""The group of tasks without a type."""


@dataclass(frozen=True, slots=True)
class Group:
    """What is known of a group of tasks for one small model."""

    a: float
    b: float
    tasks: int
    enough: bool
    """Whether it has a fit of its own."""
    brought: int = 0
    """Of the tasks those that the package has measured."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What earlier runs say of attempts."""

    groups: Mapping[str, Mapping[str, Group]] = field(default_factory=dict)
    """By small model, then by the tasks' type."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of the mean call of a model, its share of loading included."""
    before: Mapping[str, float] = field(default_factory=dict)
    """The same on another machine: for models that have not been measured both on this one."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(told: Mapping[str, Any]) -> Learned:
        groups = {model: {name: Group(**one) for name, one in own.items()} for model, own in told["groups"].items()}
        return Learned(groups, told["seconds"], told["before"])


@dataclass(frozen=True, slots=True)
class Tried:
    """What records say by themselves."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of the mean call of a model."""
    tallies: Mapping[str, Mapping[str, Sequence[Tally]]] = field(default_factory=dict)
    """By small model, then by the tasks' type."""

    @staticmethod
    def from_dict(told: Mapping[str, Any]) -> Tried:
        tallies = {
            model: {group: tuple(Tally(*one) for one in each) for group, each in own.items()}
            for model, own in told["tallies"].items()
        }
        return Tried(told["seconds"], tallies)


@dataclass(frozen=True, slots=True)
class Limit:
    """How often the small model tries, and why."""

    attempts: int
    why: str


def limit(ladder: Ladder, group: str | None, small: str, large: str, learned: Learned) -> Limit:
    """While the chance of one more attempt × what the large model costs is more than the attempt costs.

    A group without enough tasks is tried at least once: who never tries has nothing to learn from.
    """
    usual = len(ladder.temperatures)
    if ladder.stop == "fixed":
        return Limit(usual, f"{_times(usual)}, fixed")
    seconds = next((one for one in (learned.seconds, learned.before) if {small, large} <= one.keys()), None)
    if seconds is None:
        missing = dict.fromkeys(model for model in (small, large) if model not in learned.seconds)
        return Limit(usual, f"{_times(usual)}: nobody has measured {' and '.join(missing)} yet")
    name = group or UNTYPED
    own = learned.groups.get(small, {})
    found = own.get(name) or own.get(ALL) or Group(WEAK.a, WEAK.b, 0, enough=False)
    costs = Costs(seconds[small], seconds[large])
    best = attempts(Prior(found.a, found.b), costs, CAP)
    number = best if found.enough else max(1, best)
    ratio = costs.big / costs.small if costs.small else 0.0
    chance = found.a / (found.a + found.b)
    of = f"{found.tasks} tasks of {name}" if name in own else f"no task of {name} so far"
    of += f", {found.brought} of them measured by the package" if found.brought else ""
    return Limit(number, f"{_times(number)}: large costs {ratio:.1f} × small, first chance {chance:.0%} by {of}")


def learned_of(records: Iterable[Record], seconds: Mapping[str, float], before: Tried = Tried()) -> Learned:
    """The newest first. `seconds`: of models whose calls are not among these records.

    `before`: what the package has measured of its own models; it counts until a group has enough tasks of its own.
    """
    own = tried_in(records)
    models = dict.fromkeys((*own.tallies, *before.tallies))
    groups = {model: _groups(own.tallies.get(model, {}), before.tallies.get(model, {})) for model in models}
    return Learned(groups, {**seconds, **own.seconds}, before.seconds)


def tried_in(records: Iterable[Record]) -> Tried:
    """Of the attempts that small models made, and of the large ones after them.

    What is asked of a model again, word for word and with the same seed, is one attempt, however often it is asked:
    runs of one suite, columns that begin alike, and repeats at temperature 0 say nothing new of a task.
    """
    tried: dict[tuple[str, str], dict[str, dict[Asked, bool]]] = {}
    spent: dict[str, list[float]] = {}
    for record in records:
        for call in record.calls:
            if call.role not in (SMALL, LARGE) or not _says(call):
                continue
            spent.setdefault(call.model, []).append(call.total_s)
            if call.role == SMALL:
                task = tried.setdefault((call.model, record.task or UNTYPED), {}).setdefault(record.case_id, {})
                seed = call.seed if call.temperature else None
                task.setdefault((call.prompt_hash, call.settings_hash, seed), bool(call.accepted))
    groups: dict[str, dict[str, list[Tally]]] = {}
    for (model, group), tasks in tried.items():
        groups.setdefault(model, {})[group] = [Tally(sum(one.values()), len(one)) for one in tasks.values()]
    return Tried({model: fmean(each) for model, each in spent.items()}, groups)


def _groups(own: Mapping[str, Sequence[Tally]], before: Mapping[str, Sequence[Tally]]) -> dict[str, Group]:
    """`before` counts in groups that have too few tasks of their own."""
    theirs = {name: each for name, each in before.items() if not enough(own.get(name, ()))}
    tallies = {name: (*own.get(name, ()), *theirs.get(name, ())) for name in sorted({*own, *theirs})}
    priors = fit(tallies)
    found = {
        name: Group(priors[name].a, priors[name].b, len(each), enough(each), len(theirs.get(name, ())))
        for name, each in tallies.items()
    }
    everything = [tally for each in tallies.values() for tally in each]
    mean = pooled(everything)
    return {**found, ALL: Group(mean.a, mean.b, len(everything), enough=False)}


def _says(call: CallRecord) -> bool:
    """What was written beforehand, or asked at another time, says nothing of cost and chance."""
    return call.accepted is not None and not (call.scripted or call.replayed or call.reused)


def _times(number: int) -> str:
    return f"{number} attempt{'' if number == 1 else 's'}"
