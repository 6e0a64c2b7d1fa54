"""The part of the plan that is about money: what the calls that are known may cost."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.units import show_usd
from pytest_llmroute.errors import printable
from pytest_llmroute.pytest_side.ahead import messages_of_item

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession


def costs(session: LLMSession, decisions: Iterable[tuple[pytest.Item, Decision | None]]) -> list[str]:
    """One line; none where every call is known to cost nothing."""
    total, calls, bodies = 0.0, 0, 0
    unknown: Counter[str] = Counter()
    for item, decision in decisions:
        messages = messages_of_item(item)
        if decision is None or messages is None:
            bodies += 1
            continue
        characters = sum(len(message.content) for message in messages)
        card = session.catalog.model(decision.model)
        amount = session.engine.pool.may_take(card, decision.settings, characters)
        if amount.usd is None:
            unknown[card.name] += 1
        else:
            total, calls = total + amount.usd, calls + 1
    if not total and not unknown:
        return []
    parts = [f"at most {show_usd(total)} for {calls} calls, their prompts estimated"] if calls else []
    parts += [f"not known for {count} of {printable(name)}" for name, count in unknown.most_common()]
    parts += [f"nor for {bodies} items whose tests write their prompts"] if bodies else []
    return textwrap.wrap("cost: " + "; ".join(parts), 100, subsequent_indent="  ")
