"""What can be known to fail is said before any test runs, all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.engine.case import Case
from pytest_llmroute.errors import UserError
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.marker import messages_of

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
    for error in [*options, *_items(session, ours, routes=not (options or errors))]:
        errors.setdefault(error.text(), error)
    return list(errors.values())


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


def _items(session: LLMSession, items: Iterable[pytest.Item], *, routes: bool) -> list[UserError]:
    """Each test function once; each way through the router once, where the options leave one to go."""
    errors: list[UserError] = []
    seen_tests: set[object] = set()
    seen_routes: set[object] = set()
    for item in items:
        try:
            case = item_side.case_of(item, session.columns[0])
            test = (item_side.where_of(item), case.column)
            if test not in seen_tests:
                seen_tests.add(test)
                _test(item, case)
            route = (case.column, case.task, case.phase, case.agent, case.model, case.user)
            if routes and route not in seen_routes:
                seen_routes.add(route)
                _route(session, item, case)
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


def _route(session: LLMSession, item: pytest.Item, case: Case) -> None:
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
    if session.settings["plan"] or session.config.getoption("collectonly"):
        return  # nobody is asked
    if missing := session.engine.pool.missing(catalog.model(decision.model)):
        raise missing
