"""A run that goes on: which of its tests are finished, why others run again, and how a finished one is reported."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.attempts import LARGE, Rung
from pytest_llmroute.core.records import Record
from pytest_llmroute.core.requests import as_messages
from pytest_llmroute.engine.case import Case
from pytest_llmroute.engine.kept import KeptReplies
from pytest_llmroute.errors import LLMRouteError, UserError
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.ahead import known
from pytest_llmroute.pytest_side.once import forget
from pytest_llmroute.pytest_side.part import OF_BEFORE, Part
from pytest_llmroute.store.resume import Earlier, earlier, kept, prepare

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

FINISHED = frozenset({"passed", "missed", "failed", "skipped"})
"""Outcomes that stand; an error is no statement about a model, so its test runs again."""
STILL = ("setup", "runtest", "teardown")
SAME = (
    "case_id", "column", "column_kind", "profile", "task", "phase", "agent", "user", "repeat", "repeats", "min_pass",
    "must_pass", "gated", "tags", "weight", "check_hash", "source_hash",
)  # fmt: skip
"""Fields of a record that are known before its test runs."""
FRAME = {"profile": "profile", "columns": "columns", "paths": "paths", "selection": "selection", "settings": "options"}
"""What makes another run of it, and how that is called."""

_ALONE = ("-x", "--exitfirst")
_WITH_VALUE = ("--maxfail", "--llm-resume")
"""Options that the command which goes on is better without."""


def resumed_part(
    root: Path, store: Path, wanted: str, run_id: str, frame: Mapping[str, Any], *, runs: bool
) -> Part:  # fmt: skip
    """The part that comes next of the run that is wanted: of itself, or of a new run where its frame is another.

    Where nothing `runs`, since a plan or a list of tests is wanted, it is looked at only.
    """
    run = earlier(root, store, wanted)
    changed = _changed(run, frame)
    if not runs:
        return Part(run_id, 1, run.info.run_id, run.found)
    target = run_id if changed else run.info.run_id
    number = prepare(root, run, target)
    note = f"resumed as a run of its own: {changed}" if changed else ""
    return Part(target, number, run.info.run_id, run.found, note)


def part_of_worker(root: Path, told: Mapping[str, Any]) -> Part:
    """The same in a worker of xdist's, which is told by its controller."""
    number = told["part"]
    return Part(told["run"], number, told["earlier"], kept(root, told["run"], before=number))


def _changed(run: Earlier, frame: Mapping[str, Any]) -> str:
    info = run.info
    before = {"profile": info.profile, "columns": list(info.columns), **info.facts}
    told = []
    for name, called in FRAME.items():
        then, now = before.get(name), frame[name]
        if then == now:
            continue
        if name == "settings":
            then, now = ({key: value for key, value in (each or {}).items() if key != "hash"} for each in (then, now))
            then, now = ({key: each.get(key) for key in now if then.get(key) != now.get(key)} for each in (then, now))
        told.append(f"its {called} were {_text(then)}, now {_text(now)}")
    return "; ".join(told)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value not in ("", None) else "none"


def claimed(session: LLMSession) -> None:
    """The sign that this process goes on with the run; an error where another one was faster."""
    if not session.keeper.claim():
        raise UserError(
            f"run {session.run_id} is being resumed by another process", code=Code.RESUME,
            means="two processes can't go on with one run", fix="wait until it has ended, or end it",
        )  # fmt: skip
    forget(session.config.rootpath, session.run_id)  # what processes that were killed have left behind


