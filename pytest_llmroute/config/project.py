"""The configuration of a project, read and checked: what pytest, the command line and the faces all start from."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import Catalog, Tables, build_catalog, builtin_catalog, builtin_tables
from pytest_llmroute.config.files import ConfigFile, find_project_file, read_config, user_file_path
from pytest_llmroute.config.keys import BACKENDS
from pytest_llmroute.config.merge import merge
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.core.redact import looks_secret, masked
from pytest_llmroute.errors import UnknownName, UserError, nearest, one, printable

At = tuple[str | int, ...]
NO_MODEL = '[models."{}"] with its backend declares it; llmroute models list shows what is known'
NO_BACKEND = f"one of {', '.join(BACKENDS)}, or one that the hook llmroute_backends brings"


@dataclass(frozen=True)
class Project:
    """The files that were found, and the tables that come out of them."""

    root: Path
    file: ConfigFile | None = None
    user: ConfigFile | None = None
    tables: Tables = field(default_factory=builtin_tables)

    @cached_property
    def catalog(self) -> Catalog:
        if self.file is None:
            return builtin_catalog()
        return build_catalog(self.tables, tuple(self.file.table.get("task_names", ())))

    def check_names(
        self, models: Collection[str] = (), strategies: Collection[str] = (), backends: Collection[str] = ()
    ) -> list[UserError]:
        """What the file names and nobody has; the arguments are what extensions bring."""
        return list(_References(self, models, strategies, backends).errors()) if self.file is not None else []


def load_project(root: Path, env: Mapping[str, str], named: str | None = None) -> Project:
    """Reads and checks the files; all mistakes of both are raised together."""
    errors: list[UserError] = []
    file = _read(lambda: find_project_file(root, named), errors)
    user = _read(lambda: _user_file(env), errors)
    tables: Tables = builtin_tables()
    if user is not None:
        errors += [error for _, error in _broken(user, is_user=True)]
    if file is not None:
        broken = _broken(file, is_user=False)
        rest = _without(file, [at for at, _ in broken])
        tables, wrong = merge(builtin_tables(), rest)
        if errors or broken or wrong:
            # What else can be known now; names that only an extension knows are judged later.
            names = [file.table.get(key) for key in ("models", "strategies")]
            models, strategies = [list(each) if isinstance(each, Mapping) else [] for each in names]
            found = Project(root, rest, None, tables).check_names(models, strategies)
            wrong += [error for error in found if _sure(error)]
        errors += [error for _, error in broken] + wrong
    if errors:
        raise one(errors)
    return Project(root, file, user, tables)


def _without(file: ConfigFile, places: list[At]) -> ConfigFile:
    """The file without the entries that are broken, so that the others can be judged too."""
    table = dict(file.table)
    for at in places:
        section = table.get(str(at[0])) if at else None
        if len(at) > 1 and isinstance(section, Mapping):
            table[str(at[0])] = {name: entry for name, entry in section.items() if name != at[1]}
        elif at:
            table.pop(str(at[0]), None)
        else:
            table = {}
    return replace(file, table=table)


def _sure(error: UserError) -> bool:
    return "did you mean" in error.what or not isinstance(error, Undeclared)


def _read(read: Any, errors: list[UserError]) -> ConfigFile | None:
    try:
        found: ConfigFile | None = read()
    except UserError as error:
        errors.append(error)
        return None
    return found


def _user_file(env: Mapping[str, str]) -> ConfigFile | None:
    path = user_file_path(env)
    return read_config(path, str(path)) if path is not None and path.is_file() else None


def _broken(file: ConfigFile, *, is_user: bool) -> list[tuple[At, UserError]]:
    """Every mistake of form, with its place."""
    from pytest_llmroute.config.schema import published
    from pytest_llmroute.config.sentences import mistakes

    schema = published("config")
    if is_user:
        machine = schema["properties"]["machine"]
        schema = {**schema, "properties": {"$schema": {"type": "string"}, "machine": machine}}
    errors: list[tuple[At, UserError]] = []
    found = mistakes(_plain(file.table), schema)
    for at, what, unknown in sorted(found, key=lambda each: file.lines.of((*file.prefix, *each[0])) or 0):
        where = f"{file.place(at)}: {'.'.join(map(str, at))}" if at else file.shown
        if is_user and unknown and len(at) == 1:
            error = UserError(
                f"{where}: the user file holds machine facts only, in [machine]",
                code=Code.USER_FILE,
                means="else a repository would behave differently for everybody",
                fix="move it into the project's llmroute.toml",
            )
        else:
            error = UserError(f"{where}: {masked(what)}", code=Code.CONFIG_KEY if unknown else Code.CONFIG_VALUE)
        errors.append((at, error))
    return errors + list(_secrets(file, file.table, ()))


def _plain(value: Any, depth: int = 0) -> Any:
    """TOML's dates, and what is no number, as texts, so that a schema can judge them."""
    if isinstance(value, Mapping):
        return {key: _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    sound = isinstance(value, str | int | bool) or (isinstance(value, float) and math.isfinite(value))
    return value if sound else str(value)


def _secrets(file: ConfigFile, value: Any, at: At) -> Iterator[tuple[At, UserError]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(file, inner, (*at, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _secrets(file, inner, (*at, place))
    elif isinstance(value, str) and (looks_secret(value) or _has_password(value)):
        yield (
            at,
            UserError(
                f"{file.place(at)}: {'.'.join(map(str, at))}: a secret stands in the file",
                code=Code.SECRET,
                means="files are shared and kept; the value is not shown here",
                fix='export it, and name the variable: api_key_env = "MY_API_KEY"',
            ),
        )


def _has_password(value: str) -> bool:
    return re.match(r"[a-z+]+://[^/@:\s]*:[^/@$\s][^/@\s]*@", value) is not None


class _References:
    """Everything in a file that names something else."""

    def __init__(
        self, project: Project, models: Collection[str], strategies: Collection[str], backends: Collection[str]
    ) -> None:
        assert project.file is not None
        self._file, catalog = project.file, project.catalog
        self._table = project.file.table
        self._models = {*catalog.models, *catalog.aliases, *models}
        self._strategies = {*catalog.tables, *strategies}
        self._backends = {*BACKENDS, *backends}
        self._phases, self._agents = catalog.phases, catalog.agent_spellings
        self._catalog = catalog

    def errors(self) -> Iterator[UserError]:
        table = self._table
        for name, data in table.get("models", {}).items():
            at: At = ("models", name)
            yield from self._in(data.get("phases", {}), "phase", self._phases, (*at, "phases"))
            if (backend := data.get("backend")) is not None and backend not in self._backends:
                yield _undeclared("backend", backend, self._backends, self._where((*at, "backend")), NO_BACKEND)
        for name, data in table.get("agents", {}).items():
            yield from self._model(data.get("model"), ("agents", name, "model"))
        for name, data in table.get("profiles", {}).items():
            yield from self._profile(name, data)
        for name, data in table.get("strategies", {}).items():
            yield from self._strategy(name, data)
        for name, data in table.get("templates", {}).items():
            for place, model in enumerate(data.get("models", ())):
                at = ("templates", name, "models", place)
                yield from self._in([model], "model", self._models, at, exact=True)

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
            yield from self._in([task], "task", (*self._catalog.tasks, "default"), place, exact=True)
            yield from self._model(use, place)

    def _strategy(self, name: str, data: Mapping[str, Any]) -> Iterator[UserError]:
        at: At = ("strategies", name)
        yield from self._in(data.get("tasks", {}), "task", self._catalog.tasks, (*at, "tasks"))
        for task, use in data.get("tasks", {}).items():
            yield from self._model(use, (*at, "tasks", task))
        yield from self._model(data.get("default"), (*at, "default"))
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
