"""Router and models from what is configured and what extensions bring, for pytest, faces and command line alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import Catalog, Table
from pytest_llmroute.config.options import BY_NAME
from pytest_llmroute.config.project import Project
from pytest_llmroute.config.references import unfilled
from pytest_llmroute.config.resolve import Settings
from pytest_llmroute.core.profiles import ROLES, Profile
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.templates import Template
from pytest_llmroute.engine.engine import Engine
from pytest_llmroute.engine.events import Events
from pytest_llmroute.errors import UserError, one
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.measure.meter import ProcessMeter
from pytest_llmroute.routing.contract import Strategy
from pytest_llmroute.routing.router import Router
from pytest_llmroute.routing.strategies import builtin_tables_by_name, strategy_of
from pytest_llmroute.tasks.values import Known

if TYPE_CHECKING:
    from pytest_llmroute.routing.classify import Classifier, Rule
    from pytest_llmroute.sandbox.verdict import Tier

Scripted = Callable[[Call], Any]


def catalog_of(project: Project, extensions: Extensions) -> Catalog:
    """The project's tables with the cards and templates that hooks bring; what the file says stands before them."""
    catalog = project.catalog
    if brought := extensions.models():
        catalog = replace(catalog, models={**brought, **catalog.models})
    return replace(catalog, templates=_with_templates(project, told)) if (told := extensions.templates()) else catalog


def _with_templates(project: Project, brought: Mapping[str, Template]) -> dict[str, Template]:
    """The built-in ones, those of hooks over them, the file's over both; of one type the last is taken."""
    wrong = [error for template in brought.values() for error in unfilled(template, f"template {template.name}")]
    if wrong:
        raise one(wrong)
    own = project.file.table.get("templates", {}) if project.file is not None else {}
    known = project.catalog.templates
    builtin = {name: template for name, template in known.items() if name not in own}
    return {**builtin, **brought, **{name: known[name] for name in own}}


def known_names(project: Project, extensions: Extensions) -> Known:
    """What a task file may name."""
    catalog = catalog_of(project, extensions)
    return Known(frozenset(catalog.tasks), frozenset(catalog.phases), catalog.agent_spellings, catalog.template_types)


def strategies_of(project: Project, extensions: Extensions) -> dict[str, Strategy]:
    """All strategies by name; a table of the file may change a built-in table, and nothing else."""
    strategies = extensions.strategies()
    if project.file is None:
        return strategies
    own = project.file.table.get("strategies", {})
    clash = [
        UserError(
            f'{project.file.place(("strategies", name))}: the strategy "{name}" is code, not a table',
            code=Code.TWICE,
            means="a table of this name would change nothing, or hide it",
            fix="give the table another name",
        )
        for name in own
        if name in strategies and name not in builtin_tables_by_name()
    ]
    if clash:
        raise one(clash)
    return {**strategies, **{name: strategy_of(project.catalog.tables[name]) for name in own}}


def check_names(project: Project, extensions: Extensions) -> list[UserError]:
    """What the configuration names and nobody has."""
    if project.file is None:
        return []
    try:
        types = [template.type for template in extensions.templates().values()]
        wrong = project.check_names(extensions.models(), extensions.strategies(), extensions.backends(), types)
        strategies_of(project, extensions)
    except UserError as error:
        return [error]
    return wrong


def make_router(
    project: Project, extensions: Extensions, profile: Profile | str, env: Mapping[str, str], *,
    where: str = "", rules: tuple[Rule, ...] | None = None, user_rules: Mapping[str, tuple[Rule, ...]] | None = None,
    ladders: Mapping[str, str] | None = None,
) -> Router:  # fmt: skip
    """The router of a project on one profile; `ladders`: the models of all ladders, where a run names them."""
    catalog = catalog_of(project, extensions)
    strategies = strategies_of(project, extensions)
    if ladders:
        tables = dict(_with_models(catalog, ladders))
        catalog = replace(catalog, tables={**catalog.tables, **tables})
        strategies |= {name: strategy_of(table) for name, table in tables.items()}
    return Router(
        catalog=catalog,
        strategies=strategies,
        profile=catalog.profile(profile, where) if isinstance(profile, str) else profile,
        env=env,
        classifier=cache(partial(_classifier, extensions, rules, user_rules or {})),
    )


def _classifier(
    extensions: Extensions, rules: tuple[Rule, ...] | None, user_rules: Mapping[str, tuple[Rule, ...]]
) -> Classifier:
    from pytest_llmroute.routing.classify import Classifier

    return Classifier(rules, user_rules=user_rules, override=extensions.classify)


def _with_models(catalog: Catalog, ladders: Mapping[str, str]) -> Iterator[tuple[str, Table]]:
    """The ladders among the tables, with these models as `small` or `large`: no profile overrides them."""
    for key, use in ladders.items():
        if use not in ROLES:
            catalog.model(use, BY_NAME[key].flag)
    for name, table in catalog.tables.items():
        if table.ladder is not None:
            cells = {key: "" if key in ladders else cell for key, cell in table.ladder.cells.items()}
            small, large = (ladders.get(key, getattr(table.ladder, key)) for key in ("small", "large"))
            yield name, replace(table, ladder=replace(table.ladder, small=small, large=large, cells=cells))


def surroundings(settings: Settings, env: Mapping[str, str]) -> Surroundings:
    """What the backends of a session may know."""
    return Surroundings(env, settings["ollama_host"], settings["cache_dir"], settings["offline"])


def sandbox_of(settings: Settings) -> Tier:
    """The tier that solutions run in from now on; raises UserError where the one that is wanted can't be had."""
    if settings["offline"] and settings["sandbox"] == "daytona":
        raise UserError(
            "offline: --llm-sandbox=daytona sends solutions to another machine",
            code=Code.OFFLINE, fix="leave --llm-offline out", instead="--llm-sandbox=auto",
        )  # fmt: skip
    from pytest_llmroute.sandbox.run import tier, use
    from pytest_llmroute.sandbox.tiers import Wish

    use(Wish(settings["sandbox"], settings["allow_unsafe"]))
    return tier()


def close_sandbox() -> None:
    """Ends what solutions ran in, where any did."""
    if (used := sys.modules.get("pytest_llmroute.sandbox.run")) is not None:
        used.close()


def make_engine(
    router: Router, extensions: Extensions, scripted: Scripted, *, stand_in: str | None = None,
    limit: float | None = None, meter: ProcessMeter | None = None, events: Events | None = None,
) -> Engine:  # fmt: skip
    pool = BackendPool(extensions.backends(), stand_in=stand_in, loading=events.loading if events else None)
    return Engine(router, pool, scripted, limit, meter, events=events)
