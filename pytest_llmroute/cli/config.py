"""`llmroute config`: show, validate, path, schema, reference."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, root_of
from pytest_llmroute.config import files, reference
from pytest_llmroute.config.keys import SECTIONS
from pytest_llmroute.config.options import BY_NAME, OPTIONS
from pytest_llmroute.config.resolve import Level
from pytest_llmroute.config.schema import as_text, published
from pytest_llmroute.config.situation import Situation
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.engine.setup import catalog_of, check_names, strategies_of
from pytest_llmroute.errors import UnknownName, UserError, nearest, one
from pytest_llmroute.extensions import Extensions

VARIABLES = {"VIBEAGENT_MODEL_DEFAULT", "VIBEAGENT_MODEL_MAX_TOKENS", "LLMROUTE_VENV"}
PREFIXES = ("LLMROUTE_", "VIBEAGENT_MODEL_")


def show(ctx: click.Context, origin: bool, everything: bool, as_json: bool) -> None:
    """Every value in force, as pytest would find it here."""
    found = found_by(ctx)
    redact = Redactor(found.env)
    options = [
        (option.name, found.settings[option.name], found.settings.origin(option.name))
        for option in OPTIONS
        if everything or found.settings.level(option.name) is not Level.BUILT_IN or option.name in ("profile", "store")
    ]
    entries = list(_entries(found))
    if as_json:
        output.data(
            {
                "root": str(found.project.root),
                "options": [{"name": n, "value": _plain(v), "origin": o} for n, v, o in options],
                "entries": [{"key": ".".join(k), "value": _plain(v), "origin": o} for k, v, o in entries],
            },
            "llmroute.config/1",
        )
        return
    rows = [(name, value, where) for name, value, where in options]
    rows += [(".".join(key), value, where) for key, value, where in entries]
    shown = [(name, redact(_text(value)), where) for name, value, where in rows]
    if origin:
        output.table(("key", "origin", "value"), [(key, where, value) for key, value, where in shown], cut_last=True)
    else:
        output.table(("key", "value"), [row[:2] for row in shown], cut_last=True)


def _entries(found: Situation) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """The file's own entries, leaf by leaf."""
    file = found.project.file
    if file is None:
        return
    names = {section.name for section in SECTIONS} | {"task_names"}

    def walk(value: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, str]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from walk(inner, (*at, key))
        else:
            yield at, value, file.place(at)

    for name, value in file.table.items():
        if name in names:
            yield from walk(value, (name,))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple | list):
        return ", ".join(map(_text, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)


def validate(ctx: click.Context, as_json: bool) -> None:
    """Check the files, the environment and every name in them; all mistakes at once."""
    errors, warnings, shown = _judge(ctx)
    if as_json:
        output.data(
            {
                "valid": not errors,
                "errors": [{"code": e.code.number if e.code else "", "what": e.what, "fix": e.fix} for e in errors],
                "warnings": warnings,
            },
            "llmroute.validation/1",
        )
        if errors:
            ctx.exit(2)
        return
    for warning in warnings:
        output.note(f"llmroute: {warning}")
    if errors:
        raise one(errors)
    output.line(f"{output.mark('ok')} {shown or 'no configuration file: built-in values only'}")


def _judge(ctx: click.Context) -> tuple[list[UserError], list[str], str]:
    try:
        found = found_by(ctx)
    except UserError as error:
        return list(getattr(error, "errors", (error,))), _unread(os.environ), ""
    errors: list[UserError] = []
    try:
        extensions = Extensions()
        errors += check_names(found.project, extensions)
        catalog, strategies = catalog_of(found.project, extensions), strategies_of(found.project, extensions)
        settings = found.settings
        for name in settings["strategy"] or ():
            if name not in strategies:
                errors.append(UnknownName("strategy", name, strategies, where=settings.origin("strategy")))
        for option, look_up in (("model", catalog.model), ("phase", catalog.phase)):
            for name in settings[option] or ():
                errors += _mistake(look_up, name, settings.origin(option))
        errors += _mistake(catalog.profile, settings["profile"], settings.origin("profile"))
    except UserError as error:
        errors.append(error)
    read = [file.shown for file in (found.project.file, found.project.user) if file is not None]
    return errors, _unread(found.env), ", ".join(read)


def _mistake(look_up: Any, name: str, where: str) -> list[UserError]:
    try:
        look_up(name, where)
    except UserError as error:
        return [error]
    return []


def _unread(env: Mapping[str, str]) -> list[str]:
    """Variables of our own prefixes that nothing reads; looked for only when somebody asks for a check."""
    known = {name for option in OPTIONS for name in option.env} | VARIABLES
    warnings = []
    for name in sorted(env):
        if not name.startswith(PREFIXES) or name in known or name.startswith("VIBEAGENT_MODEL_TEMPERATURE_"):
            continue
        near = nearest(name, known)
        warnings.append(f"nothing reads the variable {name}" + (f" (did you mean {near}?)" if near else ""))
    return warnings


def path(ctx: click.Context, as_json: bool) -> None:
    """Which files are looked for, and which are read."""
    root = root_of(ctx)
    named = os.environ.get(BY_NAME["config"].env[0])
    user = files.user_file_path(os.environ)
    read = files.find_project_file(root, named)
    places = [Path(named)] if named else [root / files.NAME, root / files.PYPROJECT]
    rows = [("project", place) for place in places]
    rows += [("user", user)] if user else []
    listed = [
        {"kind": kind, "path": str(where), "exists": where.is_file(),
         "read": bool(read and read.path == where) or (kind == "user" and where.is_file())}
        for kind, where in rows
    ]  # fmt: skip
    if as_json:
        output.data({"root": str(root), "files": listed}, "llmroute.paths/1")
        return
    for each in listed:
        state = "read" if each["read"] else "nothing for us in it" if each["exists"] else "not there"
        output.line(f"{each['kind']:<8} {each['path']}  ({state})")


def schema(ctx: click.Context, name: str, target: str | None) -> None:
    """Print a JSON Schema: config, cards, tasks, run (--llm-json), exports (--json of this command)."""
    text = as_text(published(name))
    if target is None:
        output.line(text.rstrip("\n"))
        return
    Path(target).write_text(text, encoding="utf-8")
    output.note(f"wrote {target}")


def reference_page(ctx: click.Context) -> None:
    """Print every option and key with its meaning, as Markdown."""
    output.line(reference.page().rstrip("\n"))
