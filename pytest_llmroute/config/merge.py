"""A file's entries laid over the built-in ones: a known name changes that entry, a new one may extend another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import FILES, Tables, is_ladder
from pytest_llmroute.config.files import ConfigFile
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.errors import UnknownName, UserError

SOURCED = ("expected", "price")
NEEDED = {
    "models": ("backend",),
    "phases": ("temperature", "max_tokens"),
    "agents": ("model",),
    "templates": ("text",),
}
OF_TABLES = ("default", "tasks", "rules", "fallback", "canned")
"""Keys that a ladder has not."""
Entry = Mapping[str, Any]


def merge(base: Tables, file: ConfigFile) -> tuple[dict[str, dict[str, Any]], list[UserError]]:
    """All sections, and what keeps single entries from being whole."""
    errors: list[UserError] = []
    merged = {section: _section(section, base[section], file.table.get(section, {}), file, errors) for section in FILES}
    for section, keys in NEEDED.items():
        for name in file.table.get(section, {}):
            if missing := [key for key in keys if key not in merged[section][name]]:
                merged[section].pop(name)
                if not any(f".{name}.extends" in error.what for error in errors):
                    errors.append(_error(file, (section, name), f"{' and '.join(missing)} missing"))
    _strategies(merged["strategies"], file, errors)
    _agents_everywhere(merged, file.table)
    for name in file.table.get("profiles", {}):
        if missing := [role for role in ROLES if role not in merged["profiles"][name].get("roles", {})]:
            merged["profiles"].pop(name)
            fix = 'add them under roles, or extends = "ollama" to start from another profile'
            errors.append(_error(file, ("profiles", name), f"no model for the roles {', '.join(missing)}", fix=fix))
    return merged, errors


def _strategies(merged: dict[str, Any], file: ConfigFile, errors: list[UserError]) -> None:
    """Each is a table of tasks, or a ladder; what is neither whole nor one of both is taken out."""
    for name in file.table.get("strategies", {}):
        ladder = is_ladder(merged[name])
        missing = [key for key in (("small", "large") if ladder else ("default",)) if key not in merged[name]]
        mixed = [key for key in OF_TABLES if ladder and key in merged[name]]
        if not (missing or mixed):
            continue
        del merged[name]
        if mixed:
            own = [key for key in mixed if key in file.table["strategies"][name]]
            at = ("strategies", name, *own[:1])
            fix = 'extends = "branching" without it; or a table of tasks without small, large and their settings'
            errors.append(_error(file, at, f"a ladder (small, then large) has no {mixed[0]}", fix=fix))
        elif not any(f".{name}.extends" in error.what for error in errors):
            errors.append(_error(file, ("strategies", name), f"{' and '.join(missing)} missing"))


def _section(section: str, base: Entry, own: Entry, file: ConfigFile, errors: list[UserError]) -> dict[str, Any]:
    done: dict[str, Any] = dict(base)

    def entry(name: str, way: tuple[str, ...]) -> Entry:
        data = own[name]
        parent = _canonical(section, base, own, data.get("extends"))
        start: Entry = base.get(name, {})
        if parent is not None and parent != name:
            if parent in way:
                circle = " → ".join([*way[way.index(parent) :], parent])
                errors.append(_error(file, (section, name, "extends"), f"entries extend each other: {circle}"))
            elif parent in own:
                start = entry(parent, (*way, parent))
            elif parent in base:
                start = base[parent]
            else:
                place = _where(file, (section, name, "extends"))
                kind = section.rstrip("s") if section != "strategies" else "strategy table"
                errors.append(UnknownName(kind, parent, [*base, *own], where=place, code=Code.CONFIG_REFERENCE))
        if parent is not None and section == "models":
            # Another card's names stay its own; what the server calls it is the same model.
            start = {"id": parent, **{key: value for key, value in start.items() if key != "aliases"}}
        elif parent is not None and section == "templates":
            # Whom it is for, and what it is asked for by, is its own.
            start = {key: value for key, value in start.items() if key not in ("type", "models", "families", "tasks")}
        elif parent is not None and section == "strategies" and "rules" in data and "rules" in start:
            data = {**data, "rules": [*data["rules"], *start["rules"]]}
        if section == "strategies":
            data = {**data, **_cells(name, parent, start, data, base)}
        return _over(start, _sourced(data, file.shown))

    for name in own:
        done[name] = {key: value for key, value in entry(name, (name,)).items() if key != "extends"}
    return done


def _cells(name: str, parent: str | None, start: Entry, data: Entry, base: Entry) -> dict[str, Any]:
    """Under which names profiles override the models of a ladder: those of what it extends, where it has no own."""
    if not is_ladder({**start, **data}):
        return {}
    own = "" if name in base else f"{name}."
    before = start.get("cells", {}) or {key: f"{parent or name}.{key}" for key in ("small", "large")}
    return {"cells": {key: (own and own + key) if key in data else before[key] for key in ("small", "large")}}


def _canonical(section: str, base: Entry, own: Entry, parent: str | None) -> str | None:
    """A card may be extended by any of its names."""
    if section != "models" or parent is None or parent in own or parent in base:
        return parent
    return next((name for name, card in base.items() if parent in card.get("aliases", ())), parent)


def _agents_everywhere(merged: dict[str, dict[str, Any]], table: Entry) -> None:
    """`[agents.x]` holds in every profile, except where the file says otherwise for one of them."""
    own = table.get("agents", {})
    profiles = table.get("profiles", {})
    for name, profile in merged["profiles"].items():
        agents = {**merged["agents"], **profile.get("agents", {})}
        for agent, data in own.items():
            if agent not in merged["agents"]:
                continue
            special = profiles.get(name, {}).get("agents", {}).get(agent, {})
            agents[agent] = _over(_over(agents.get(agent, {}), data), special)
        merged["profiles"][name] = {**profile, "agents": agents}


def _over(lower: Entry, upper: Entry) -> dict[str, Any]:
    """`upper` over `lower`; tables are merged, everything else is replaced."""
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        whole = key in ("price", "context", "max_output")
        result[key] = (
            _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) and not whole else value
        )
    return result


def _sourced(data: Entry, shown: str) -> dict[str, Any]:
    """Figures of the file that name no source have the file as theirs."""
    return {
        key: {"source": shown, "date": "", **value} if key in SOURCED and isinstance(value, Mapping) else value
        for key, value in data.items()
    }


def _where(file: ConfigFile, at: tuple[str | int, ...]) -> str:
    return f"{file.place(at)}: {'.'.join(map(str, at))}"


def _error(file: ConfigFile, at: tuple[str | int, ...], what: str, *, fix: str = "") -> UserError:
    return UserError(f"{_where(file, at)}: {what}", code=Code.CONFIG_REFERENCE, fix=fix)
