"""Texts of templates that lie in files beside the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.files import ConfigFile, text_of
from pytest_llmroute.errors import UserError

LONGEST = 200_000
"""Characters; a longer file is no prompt."""


def with_texts(file: ConfigFile) -> tuple[ConfigFile, list[UserError]]:
    """The configuration with the files of its templates read, and what can't be read."""
    templates = file.table.get("templates", {})
    if not isinstance(templates, Mapping) or not any("file" in entry for entry in templates.values()):
        return file, []
    errors: list[UserError] = []
    read = {name: _read(file, name, entry, errors) if "file" in entry else entry for name, entry in templates.items()}
    return replace(file, table={**file.table, "templates": read}), errors


def _read(file: ConfigFile, name: str, entry: Mapping[str, Any], errors: list[UserError]) -> dict[str, Any]:
    at = ("templates", name, "file")
    where = f"{file.place(at)}: {'.'.join(at)}"
    rest = {key: value for key, value in entry.items() if key != "file"}
    if "text" in entry:
        errors.append(
            UserError(f"{where}: the template has a text already; one of them is enough", code=Code.CONFIG_VALUE)
        )
        return rest
    try:
        text = text_of(file.path.parent / entry["file"], entry["file"])
    except UserError as error:
        errors.append(UserError(f"{where}: {error.what}", code=Code.CONFIG_FILE, fix=error.fix))
        return {**rest, "text": ""}
    if len(text) > LONGEST or not text.strip():
        what = "is empty" if not text.strip() else f"has {len(text):,} characters: that is no prompt"
        errors.append(UserError(f"{where}: {entry['file']} {what}", code=Code.CONFIG_VALUE))
    return {**rest, "text": text.rstrip("\n")}
