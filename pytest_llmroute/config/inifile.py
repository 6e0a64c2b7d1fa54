"""pytest's ini keys as pytest would find them in a folder, for programs that are not pytest."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_llmroute.config.options import Option
from pytest_llmroute.config.resolve import Given

INI = (("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))


def ini_reader(root: Path) -> Given:
    """Looks options up in the first file that pytest would take; a broken file is pytest's to complain about."""
    values = _values(root)

    def given(option: Option) -> Any:
        value = values.get(option.ini)
        if option.kind == "paths" and isinstance(value, str):
            return [part for part in value.splitlines() if part.strip()]
        return value

    return given


def _values(root: Path) -> Mapping[str, Any]:
    for name in ("pytest.toml", ".pytest.toml"):
        if (found := _toml(root / name, ("pytest",))) is not None:
            return found
    for name, section in INI[:2]:
        if (found := _ini(root / name, section)) is not None:
            return found
    for way in (("tool", "pytest"), ("tool", "pytest", "ini_options")):
        found = _toml(root / "pyproject.toml", way)
        if found is not None and (way[-1] == "ini_options" or "ini_options" not in found):
            return found
    for name, section in INI[2:]:
        if (found := _ini(root / name, section)) is not None:
            return found
    return {}


def _toml(path: Path, way: tuple[str, ...]) -> Mapping[str, Any] | None:
    try:
        node: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    for key in way:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None


def _ini(path: Path, section: str) -> Mapping[str, Any] | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        return None
    if not parser.has_section(section):
        return {} if path.name in ("pytest.ini", ".pytest.ini") else None
    return dict(parser.items(section))
