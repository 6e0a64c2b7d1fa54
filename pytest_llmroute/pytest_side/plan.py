"""What would run and why, without a call or a test."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_llmroute.core.attempts import BESIDE
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision, describe
from pytest_llmroute.errors import printable
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.collect import TaskItem
from pytest_llmroute.pytest_side.costs import costs
from pytest_llmroute.pytest_side.items import round_of
from pytest_llmroute.pytest_side.order import decision_of
from pytest_llmroute.pytest_side.waves import waves
from pytest_llmroute.routing.ladder import rungs

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

UNKNOWN = "decided when the test makes its call: the strategy reads the message"


def lines(session: LLMSession, items: Sequence[pytest.Item]) -> list[str]:
    """The plan: one block a column, one line for each way through it, with what was rejected."""
    ours = [item for item in items if item_side.CASE in item.stash or item_side.is_ours(item)]
    if not ours:
        return ["llmroute plan: no test here uses llm, and no task file was collected"]
    decisions = [(item, decision_of(session, item)) for item in ours]
    wanted = Counter(decision.models for _, decision in decisions if decision is not None)
    models = Counter(decision.model for _, decision in decisions if decision is not None)
    columns = list(dict.fromkeys(item_side.case_of(item, session.columns[0]).column for item in ours))
    out = [
        "",
        f"llmroute plan: {len(ours)} items in {len(columns)} column(s), profile {session.settings['profile']};"
        " nothing was called, no test was run",
    ]
    if later := sum(round_of(item) > 1 for item in ours):
        out.append(f"adaptive repeats: {len(ours) - later} items, and of {later} more those that the gate asks for")
    for column in columns:
        here = [
            (item, d) for item, d in decisions
            if item_side.case_of(item, session.columns[0]).column == column
        ]  # fmt: skip
        out += ["", f"{printable(column.name)} ({column.kind}, {len(here)} items)", *_routes(session, column, here)]
    out += ["", "models: " + ", ".join(f"{printable(name)} ×{count}" for name, count in models.most_common())]
    out += [*waves(session, wanted), *costs(session, decisions)]
    undecided = sum(decision is None for _, decision in decisions)
    if undecided:
        out.append(f"{undecided} items without a decision yet ({UNKNOWN})")
    return out


def _routes(session: LLMSession, column: Column, here: Iterable[tuple[pytest.Item, Decision | None]]) -> list[str]:
    groups: dict[object, tuple[Decision | None, list[pytest.Item]]] = {}
    for item, decision in here:
        key = (
            None
            if decision is None
            else (decision.model, decision.reason, decision.task, decision.phase, decision.template)
        )
        groups.setdefault(key, (decision, []))[1].append(item)
    out: list[str] = []
    for decision, group in groups.values():
        if decision is None:
            out.append(f"  {len(group):>5} × {UNKNOWN}")
        else:
            out += _route(decision, len(group))
            out += _ladder(session, column, decision, group[0])
        out += _wrapped("items: ", _names(group))
    return out


def _route(decision: Decision, count: int) -> list[str]:
    phase = f", phase {decision.phase}" if decision.phase else ""
    out = [
        f"  {count:>5} × {decision.model}  ({decision.reason}{phase})",
        f"          settings: {describe(decision.settings)}",
        *([f"          template: {printable(decision.template)}"] if decision.template else []),
    ]
    links = [*decision.chain, *(["canned text"] if decision.canned else [])]
    if links:
        out.append(f"          then: {' → '.join(links)}")
    if decision.rejected:
        out += _wrapped("not: ", "; ".join(f"{item.model} ({item.reason})" for item in decision.rejected))
    return out


def _ladder(session: LLMSession, column: Column, decision: Decision, item: pytest.Item) -> list[str]:
    """Of a task on a ladder: how often the small model tries and why, and who comes after it."""
    request = item_side.case_of(item, session.columns[0]).request(())
    ladder = session.solver.ladder_of(request, column) if isinstance(item, TaskItem) else None
    if ladder is None or not decision.then:
        return []
    limit = session.solver.limit(ladder, request, column)
    warmer = ", ".join(f"{one.temperature:g}" for one in rungs(ladder, limit.attempts)[:-1])
    tries = f"{limit.why}{f' (temperature {warmer})' if warmer else ''}"
    how = session.solver.how(ladder, request, column)
    if how == BESIDE and limit.attempts:
        return _wrapped("ladder: ", f"{tries}; at the same time {' → '.join(decision.then)}")
    return _wrapped(
        "ladder: ", f"{tries}, then {' → '.join(decision.then)}{f' ({how})' if how and limit.attempts else ''}"
    )


def _wrapped(title: str, text: str) -> list[str]:
    indent = " " * 10
    return textwrap.wrap(
        title + text, 100, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )


def _names(items: Sequence[pytest.Item], shown: int = 3) -> str:
    names = [printable(item.nodeid, 70) for item in items[:shown]]
    return ", ".join(names) + (f" and {len(items) - shown} more" if len(items) > shown else "")
