"""From outcomes to a verdict: fail, pass, or too little to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from pytest_llmroute.gate.bounds import Bounds, bounds
from pytest_llmroute.gate.exact import Place, PValue, Scope, item_tail, placed
from pytest_llmroute.gate.holm import holm
from pytest_llmroute.gate.pairs import Shared, mean_rate, pooled, shared
from pytest_llmroute.gate.planner import Needs, least_p, needs, tasks_to_fail
from pytest_llmroute.gate.result import ALL, GateSettings
from pytest_llmroute.gate.verdict import CellsVerdict, Change, GateVerdict, Repeats, Word, repeats

__all__ = [
    "CellsVerdict", "Change", "GateVerdict", "Member", "Repeats", "judge", "judge_cells", "judge_family", "members_of",
]  # fmt: skip

Family = Literal["cells", "none", "pooled"]
Outcomes = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Member:
    """One of the comparisons that are judged together."""

    name: str
    shared: Shared
    min_drop: float = 0.02
    """A smaller drop never fails, however sure."""


def judge(
    baseline: Outcomes, candidate: Outcomes, *, alpha: float = 0.05, margin: float = 0.05, min_drop: float = 0.02,
    scope: Scope = "suite", p: PValue = "mid",
) -> GateVerdict:  # fmt: skip
    """Compare one 0 or 1 per repeat of each item; an item without an outcome has an empty list."""
    settings = _checked(GateSettings(alpha=alpha, margin=margin, min_drop=min_drop, scope=scope, p=p))
    weighed = _weighed(Member("", shared(baseline, candidate), min_drop), settings)
    return _told(weighed, settings, weighed.p_value, alpha)


def judge_cells(
    cells: Mapping[str, tuple[Outcomes, Outcomes]], *, family: Family = "cells", alpha: float = 0.05,
    margin: float = 0.05, min_drop: float = 0.02, scope: Scope = "suite", p: PValue = "mid",
) -> CellsVerdict:  # fmt: skip
    """Compare several cells, each a baseline and a candidate, with all of them together as one more."""
    settings = GateSettings(alpha=alpha, margin=margin, min_drop=min_drop, scope=scope, p=p, family=family)
    if ALL in cells:
        raise ValueError(f"no cell may be called {ALL}: all cells together are")
    both = {name: shared(*sides) for name, sides in cells.items()}
    verdict = judge_family(members_of(both, _checked(settings)), settings)
    return replace(verdict, unpaired=tuple(name for name, one in both.items() if not one.pairs))


def members_of(cells: Mapping[str, Shared], settings: GateSettings) -> tuple[Member, ...]:
    """The cells and all of them together, as `settings.family` wants it."""
    each = tuple(Member(name, one, settings.min_drop) for name, one in cells.items())
    several = sum(bool(one.pairs) for one in cells.values()) > 1
    if settings.family == "none" or (settings.family == "cells" and not several):
        return each
    whole = Member(ALL, pooled(cells), settings.min_drop)
    return (whole,) if settings.family == "pooled" else (*each, whole)


def judge_family(members: Sequence[Member], settings: GateSettings, level: float | None = None) -> CellsVerdict:
    """Judge members of different names together; `level` is alpha unless this is one look of several."""
    _checked(settings)
    level = settings.alpha if level is None else level
    weighed = {one.name: _weighed(one, settings) for one in members if one.shared.pairs}
    own = {name: one.p_value for name, one in weighed.items()}
    adjusted = own if settings.family == "none" else holm(own)
    cells = {name: _told(one, settings, adjusted[name], level) for name, one in weighed.items()}
    words = {one.verdict for one in cells.values()}
    return CellsVerdict(
        verdict="fail" if "fail" in words else "pass" if words == {"pass"} else "inconclusive",
        adjusted=adjusted,
        failed=tuple(name for name, one in cells.items() if one.verdict == "fail"),
        cells=cells,
        unpaired=tuple(one.name for one in members if not one.shared.pairs),
    )


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A member with what was computed of it; the verdict may depend on other members."""

    member: Member
    place: Place
    bounds: Bounds
    p_value: float


def _weighed(member: Member, settings: GateSettings) -> _Weighed:
    pairs = member.shared.pairs
    place = placed(pairs, settings.scope)
    return _Weighed(member, place, bounds(pairs, settings.alpha), place.drop(settings.p))


def _told(weighed: _Weighed, settings: GateSettings, p_value: float, level: float) -> GateVerdict:
    """The verdict by the p-value that counts, and all figures."""
    both, limits = weighed.member.shared, weighed.bounds
    pairs = both.pairs
    word: Word = "inconclusive"
    if pairs and p_value <= level and limits.drop >= weighed.member.min_drop:
        word = "fail"
    elif limits.upper < settings.margin:
        word = "pass"
    wanted = needs(pairs, settings.alpha, settings.margin) if word == "inconclusive" else Needs()
    too_small = least_p(pairs, settings.scope, settings.p) > settings.alpha
    then, now = [pair.then for pair in pairs], [pair.now for pair in pairs]
    return GateVerdict(
        verdict=word,
        p_value=weighed.p_value,
        level=level,
        drop=limits.drop,
        lower=limits.lower,
        upper=limits.upper,
        repeats_needed=wanted.repeats,
        baseline_repeats_needed=wanted.baseline_repeats,
        tasks_needed=wanted.tasks,
        too_small=too_small,
        tasks_to_fail=tasks_to_fail(pairs, settings.alpha, settings.scope, settings.p) if too_small else None,
        items=len(pairs),
        baseline_rate=mean_rate(then),
        candidate_rate=mean_rate(now),
        improvement_p=weighed.place.rise(settings.p),
        worse=sum(pair.cross < 0 for pair in pairs),
        better=sum(pair.cross > 0 for pair in pairs),
        newly_failing=sum(pair.then.passes > 0 == pair.now.passes for pair in pairs),
        newly_passing=sum(pair.now.passes > 0 == pair.then.passes for pair in pairs),
        baseline_repeats=repeats(then),
        candidate_repeats=repeats(now),
        changed=_changed(both),
        only_baseline=both.only_baseline,
        only_candidate=both.only_candidate,
        lost=both.lost,
    )


def _changed(both: Shared) -> tuple[Change, ...]:
    changes = [Change(pair.item, pair.then, pair.now, item_tail(pair)) for pair in both.pairs if pair.cross]
    return tuple(sorted(changes, key=lambda change: (change.p, change.item)))


def _checked(settings: GateSettings) -> GateSettings:
    """The settings, if they make sense."""
    if not 0 < settings.alpha < 1:
        raise ValueError(f"alpha is {settings.alpha!r}; a share between 0 and 1 is needed")
    for name, share in (("margin", settings.margin), ("min_drop", settings.min_drop)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share!r}; a share from 0 to 1 is needed")
    for name, choice, kind in (
        ("scope", settings.scope, Scope), ("p", settings.p, PValue), ("family", settings.family, Family)
    ):  # fmt: skip
        if choice not in get_args(kind):
            raise ValueError(f'{name}: no "{choice}"; known: {", ".join(get_args(kind))}')
    return settings
