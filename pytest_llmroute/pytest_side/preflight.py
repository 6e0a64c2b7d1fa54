"""What can be known to fail is said before any test runs, all of it at once."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.core.processes import available_ram
from pytest_llmroute.core.requests import Sampling, as_messages
from pytest_llmroute.engine.case import Case
from pytest_llmroute.engine.holdings import Facts
from pytest_llmroute.engine.residency.chains import Models, Wanted, by_model
from pytest_llmroute.engine.setup import sandbox_of
from pytest_llmroute.engine.survey import Need, Server, look, troubles
from pytest_llmroute.errors import LLMRouteWarning, UserError
from pytest_llmroute.prompts.formats import lacks, missing
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.ahead import known
from pytest_llmroute.pytest_side.collect import TaskItem
from pytest_llmroute.pytest_side.marker import messages_of
from pytest_llmroute.pytest_side.once import once_for_all
from pytest_llmroute.store.experience import read_experience
from pytest_llmroute.tasks.checks import unit_tests_of

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known before any test runs."""

    errors: list[UserError] = field(default_factory=list)
    wanted: Wanted = field(default_factory=dict)
    """Tests by the models that they lead to, as far as that is known."""
    facts: Facts | None = None
    """Of the memory for models; None where none of them is asked."""


def check(session: LLMSession, items: Iterable[pytest.Item]) -> Checked:
    """Names of the options, then what each selected test declares, then whether its model can be had."""
    ours = [item for item in items if item_side.CASE in item.stash or item_side.is_ours(item)]
    if not ours and not session.errors:
        return Checked()
    errors: dict[str, UserError] = {error.text(): error for error in session.errors}
    if session.broken:
        return Checked(list(errors.values()))
    options = _options(session)
    wanted: Counter[Models] = Counter()
    for error in [*options, *_items(session, ours, wanted, routes=not (options or errors))]:
        errors.setdefault(error.text(), error)
    if errors:
        return Checked(list(errors.values()))
    if runs_nothing(session):
        return Checked([], wanted, local_facts(session))
    servers, facts = _servers(session, wanted, len(ours)) if _asks(session) else ([], None)
    return Checked([*_sandbox(session, ours), *servers], wanted, facts)


def local_facts(session: LLMSession) -> Facts:
    """What is known of the memory without asking a server."""
    return Facts(available_ram(), known=read_experience(session.config.rootpath))


def runs_nothing(session: LLMSession) -> bool:
    return bool(session.settings["plan"] or session.config.getoption("collectonly"))


def _asks(session: LLMSession) -> bool:
    """Whether any model will be asked."""
    return not runs_nothing(session) and session.engine.asks


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


def _servers(session: LLMSession, wanted: Wanted, tests: int) -> tuple[list[UserError], Facts | None]:
    """What the servers behind the models say; under xdist one worker of a host asks for all of them."""
    pool, catalog = session.engine.pool, session.catalog
    needs = [Need(catalog.model(name), count) for name, count in by_model(wanted).items()]
    if session.settings["offline"]:
        away = [need.card for need in needs if (at := pool.endpoint(need.card)) and not is_loopback(at)]
        if away:
            return [_offline(card, pool.endpoint(card)) for card in away], None
    if not any(pool.endpoint(need.card) or pool.takes_memory(need.card) for need in needs):
        return [], None

    def ask() -> dict[str, Any]:
        try:
            servers = look(pool.types, needs)
        except UserError as error:  # of somebody's backend
            return {"errors": [_plain(error)], "facts": _facts(session, []).to_dict()}
        found = troubles(servers, of=tests)
        return {"errors": [_plain(error) for error in found], "facts": _facts(session, servers).to_dict()}

    told = once_for_all(session, "preflight", ask)
    facts = Facts.from_dict(told["facts"])
    return [*map(_error, told["errors"]), *session.holdings_of(facts).troubles(wanted)], facts


def _facts(session: LLMSession, servers: Iterable[Server]) -> Facts:
    facts = local_facts(session)
    surveys = [(server.survey, need.card) for server in servers for need in server.needs]
    resident = {
        card.name: survey.resident[card.served_as] for survey, card in surveys if card.served_as in survey.resident
    }
    files = {name: size for survey, _ in surveys for name, size in survey.files.items()}
    parallel = {survey.endpoint: survey.parallel for survey, _ in surveys if survey.parallel is not None}
    return Facts(facts.free, resident, files, facts.known, parallel)


