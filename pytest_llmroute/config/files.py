"""Finding and reading the configuration files of a project and of a user."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.lines import Lines
from pytest_llmroute.errors import UserError

NAME = "llmroute.toml"
PYPROJECT = "pyproject.toml"
BIGGEST = 5_000_000
"""Bytes; a larger file is no configuration."""


@dataclass(frozen=True)
class ConfigFile:
    """One file with the table that is ours in it."""

    path: Path
    shown: str
    """The path as messages give it."""
    table: Mapping[str, Any]
    prefix: tuple[str, ...] = ()
    """Where our table stands in the file."""
    text: str = ""

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text)

    def place(self, at: tuple[str | int, ...]) -> str:
        """`llmroute.toml:12` for a key of our table."""
        line = self.lines.of((*self.prefix, *at))
        return f"{self.shown}:{line}" if line else self.shown


def project_root(start: Path) -> Path:
    """The nearest folder from `start` upwards, within its repository, that has our configuration; else `start`."""
    for folder in (start, *start.parents):
        if (folder / NAME).is_file() or _mentions_us(folder / PYPROJECT):
            return folder
        if (folder / ".git").exists():
            break
    return start


def find_project_file(root: Path, named: str | None = None) -> ConfigFile | None:
    """The project's configuration: the named file, `llmroute.toml`, or `[tool.llmroute]`; never two."""
    if named:
        path = Path(named) if Path(named).is_absolute() else root / named
        if not path.is_file():
            raise UserError(
                f"the configuration file {named} is not there",
                code=Code.CONFIG_FILE,
                fix="unset LLMROUTE_CONFIG and the ini key llm_config, or name a file that exists",
            )
        return _from_pyproject(path, named) if path.name == PYPROJECT else read_config(path, named)
    own = root / NAME
    inside = _from_pyproject(root / PYPROJECT, PYPROJECT) if _mentions_us(root / PYPROJECT) else None
    if not own.is_file():
        return inside
    if inside is not None:
        raise UserError(
            f"two configurations: {NAME} and [tool.llmroute] in {inside.place(())}",
            code=Code.TWO_CONFIGS,
            means="neither is read: they could contradict each other in silence",
            fix=f"move all of it into {NAME}, and delete [tool.llmroute] from {PYPROJECT}",
            instead=f"LLMROUTE_CONFIG={NAME} reads that one only",
        )
    return read_config(own, NAME)


def user_file_path(env: Mapping[str, str]) -> Path | None:
    """The user's own file, for machine facts; None where there is no home."""
    base = env.get("XDG_CONFIG_HOME")
    if base:
        return Path(base) / "llmroute" / "config.toml"
    home = env.get("HOME") or env.get("USERPROFILE")
    return Path(home) / ".config" / "llmroute" / "config.toml" if home else None


def read_config(path: Path, shown: str) -> ConfigFile:
    """A file as data; what is no TOML is told with its line."""
    text = text_of(path, shown)
    return ConfigFile(path, shown, plain(_loads(text, shown)), text=text)


def _from_pyproject(path: Path, shown: str) -> ConfigFile | None:
    text = text_of(path, shown)
    tools = _loads(text, shown).get("tool")
    ours = tools.get("llmroute") if isinstance(tools, Mapping) else None
    if ours is None:
        return None
    if not isinstance(ours, Mapping):
        raise UserError(f"{shown}: tool.llmroute must be a table: [tool.llmroute]", code=Code.CONFIG_VALUE)
    return ConfigFile(path, shown, plain(ours), ("tool", "llmroute"), text)


def plain(value: Any) -> Any:
    """TOML's dates, and what is no number, as texts: that is how everybody after this judges them."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    sound = isinstance(value, str | int | bool) or (isinstance(value, float) and math.isfinite(value))
    return value if sound else str(value)


def _mentions_us(path: Path) -> bool:
    """A look that costs next to nothing, before anything is parsed."""
    try:
        return path.is_file() and "llmroute" in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def text_of(path: Path, shown: str) -> str:
    """A file of UTF-8, its line ends as ours; what it is not is told."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{shown} can't be read: {error.strerror}", code=Code.CONFIG_FILE) from None
    if len(data) > BIGGEST:
        raise UserError(f"{shown} has {len(data):,} bytes: that is no configuration", code=Code.CONFIG_FILE)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{shown}:{line}: not UTF-8 (byte 0x{data[error.start]:02x})",
            code=Code.CONFIG_FILE,
            fix="save the file as UTF-8",
        ) from None


def _loads(text: str, shown: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where, what = _place_of(str(error), text)
        raise UserError(
            f"{shown}:{where}: no TOML: {what}",
            code=Code.CONFIG_FILE,
            means="nothing of the file is used",
            fix="see https://toml.io for the form; texts stand in quotes",
        ) from None
    except RecursionError:
        raise UserError(f"{shown}: nested too deeply to be read", code=Code.CONFIG_FILE) from None


def _place_of(message: str, text: str) -> tuple[str, str]:
    """`… (at line 3, column 5)` as `3:5` and the rest."""
    what, _, place = message.rpartition(" (at ")
    if place.startswith("line "):
        line, _, column = place.rstrip(")").removeprefix("line ").partition(", column ")
        return f"{line}:{column}" if column else line, what
    return str(text.count("\n") + 1), what or message
