"""The configuration of a project, read and checked: what pytest, the command line and the faces all start from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import Catalog, Tables, build_catalog, builtin_catalog, builtin_tables
from pytest_llmroute.config.files import ConfigFile, find_project_file, read_config, user_file_path
from pytest_llmroute.config.merge import merge
from pytest_llmroute.config.references import Undeclared, wrong_names
from pytest_llmroute.config.texts import with_texts
from pytest_llmroute.core.redact import looks_secret, masked
from pytest_llmroute.errors import UserError, one

At = tuple[str | int, ...]


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
        self, models: Collection[str] = (), strategies: Collection[str] = (), backends: Collection[str] = (),
        templates: Collection[str] = (),
    ) -> list[UserError]:  # fmt: skip
        """What the file names and nobody has; the arguments are what extensions bring."""
        if self.file is None:
            return []
        return wrong_names(
            self.file, self.catalog, models=models, strategies=strategies, backends=backends, templates=templates
        )


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
        rest, unread = with_texts(_without(file, [at for at, _ in broken]))
        errors += unread
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
    found = mistakes(file.table, schema)
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