def _plain(error: UserError) -> dict[str, str]:
    code = error.code.name if error.code else ""
    return {"what": error.what, "means": error.means, "fix": error.fix, "instead": error.instead, "code": code}


def _error(told: Mapping[str, str]) -> UserError:
    return UserError(
        told["what"], code=Code[told["code"]] if told["code"] else None, means=told["means"], fix=told["fix"],
        instead=told["instead"],
    )  # fmt: skip


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
    if session.paying.budget is not None and session.worker != "main":
        from pytest_llmroute.engine.ledger import cannot_share

        if error := cannot_share():
            return [error]
    checks: list[Callable[[], object]] = [
        partial(router.strategy, column.name, settings.origin("strategy"))
        if column.kind == "strategy"
        else partial(router.catalog.model, column.name, settings.origin("model"))
        for column in session.columns
    ]
    checks += [partial(router.catalog.phase, phase, settings.origin("phase")) for phase in settings["phase"] or ()]
    checks += [partial(router.catalog.model, name, settings.origin("pin")) for name in settings["pin"]]
    return [error for action in checks if (error := _mistake(action))]


def _mistake(action: Callable[[], object]) -> UserError | None:
    try:
        action()
    except UserError as error:
        return error
    return None


def _items(
    session: LLMSession, items: Iterable[pytest.Item], wanted: Counter[Models], *, routes: bool
) -> list[UserError]:
    """Each test function once; each way through the router once, where the options leave one to go.

    `wanted` counts the tests by the models that they lead to.
    """
    errors: list[UserError] = []
    seen_tests: set[object] = set()
    ways: dict[object, Models] = {}
    there: set[str] = set()
    for item in items:
        try:
            case = item_side.case_of(item, session.columns[0])
            test = (item_side.where_of(item), case.column)
            if test not in seen_tests:
                seen_tests.add(test)
                _test(item, case)
            route = (case.column, case.task, case.phase, case.agent, case.model, case.user)
            if routes and route not in ways:
                ways[route] = ()
                models = ways[route] = _route(session, item, case)
                for model in models:
                    if model not in there and _asks(session):
                        _there(session, model)
                    there.add(model)
            if found := ways.get(route):
                wanted[found] += 1
                for model in found:
                    _parts(session, item, case, model)
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


def _route(session: LLMSession, item: pytest.Item, case: Case) -> Models:
    """The models that may be asked."""
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
    decision = session.engine.router.decide(case.request(as_messages("")), case.column, repeat=case.repeat)
    _affordable(session, item, case, decision)
    session.engine.router.check_place(decision, session.engine.pool.endpoint(catalog.model(decision.model)))
    return decision.models


def _parts(session: LLMSession, item: pytest.Item, case: Case, model: str) -> None:
    """Whether a template has all of the task that it can't do without."""
    template = session.engine.router.template(case.request(()), session.catalog.model(model))
    if template is None or not (lacking := lacks(template, case.parts)):
        return
    task = item.task if isinstance(item, TaskItem) else None
    raise missing(
        template, lacking, case.parts,
        where=f'{task.path}:{task.line}: task "{task.id}"' if task else item_side.where_of(item),
    )  # fmt: skip


def _affordable(session: LLMSession, item: pytest.Item, case: Case, decision: Decision) -> None:
    """Where the run has a budget: what its calls may take must be known beforehand."""
    engine = session.engine
    if engine.spending is None or not _asks(session):
        return
    for name in (*decision.models, *decision.chain):
        card = session.catalog.model(name)
        settings, _ = engine.router.settings(case.request(()), card, decision.asked, case.repeat, 0)
        if known(item) is None:
            settings = Sampling(max_tokens=1)  # the test itself may yet say how many
        if lacking := engine.spending.lacking(card, settings):
            raise lacking


def _there(session: LLMSession, model: str) -> None:
    """Once for each model: a backend may read files to tell."""
    pool, card = session.engine.pool, session.catalog.model(model)
    if missing := pool.missing(card):
        raise missing
    pool.slots(card)  # somebody's own code: it may raise
