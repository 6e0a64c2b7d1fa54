"""What can be known to fail is said before any test runs, all of it at once."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.engine.case import Case
from pytest_llmroute.engine.setup import sandbox_of
from pytest_llmroute.engine.survey import Need, look, troubles
from pytest_llmroute.errors import LLMRouteWarning, UserError
from pytest_llmroute.measure.machine import available_ram
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.collect import TaskItem
from pytest_llmroute.pytest_side.marker import messages_of
from pytest_llmroute.pytest_side.once import once_for_all
from pytest_llmroute.tasks.checks import unit_tests_of

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession


def check(session: LLMSession, items: Iterable[pytest.Item]) -> list[UserError]:
    """Names of the options, then what each selected test declares, then whether its model can be had."""
    ours = [item for item in items if item_side.CASE in item.stash or item_side.is_ours(item)]
    if not ours and not session.errors:
        return []
    errors: dict[str, UserError] = {error.text(): error for error in session.errors}
    if session.broken:
        return list(errors.values())
    options = _options(session)
    wanted: Counter[str] = Counter()
    for error in [*options, *_items(session, ours, wanted, routes=not (options or errors))]:
        errors.setdefault(error.text(), error)
    if not errors and not _runs_nothing(session):
        servers = _servers(session, wanted, len(ours)) if _asks(session) else []
        return [*_sandbox(session, ours), *servers]
    return list(errors.values())


def _runs_nothing(session: LLMSession) -> bool:
    return bool(session.settings["plan"] or session.config.getoption("collectonly"))


def _asks(session: LLMSession) -> bool:
    """Whether any model will be asked."""
    return not _runs_nothing(session) and session.engine.asks


def _sandbox(session: LLMSession, items: Iterable[pytest.Item]) -> list[UserError]:
    """Whether solutions can be run here, where a task will want that."""
    if not any(isinstance(item, TaskItem) and any(unit_tests_of(item.task.check)) for item in items):
        return []
    try:
        tier = sandbox_of(session.settings)
    except UserError as error:
        return [error]
    if tier in ("restricted", "unsafe-local"):
        from pytest_llmroute.sandbox.tiers import ABOUT

        warnings.warn(LLMRouteWarning(f"sandbox {tier}: {ABOUT[tier]}"), stacklevel=2)
    return []


def _servers(session: LLMSession, wanted: Mapping[str, int], tests: int) -> list[UserError]:
    """What the servers behind the models say; under xdist one worker of a host asks for all of them."""
    pool, catalog = session.engine.pool, session.catalog
    needs = [Need(catalog.model(name), count) for name, count in wanted.items()]
    if session.settings["offline"]:
        away = [need.card for need in needs if (at := pool.endpoint(need.card)) and not is_loopback(at)]
        if away:
            return [_offline(card, pool.endpoint(card)) for card in away]
    if not any(pool.endpoint(need.card) for need in needs):
        return []

    def ask() -> list[UserError]:
        free = session.settings["ram_budget"] or available_ram()
        return troubles(look(pool.types, needs), free, of=tests)

    return once_for_all(session, ask) if session.worker != "main" else ask()


def _offline(card: ModelCard, endpoint: str) -> UserError:
    return UserError(
        f'offline: the model "{card.name}" is at {endpoint}',
        code=Code.OFFLINE,
        fix="leave --llm-offline out",
        instead="a profile of local models, as --llm-profile=embedded",
    )


def _options(session: LLMSession) -> list[UserError]:
    """Extensions first: the names that the options may use come from them."""
    if error := _mistake(lambda: session.extensions):
        return [error]
    if wrong := session.wrong_names():
        return wrong
    if error := _mistake(lambda: session.engine):
        return [error]
    router, settings = session.engine.router, session.settings
    checks: list[Callable[[], object]] = [
        partial(router.strategy, column.name, settings.origin("strategy"))
        if column.kind == "strategy"
        else partial(router.catalog.model, column.name, settings.origin("model"))
        for column in session.columns
    ]
    checks += [partial(router.catalog.phase, phase, settings.origin("phase")) for phase in settings["phase"] or ()]
    return [error for action in checks if (error := _mistake(action))]


def _mistake(action: Callable[[], object]) -> UserError | None:
    try:
        action()
    except UserError as error:
        return error
    return None


def _items(session: LLMSession, items: Iterable[pytest.Item], wanted: Counter[str], *, routes: bool) -> list[UserError]:
    """Each test function once; each way through the router once, where the options leave one to go.

    `wanted` counts the tests by the model that they lead to.
    """
    errors: list[UserError] = []
    seen_tests: set[object] = set()
    models: dict[object, str] = {}
    for item in items:
        try:
            case = item_side.case_of(item, session.columns[0])
            test = (item_side.where_of(item), case.column)
            if test not in seen_tests:
                seen_tests.add(test)
                _test(item, case)
            route = (case.column, case.task, case.phase, case.agent, case.model, case.user)
            if routes and route not in models:
                models[route] = ""
                model = models[route] = _route(session, item, case)
                if model not in wanted and _asks(session):
                    _there(session, model)
            if found := models.get(route):
                wanted[found] += 1
        except UserError as error:
            errors.append(error)
    return errors


def _test(item: pytest.Item, case: Case) -> None:
    where = item_side.where_of(item)
    if case.min_pass is not None and case.min_pass > case.repeats:
        raise UserError(
            f"{where}: min_pass={case.min_pass} can't be reached in {case.repeats} tries",
            code=Code.REPEATS,
            fix=f"--llm-repeat={case.min_pass}, or repeat={case.min_pass} beside min_pass",
        )
    if "llm_reply" in getattr(item, "fixturenames", ()):
        messages_of(item_side.declared_of(item), item_side.params_of(item), where)


def _route(session: LLMSession, item: pytest.Item, case: Case) -> str:
    """The model that answers."""
    where = item_side.where_of(item)
    catalog = session.catalog
    for name, look_up in (
        (case.task, catalog.task),
        (case.phase, catalog.phase),
        (case.agent, catalog.agent),
    ):
        if name is not None:
            look_up(name, where)
    if case.model is not None:
        catalog.model(case.model, where)
    decision = session.decide(case)
    session.engine.router.check_place(decision, session.engine.pool.endpoint(catalog.model(decision.model)))
    return decision.model


def _there(session: LLMSession, model: str) -> None:
    """Once for each model: a backend may read files to tell."""
    if missing := session.engine.pool.missing(session.catalog.model(model)):
        raise missing