class Resuming:
    """What a session takes over of an earlier one."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.records = {record.nodeid: record for record in part.found.records}
        self.replies = KeptReplies(part.found.calls)
        self.finished = 0
        self.items = 0
        self.again: Counter[str] = Counter()
        """Why tests run again that had been begun."""

    def mark(self, session: LLMSession, items: Iterable[pytest.Item]) -> None:
        """Once collected: finished tests stand still from now on."""
        for item in items:
            if not (item_side.is_ours(item) or item_side.CASE in item.stash):
                continue
            self.items += 1
            case = item_side.case_of(item, session.columns[0])
            record = self.records.get(case.nodeid)
            if record is None:
                continue
            if why := _again(session, item, case, record):
                self.again[why] += 1
            else:
                self.finished += 1
                self.replies.finished(record)
                item.stash[item_side.RESUMED] = record
                _stand_still(item)

    def report(self, report: pytest.TestReport, item: pytest.Item) -> None:
        """Of a test that stood still, as its record has it."""
        record = item.stash[item_side.RESUMED]
        report.__dict__[OF_BEFORE] = "resumed"
        report.duration = record.seconds
        expected = item.get_closest_marker("xfail") is not None
        if record.outcome == "skipped":
            report.outcome = "skipped"
            path, line, _ = item.location
            report.longrepr = (path, line or 0, record.message)
            if expected:
                report.wasxfail = record.message
        elif record.outcome != "passed":
            report.outcome = "failed"
            report.__dict__.pop("wasxfail", None)
            before = f"of run {self.part.earlier}, before it was resumed; its traceback is not kept"
            report.longrepr = f"{record.message}\n({before})"

    def let_go(self, item: pytest.Item) -> None:
        """A plugin that reruns the test runs it for real."""
        del item.stash[item_side.RESUMED]
        for name in STILL:
            item.__dict__.pop(name, None)

    def lines(self, *, collected: bool) -> list[str]:
        """For the header; a controller of xdist's collects nothing."""
        done = sum(record.outcome in FINISHED for record in self.records.values())
        text = f"{self.finished} of {self.items} tests are" if collected else f"{done} tests are"
        lines = [f"llmroute: resumes run {self.part.earlier}: {text} finished"]
        if self.again:
            lines.append(f"llmroute: run again: {', '.join(f'{n} {why}' for why, n in self.again.most_common())}")
        if self.part.note:
            lines.append(f"llmroute: {self.part.note}")
        return lines


def _again(session: LLMSession, item: pytest.Item, case: Case, record: Record) -> str:
    """Why a test that was begun runs again; empty if its record stands."""
    if record.outcome == "interrupted":
        return "cut short"
    if record.outcome not in FINISHED:
        return "ended in an error"
    if record.outcome == "skipped" and case.round > 1:
        return "not needed so far"
    draft = case.draft(session.run_id, session.settings["profile"], "", shared=False)
    if any(getattr(draft, name) != getattr(record, name) for name in SAME):
        return "with a test or check that was changed"
    if not _asks_the_same(session, item, case, record):
        return "with a prompt, model or setting that was changed"
    return ""


def _asks_the_same(session: LLMSession, item: pytest.Item, case: Case, record: Record) -> bool:
    """As far as it is known before the test runs."""
    engine = session.engine
    models = engine.router.catalog.models
    for call in record.calls:
        card = models.get(call.failures[0][0] if call.failures else call.model)
        way = engine.policy_id(record.column, call.decided_by, record.strategy)
        if card is None or call.policy_id != way or call.asked[:8] != engine.card_hash(card):
            return False
    if not record.calls:
        return True
    messages = known(item)
    request = case.request(as_messages("") if messages is None else messages)
    first = next((call for call in record.calls if call.rung < 2), record.calls[0])
    if first.role == LARGE:
        request = replace(request, rung=Rung(first.rung, LARGE))
    try:
        decision = engine.decide(request, case.column, case.repeat)
        same = messages is None or engine.asked(request, decision, case.repeat) == first.asked
    except LLMRouteError:
        return False
    return same and (decision.decided_by == "forced") == record.forced


def _stand_still(item: pytest.Item) -> None:
    """Nothing of it runs, and no fixture is made for it."""
    for name in STILL:
        item.__dict__[name] = _nothing


def _nothing() -> None:
    pass


def command_that_goes_on(args: Sequence[str]) -> str:
    """What was typed, without what stopped it, and with the word that resumes it."""
    left: list[str] = []
    skip = False
    for arg in args:
        if skip:
            skip = False
        elif arg in _WITH_VALUE:
            skip = True
        elif arg not in _ALONE and not arg.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            left.append(arg.replace("x", "") if re.fullmatch("-[lqsvx]+", arg) else arg)
    return shlex.join(["pytest", *left, "--llm-resume=last"])
