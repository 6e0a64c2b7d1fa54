"""The part of the plan that is about memory and time: which models are loaded when, and what that takes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_llmroute.engine.holdings import HERE, Holdings
from pytest_llmroute.engine.residency.chains import Wanted, by_model
from pytest_llmroute.engine.residency.waves import WavePlan
from pytest_llmroute.engine.survey import RESERVE
from pytest_llmroute.errors import UserError, printable

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession


def waves(session: LLMSession, wanted: Wanted) -> list[str]:
    """`wanted`: items by the models that they may ask."""
    holdings = session.holdings
    if holdings is None:
        return []
    try:
        plans = holdings.plans(wanted)
    except UserError as error:
        return ["", *error.text().splitlines()]
    out = [line for place, plan in plans.items() for line in _memory(session, holdings, place, plan, wanted)]
    return [*out, *_seconds(holdings, plans, wanted)]


def _memory(session: LLMSession, holdings: Holdings, place: str, plan: WavePlan, wanted: Wanted) -> Iterator[str]:
    budget = holdings.budget(place, by_model(wanted))
    yield ""
    yield f"memory of {printable(place)}: {_room(session, place, budget)}"
    yield f"  {'wave':>4}  {'items':>5}  {'needs':>8}  {'load s':>6}  {'in memory':>9}  model"
    for number, wave in enumerate(plan.waves, 1):
        needs = holdings.needs[wave.model]
        together = [holdings.needs[model].ram for model in wave.resident]
        taken = None if None in together else sum(size or 0 for size in together)
        seconds = f"{needs.load_seconds:.1f}" if wave.load else "-"
        gone = f"  (makes way: {', '.join(map(printable, wave.evict))})" if wave.evict else ""
        yield (
            f"  {number:>4}  {wave.jobs:>5}  {_size(needs.ram):>8}  {seconds:>6}  {_size(taken):>9}"
            f"  {printable(wave.model)}{gone}"
        )
    loads = f"{plan.loads} load{'' if plan.loads == 1 else 's'}, {plan.load_seconds:.1f} s of loading"
    bound = f"no order does with fewer than {plan.bound} ({plan.bound_seconds:.1f} s): {plan.why}"
    yield from textwrap.wrap(f"{loads}; {bound}", 100, initial_indent="  ", subsequent_indent="    ")


def _room(session: LLMSession, place: str, budget: int | None) -> str:
    if budget is None:
        return "nobody knows how much there is (--llm-ram-budget says it)"
    if session.settings["ram_budget"] is not None:
        return f"models may take {_size(budget)} (ram_budget, {session.settings.origin('ram_budget')})"
    assert place == HERE
    return f"models may take {_size(budget)}: what is free now less {_size(RESERVE)} (--llm-ram-budget says otherwise)"


def _seconds(holdings: Holdings, plans: Mapping[str, WavePlan], wanted: Wanted) -> Iterator[str]:
    """By what earlier runs measured; calls as if they were made one after another, each job asking all its models."""
    jobs = by_model(wanted)
    measured = {model: seconds for model in jobs if (seconds := holdings.call_seconds(model)) is not None}
    unknown = sorted(set(jobs) - set(measured))
    calls = sum(seconds * jobs[model] for model, seconds in measured.items())
    loads = sum(plan.load_seconds for plan in plans.values())
    parts = [f"{loads:.1f} s of loading"] if plans else []
    if measured:
        parts.append(f"{calls:.1f} s of calls in one slot, as earlier runs measured")
    if unknown:
        parts.append(f"calls of {', '.join(map(printable, unknown))} not known: no run has measured them")
    yield ""
    yield from textwrap.wrap(f"expected: {'; '.join(parts)}", 100, subsequent_indent="  ")


def _size(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
