"""The order of the tests: model by model where models can't all be in memory, as far as fixtures let them move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.engine.residency.chains import by_model
from pytest_llmroute.errors import LLMRouteError, UserError
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.ahead import messages_of_item
from pytest_llmroute.pytest_side.items import round_of

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

WIDE = {"class": pytest.Class, "module": pytest.Module, "package": pytest.Package}
"""Scopes of fixtures that are torn down where pytest leaves a class, a module or a folder."""
Block = list[pytest.Item]


def put_in_order(session: LLMSession, items: list[pytest.Item]) -> list[UserError]:
    """In place; the same order in every process of a run. The models that do not fit are errors."""
    holdings = session.holdings
    if holdings is None or session.settings["order"] == "file":
        return []
    profile = session.engine.router.profile
    reachable = {*by_model(session.wanted), *profile.roles.values()}
    if not holdings.crowded(reachable):
        return []
    models = {id(item): decision.models for item in items if (decision := decision_of(session, item)) is not None}
    session.wanted = Counter(models.values())
    if errors := holdings.troubles(session.wanted):
        return errors
    waves = [wave for plan in holdings.plans(session.wanted).values() for wave in plan.waves]
    rank: dict[str, int] = {}
    for number, wave in enumerate(waves):
        rank.setdefault(wave.model, number)
    items[:] = in_order(items, lambda item: rank.get(models.get(id(item), ("",))[0]))
    return []


def decision_of(session: LLMSession, item: pytest.Item) -> Decision | None:
    """The decision as far as it is known now; None where it hangs on a message nobody has written yet."""
    if item_side.CASE not in item.stash and not item_side.is_ours(item):
        return None
    case = item_side.case_of(item, session.columns[0])
    try:
        if (messages := messages_of_item(item)) is not None:
            return session.engine.decide(case.request(messages), case.column, case.repeat)
        decision = session.decide(case)
    except LLMRouteError:
        return None  # the test itself will tell
    return None if decision.task is not None and not decision.task_declared else decision


def in_order(items: Sequence[pytest.Item], rank: Callable[[pytest.Item], int | None]) -> list[pytest.Item]:
    """Blocks that may move take each other's places; what has no rank stays where it is."""
    blocks = [(block, _place_of(block, rank)) for block in _blocks(items)]
    moved = iter(sorted((entry for entry in blocks if entry[1] is not None), key=lambda entry: entry[1] or (0, 0)))
    return [item for block, place in blocks for item in (block if place is None else next(moved)[0])]


def _place_of(block: Block, rank: Callable[[pytest.Item], int | None]) -> tuple[int, int] | None:
    """By its round first; what belongs to several rounds stays where it is."""
    number = round_of(block[0])
    place = next((place for item in block if (place := rank(item)) is not None), None)
    return None if place is None or round_of(block[-1]) != number else (number, place)


def _blocks(items: Sequence[pytest.Item]) -> Iterator[Block]:
    """Tests that share a fixture which pytest would tear down between them stay together, with all that is between."""
    last: dict[Any, int] = {}
    ties = [_ties(item) for item in items]
    for number, mine in enumerate(ties):
        for tie in mine:
            last[tie] = number
    block: Block = []
    until = -1
    for number, (item, mine) in enumerate(zip(items, ties, strict=True)):
        block.append(item)
        until = max([until, number, *(last[tie] for tie in mine)])
        if number == until:
            yield block
            block = []


def _ties(item: pytest.Item) -> list[Any]:
    """What ties a test to others: the class, module or folder whose fixtures it uses, and those with parameters."""
    found: list[Any] = []
    for name, definitions in _fixtures(item).items():
        if name in item_side.OURS or not definitions:
            continue
        scope = str(definitions[-1].scope)
        if (kind := WIDE.get(scope)) is not None:
            found.append(item.getparent(kind) or item.getparent(pytest.Module) or item.session)
        elif scope == "session" and (definitions[-1].params is not None or name in _params(item)):
            found.append(name)
    return found


def _fixtures(item: pytest.Item) -> Mapping[str, Sequence[Any]]:
    return getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})


def _params(item: pytest.Item) -> Mapping[str, Any]:
    return getattr(getattr(item, "callspec", None), "params", {})
