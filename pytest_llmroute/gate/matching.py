"""Which column and which cases of a run stand against which of the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_llmroute.gate.figures import CaseFigures, RunFigures, RunHead

ENOUGH = 0.8
"""The share of the baseline's cases that a column must have to be compared."""


@dataclass(frozen=True, slots=True)
class MatchedColumn:
    """A column of the run, with the baseline's column that it is compared with."""

    column: str
    against: str | None
    """None: the baseline has none of this name."""
    then: Mapping[str, CaseFigures]
    now: Mapping[str, CaseFigures]

    @property
    def shared(self) -> tuple[str, ...]:
        """Cases of both sides, judged by the same check."""
        return tuple(case for case in self.then if case in self.now and self.then[case].check == self.now[case].check)

    @property
    def rechecked(self) -> tuple[str, ...]:
        return tuple(case for case in self.then if case in self.now and self.then[case].check != self.now[case].check)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(case for case in self.then if case not in self.now)

    @property
    def added(self) -> tuple[str, ...]:
        """Cases of the run that the baseline has no outcome of."""
        return tuple(case for case, found in self.now.items() if case not in self.then and found.tries)

    @property
    def replayed(self) -> int:
        """Tries of shared cases on recorded replies, on either side."""
        return sum(self.then[case].replayed + self.now[case].replayed for case in self.shared)

    @property
    def lost_share(self) -> float:
        """Of the tries of shared cases, those without an outcome."""
        shared = [self.now[case] for case in self.shared]
        made = sum(case.made for case in shared)
        return sum(case.lost for case in shared) / made if made else 0.0


@dataclass(frozen=True, slots=True)
class Matched:
    """All columns of a run, and those of the baseline that it does not have."""

    columns: tuple[MatchedColumn, ...]
    left: tuple[str, ...]

    @property
    def names(self) -> dict[str, str]:
        """The baseline's name by the run's."""
        return {one.column: one.against for one in self.columns if one.against is not None}


def match(now: RunFigures, then: RunFigures, renamed: Mapping[str, str]) -> Matched:
    """By name; a renamed one by `renamed` (new → old); where each side has one column, these two.

    What gave no outcome then is no case of the baseline, as it is none of a baseline's file.
    """
    before = {column: tried for column, cases in then.columns.items() if (tried := _tried(cases))}
    pairs: list[tuple[str, str | None]]
    if len(now.columns) == len(before) == 1 and not renamed:
        pairs = [(next(iter(now.columns)), next(iter(before)))]
    else:
        names = {column: renamed.get(column, column) for column in now.columns}
        pairs = [(column, old if old in before else None) for column, old in names.items()]
    used = {old for _, old in pairs}
    matched = (MatchedColumn(column, old, before.get(old or "", {}), now.columns[column]) for column, old in pairs)
    return Matched(tuple(matched), tuple(old for old in before if old not in used))


def _tried(cases: Mapping[str, CaseFigures]) -> dict[str, CaseFigures]:
    return {case: found for case, found in cases.items() if found.tries}


def part_of(now: RunHead, then: RunHead) -> str:
    """Why the run is only a part of what the baseline has: its selection, or narrower paths; empty if it is not."""
    if now.selection:
        return now.selection
    if not all(any(_covers(path, wanted) for path in now.paths) for wanted in then.paths):
        return " ".join(now.paths)
    return ""


def _covers(path: str, wanted: str) -> bool:
    return path == "." or PurePosixPath(wanted).is_relative_to(path)


def changes(matched: MatchedColumn, now: RunFigures, then: RunFigures) -> tuple[str, ...]:
    """What is another thing on the shared cases: models, their files, templates, prompts, settings, routing."""
    pairs = [(matched.then[case], now_) for case in matched.shared if (now_ := matched.now[case]).tries]
    lines = [
        *_models(pairs),
        *_digests(pairs, now, then),
        *_moves("template", [(a.template, b.template) for a, b in pairs]),
    ]
    same_template = [(a, b) for a, b in pairs if a.template == b.template]
    lines += _counted("the prompt", [(a.prompt, b.prompt) for a, b in same_template], len(pairs))
    lines += _counted(
        "settings (temperature, tokens and the like)", [(a.settings, b.settings) for a, b in pairs], len(pairs)
    )
    if matched.column == matched.against:
        lines += _counted("the routing table", [(a.policy, b.policy) for a, b in pairs], len(pairs))
    if now.head.profile != then.head.profile:
        lines.append(f"profile {now.head.profile}, was {then.head.profile}")
    if now.head.version != then.head.version:
        lines.append(f"pytest-llmroute {now.head.version}, was {then.head.version}")
    return tuple(lines)


Pairs = Sequence[tuple[CaseFigures, CaseFigures]]


def _models(pairs: Pairs) -> list[str]:
    return _moves("model", [(_joined(a.models), _joined(b.models)) for a, b in pairs if a.models and b.models])


def _joined(models: Sequence[str]) -> str:
    return ", ".join(models)


def _digests(pairs: Pairs, now: RunFigures, then: RunFigures) -> list[str]:
    used = dict.fromkeys(model for _, case in pairs for model in case.models)
    both = [(model, then.models.get(model, ""), now.models.get(model, "")) for model in used]
    return [f"model {model} has another file: {_short(new)}, was {_short(old)}" for model, old, new in both
            if old and new and old != new]  # fmt: skip


def _short(digests: str) -> str:
    return " and ".join(digest[:12] for digest in digests.split("+"))


def _moves(what: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """From what to what, and how often; the most frequent first."""
    counts = Counter((old, new) for old, new in pairs if old != new)
    return [
        f"{what} {new or 'none'}, was {old or 'none'}, in {how_many(count)}"
        for (old, new), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _counted(what: str, pairs: Sequence[tuple[str, str]], total: int) -> list[str]:
    count = sum(old != new for old, new in pairs)
    return [f"{what} changed in {'all ' if count == total > 1 else ''}{how_many(count)}"] if count else []


def how_many(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"
