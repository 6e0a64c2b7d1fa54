"""Everything in a configuration that names something else, and what of it is not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.config.files import ConfigFile
from pytest_llmroute.config.keys import BACKENDS
from pytest_llmroute.core.attempts import OWN
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.core.templates import OFFERED, PARTS, Template
from pytest_llmroute.errors import UnknownName, UserError, nearest, printable

At = tuple[str | int, ...]
CELLS = ("default", "small", "large")
"""What else a profile may override: the cell of all other tasks, and the two models of a ladder."""
NO_MODEL = '[models."{}"] with its backend declares it; llmroute models list shows what is known'
NO_TEMPLATE = "one that is built in, [templates.{}] with its text, or one that the hook llmroute_templates brings"
NO_BACKEND = f"one of {', '.join(BACKENDS)}, or one that the hook llmroute_backends brings"


def wrong_names(
    file: ConfigFile,
    catalog: Catalog,
    *,
    models: Collection[str],
    strategies: Collection[str],
    backends: Collection[str],
    templates: Collection[str],
) -> list[UserError]:
    """What the file names and nobody has; `catalog` is made of it, the rest is what extensions bring."""
    return list(_References(file, catalog, models, strategies, backends, templates).errors())


class _References:
    """Everything in a file that names something else."""

    def __init__(
        self, file: ConfigFile, catalog: Catalog, models: Collection[str], strategies: Collection[str],
        backends: Collection[str], templates: Collection[str],
    ) -> None:  # fmt: skip
        self._file, self._table = file, file.table
        self._models = {*catalog.models, *catalog.aliases, *models}
        self._strategies = {*catalog.tables, *strategies}
        self._backends = {*BACKENDS, *backends}
        self._templates = {*catalog.template_types, *templates}
        self._phases, self._agents = catalog.phases, catalog.agent_spellings
        self._catalog = catalog

    def errors(self) -> Iterator[UserError]:
        table = self._table
        for name, data in table.get("models", {}).items():
            at: At = ("models", name)
            yield from self._in(data.get("phases", {}), "phase", self._phases, (*at, "phases"))
            yield from self._template(data.get("template"), self._templates, (*at, "template"))
            if (backend := data.get("backend")) is not None and backend not in self._backends:
                yield _undeclared("backend", backend, self._backends, self._where((*at, "backend")), NO_BACKEND)
        for name, data in table.get("agents", {}).items():
            yield from self._model(data.get("model"), ("agents", name, "model"))
        for name, data in table.get("profiles", {}).items():
            yield from self._profile(name, data)
        for name, data in table.get("strategies", {}).items():
            yield from self._strategy(name, data)
        for name, data in table.get("templates", {}).items():
            for key, kind, known in (("models", "model", self._models), ("tasks", "task", self._catalog.tasks)):
                for place, named in enumerate(data.get(key, ())):
                    yield from self._in([named], kind, known, ("templates", name, key, place), exact=True)
            if (whole := self._catalog.templates.get(name)) is not None:
                yield from unfilled(whole, self._where(("templates", name)))

    def _profile(self, name: str, data: Mapping[str, Any]) -> Iterator[UserError]:
        at: At = ("profiles", name)
        for role, model in data.get("roles", {}).items():
            yield from self._in([model], "model", self._models, (*at, "roles", role), exact=True)
        for agent, own in data.get("agents", {}).items():
            yield from self._model(own.get("model"), (*at, "agents", agent, "model"))
        for cell, use in data.get("overrides", {}).items():
            strategy, _, task = cell.partition(".")
            place = (*at, "overrides", cell)
            yield from self._in([strategy], "strategy", self._strategies, place, exact=True)
            yield from self._in([task], "task", (*self._catalog.tasks, *CELLS), place, exact=True)
            yield from self._model(use, place)

    def _strategy(self, name: str, data: Mapping[str, Any]) -> Iterator[UserError]:
        at: At = ("strategies", name)
        yield from self._in(data.get("tasks", {}), "task", self._catalog.tasks, (*at, "tasks"))
        for task, use in data.get("tasks", {}).items():
            yield from self._model(use, (*at, "tasks", task))
        for key in ("default", "small", "large", "judge"):
            yield from self._model(data.get(key), (*at, key))
        for place, template in enumerate(data.get("formulations", ())):
            yield from self._template(template, {OWN, *self._templates}, (*at, "formulations", place))
        for place, use in enumerate(data.get("fallback", ())):
            yield from self._model(use, (*at, "fallback", place))
        for place, rule in enumerate(data.get("rules", ())):
            here = (*at, "rules", place)
            yield from self._model(rule["use"], (*here, "use"))
            for key, known in (("agent", self._agents), ("phase", self._phases), ("task", self._catalog.tasks)):
                named = rule.get(key, ())
                names = [named] if isinstance(named, str) else named
                yield from self._in(names, key, known, (*here, key), exact=True)

    def _where(self, at: At) -> str:
        return f"{self._file.place(at)}: {'.'.join(map(str, at))}"

    def _model(self, name: Any, at: At) -> Iterator[UserError]:
        """A role or a model."""
        if name is not None and name not in ROLES:
            yield from self._in([name], "role or model", {*ROLES, *self._models}, at, exact=True)

    def _template(self, name: str | None, known: Collection[str], at: At) -> Iterator[UserError]:
        if name is not None and name not in known:
            fix = NO_TEMPLATE.format(printable(name, 80))
            yield _undeclared("template", name, known, self._where(at), fix)

    def _in(self, names: Any, kind: str, known: Collection[str], at: At, *, exact: bool = False) -> Iterator[UserError]:
        for name in names:
            if name in known or (kind == "agent" and _folded(name) in {_folded(k) for k in known}):
                continue
            place = at if exact else (*at, name)
            where = self._where(place)
            if "model" in kind:
                yield _undeclared(kind, name, known, where, NO_MODEL.format(printable(name, 80)))
            else:
                fix = f'task_names = ["{printable(name, 60)}"] declares a task of your own' if kind == "task" else ""
                yield UnknownName(kind, name, known, where=where, code=Code.CONFIG_REFERENCE, fix=fix)


def unfilled(template: Template, where: str) -> Iterator[UserError]:
    """Its placeholders that nothing fills in."""
    for name in sorted(template.names - template.known):
        near = nearest(name, template.known)
        yield UserError(
            f"{where}: nothing fills in {{{name}}}" + (f' (did you mean "{near}"?)' if near else ""),
            code=Code.TEMPLATE,
            means=f"a call fills in {', '.join(OFFERED)}, and of the task its parts: {', '.join(PARTS)}",
            fix=f'parts = ["{name}"] declares a part of your own; {{{{{name}}}}} are the braces themselves',
        )


class Undeclared(UserError):
    """A model or backend that nobody has declared so far: a conftest.py may yet bring it."""


def _undeclared(kind: str, name: str, known: Collection[str], where: str, fix: str) -> Undeclared:
    near = nearest(name, known)
    return Undeclared(
        f'{where}: no {kind} "{printable(name, 80)}"' + (f' (did you mean "{near}"?)' if near else ""),
        code=Code.CONFIG_REFERENCE,
        fix=fix,
    )


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()
