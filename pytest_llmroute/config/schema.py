"""The published JSON Schemas, and the making of those that follow from the tables of options and keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from pytest_llmroute.config import keys
from pytest_llmroute.config.options import OPTIONS, Option

PUBLISHED = ("config", "cards", "tasks", "baseline", "recording", "run", "exports")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def published(name: str) -> dict[str, Any]:
    """A schema as it is in the package."""
    path = resources.files("pytest_llmroute.config") / "schemas" / f"{name}.schema.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def as_text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def made() -> dict[str, dict[str, Any]]:
    """The schemas that are made from the tables; a test holds the published ones against them."""
    return {"config": config_schema(), "cards": cards_schema()}


def config_schema() -> dict[str, Any]:
    """`llmroute.toml`, or `[tool.llmroute]` of `pyproject.toml`."""
    properties: dict[str, Any] = {"$schema": {"type": "string"}}
    for option in OPTIONS:
        if option.file:
            place, _, key = option.file.rpartition(".")
            target = properties
            if place:
                target = properties.setdefault(
                    place, {"type": "object", "additionalProperties": False, "properties": {}}
                )["properties"]
            bounds = f" (from {option.least:g} to {option.most:g})" if option.kind == "number" else ""
            target[key] = {**_of(option), "description": option.help + bounds}
    properties[keys.TASK_NAMES.name] = {**keys.TASK_NAMES.schema, "description": keys.TASK_NAMES.help}
    properties |= {section.name: dict(section.schema) for section in keys.SECTIONS}
    return {
        "$schema": DIALECT,
        "$id": "urn:pytest-llmroute:config:1",
        "title": "configuration of pytest-llmroute",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def cards_schema() -> dict[str, Any]:
    """Model cards on their own: name → card."""
    models = next(section for section in keys.SECTIONS if section.name == "models")
    return {
        "$schema": DIALECT,
        "$id": "urn:pytest-llmroute:cards:1",
        "title": "model cards of pytest-llmroute",
        **models.schema,
    }


def _of(option: Option) -> dict[str, Any]:
    """What the file may hold for an option: the natural type of TOML, as strict as the option."""
    names = {"type": ["string", "array"], "items": keys.NAME, "minItems": 1, "minLength": 1}
    kinds: dict[str, Mapping[str, Any]] = {
        "names": names,
        "name": keys.NAME,
        "path": keys.NAME,
        "text": keys.NAME,
        "size": {"type": ["string", "number"], "minLength": 1, "exclusiveMinimum": 0},
        "paths": {"type": "array", "items": keys.NAME},
        "slots": {"type": ["integer", "string"], "minimum": 1, "maximum": 1000, "pattern": "^(auto|[0-9]+)$"},
        "lines": {"type": "array", "items": keys.TEXT},
        "count": _count(option.choices),
        "number": {"type": "number", "minimum": option.least, "maximum": option.most},
        "budget": keys.NAME,
        "flag": keys.FLAG,
        "choice": {"type": "string", "enum": list(option.choices)},
        "mapping": {"type": "object", "additionalProperties": keys.NAME},
        "weights": {
            "type": "object", "additionalProperties": False, "minProperties": 1,
            "properties": dict.fromkeys(option.choices, keys.WEIGHT),
        },
    }  # fmt: skip
    return dict(kinds[option.kind])


def _count(words: tuple[str, ...]) -> dict[str, Any]:
    """A number, or one of some words."""
    number = {"type": "integer", "minimum": 1, "maximum": 1000}
    return {**number, "type": ["integer", "string"], "pattern": f"^({'|'.join(words)})$"} if words else number
