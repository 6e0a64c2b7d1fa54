"""Where an option's value comes from: command line, environment, ini, project file, user file, built in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from pytest_llmroute.codes import Code
from pytest_llmroute.config.files import ConfigFile
from pytest_llmroute.config.options import FALSE, OPTIONS, TRUE, Option
from pytest_llmroute.config.project import Project
from pytest_llmroute.core.budget import read_budget
from pytest_llmroute.errors import UserError, nearest, one, printable

DEFAULT_STRATEGY = "balanced"
GIGA = 1_000_000_000
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(gb|gib|mb|mib|g|m)?", re.IGNORECASE)
_UNITS = {"": GIGA, "g": GIGA, "gb": GIGA, "gib": 1 << 30, "m": 1_000_000, "mb": 1_000_000, "mib": 1 << 20}


class Level(IntEnum):
    """Who set a value; the nearest to the user wins."""

    COMMAND_LINE = 0
    ENVIRONMENT = 1
    INI = 2
    PROJECT = 3
    USER = 4
    BUILT_IN = 5


class Resolved(NamedTuple):
    """A value and the place that set it."""

    value: Any
    origin: str
    level: Level


@dataclass(frozen=True, slots=True)
class Settings:
    """All options of a session, each with its origin."""

    values: Mapping[str, Resolved]

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value

    def origin(self, name: str) -> str:
        return self.values[name].origin

    def level(self, name: str) -> Level:
        return self.values[name].level


Given = Callable[[Option], Any]
"""What a place holds for an option; None, empty text and empty list where it holds nothing."""


def nothing(_: Option) -> Any:
    """A place that holds nothing."""
    return None


def resolve(cli: Given, ini: Given, env: Mapping[str, str], project: Project) -> Settings:
    """Every option's value; all mistakes are raised together."""
    values: dict[str, Resolved] = {}
    errors: list[UserError] = []
    for option in OPTIONS:
        try:
            values[option.name] = resolve_one(option, cli, ini, env, project)
        except UserError as error:
            errors.append(error)
    if errors:
        raise one(errors)
    return Settings(values)


def resolve_one(option: Option, cli: Given, ini: Given, env: Mapping[str, str], project: Project | None) -> Resolved:
    """One option from the nearest place that holds it."""
    if option.command_line:
        given = cli(option)
        if given is not None and given is not False:
            return Resolved(parse(option, given, option.flag), option.flag, Level.COMMAND_LINE)
    for name in option.env:
        if env.get(name):
            return Resolved(parse(option, env[name], name), name, Level.ENVIRONMENT)
    if option.ini:
        given = ini(option)
        if given not in (None, "", [], False):
            return Resolved(parse(option, given, f"ini {option.ini}"), f"ini {option.ini}", Level.INI)
    if project is not None and option.file:
        for file, level in ((project.file, Level.PROJECT), (project.user, Level.USER)):
            if file is not None and (given := _in_file(file, option)) is not None:
                where = file.place(tuple(option.file.split(".")))
                return Resolved(parse(option, given, f"{where}: {option.file}"), where, level)
    return Resolved(option.default, "built in", Level.BUILT_IN)


def _in_file(file: ConfigFile, option: Option) -> Any:
    node: Any = file.table
    for key in option.file.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return None
        node = node[key]
    return node


def parse(option: Option, given: Any, where: str) -> Any:
    """The text of an option as its value; `where` names the place for the error."""
    if option.kind == "mapping":
        return dict(given)
    if option.kind == "weights":
        return _weights(option, given, where)
    if option.kind == "flag":
        return _flag(given, where)
    if option.kind == "count":
        return _count(given, where, option.choices)
    if option.kind == "number":
        return _number(option, given, where)
    if option.kind == "size":
        return _size(given, where)
    if option.kind == "names":
        return _names(given, where)
    if option.kind == "slots":
        return None if str(given).strip() == "auto" else _count(given, where)
    if option.kind == "lines":
        return tuple(_lines(given))
    if option.kind == "budget":
        return _budget(given, where)
    if option.kind == "paths":
        return tuple(given if isinstance(given, list) else str(given).split())
    text = str(given).strip()
    if not text:
        raise _bad(f"{where}: empty value", fix=f"{option.flag}={option.metavar}" if option.command_line else "")
    if option.kind == "choice" and text not in option.choices:
        near = nearest(text, option.choices)
        raise _bad(
            f'{where}: "{printable(text)}" is not one of {", ".join(option.choices)}'
            + (f' (did you mean "{near}"?)' if near else "")
        )
    return text


def _bad(what: str, *, fix: str = "") -> UserError:
    return UserError(what, code=Code.OPTION, fix=fix)


def _flag(given: Any, where: str) -> bool:
    if isinstance(given, bool):
        return given
    text = str(given).strip().lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise _bad(f'{where}: "{printable(text)}" is neither true nor false', fix="use 1 or 0")


def _weights(option: Option, given: Mapping[str, Any], where: str) -> dict[str, float]:
    """Names and kinds were checked by the schema; something must weigh something."""
    if not any(given.values()):
        raise _bad(f"{where}: nothing has a weight above 0", fix=f"{{ {option.choices[0]} = 1 }}")
    return {name: float(weight) for name, weight in given.items()}


def _count(given: Any, where: str, words: tuple[str, ...] = ()) -> int | str:
    text = str(given).strip()
    if text in words:
        return text
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1000):
        raise _bad(f'{where}: "{printable(text)}" is not {" or ".join(["a whole number from 1 to 1000", *words])}')
    return int(text)


def _number(option: Option, given: Any, where: str) -> float:
    try:
        value = float(str(given))
    except ValueError:
        value = float("nan")
    least, most = option.least or 0.0, float("inf") if option.most is None else option.most
    if not least <= value <= most:
        raise _bad(f'{where}: "{printable(str(given))}" is not a number from {least:g} to {most:g}')
    return value


def _size(given: Any, where: str) -> int:
    """Bytes from `6GB`, `6000MB`, or a number of gigabytes."""
    match = _SIZE.fullmatch(str(given).strip())
    if match is None or not float(match.group(1)):
        raise _bad(f'{where}: "{printable(str(given))}" is no size', fix="write it as 6GB or 6000MB")
    return int(float(match.group(1)) * _UNITS[(match.group(2) or "").lower()])


def _budget(given: Any, where: str) -> str:
    """In one spelling, for whoever reads what was set."""
    try:
        return str(read_budget(str(given).strip()))
    except ValueError as error:
        raise _bad(
            f"{where}: {printable(str(error))}",
            fix="'$2', '200000 tokens', '30 min', or several with commas; in quotes: a shell takes $2 for a variable",
        ) from None


def _lines(given: Any) -> list[str]:
    """Several texts: a list, or one text with a line or a semicolon between them."""
    texts = given if isinstance(given, list | tuple) else re.split(r"[;\n]", str(given))
    return [text for one in texts if (text := str(one).strip())]


def _names(given: Any, where: str) -> tuple[str, ...]:
    names = [str(name).strip() for name in (given if isinstance(given, list | tuple) else str(given).split(","))]
    if not all(names):
        shown = given if isinstance(given, str) else ", ".join(map(str, given))
        raise _bad(f'{where}: an empty name in "{printable(shown)}"', fix="separate names by single commas")
    return tuple(dict.fromkeys(names))


def environment_flag(env: Mapping[str, str], name: str) -> bool | None:
    """A true/false variable; None when unset or empty, an error when it is neither."""
    text = env.get(name, "").strip()
    return _flag(text, name) if text else None


def environment_number(env: Mapping[str, str], name: str, least: float, most: float) -> float | None:
    """A variable that holds a number; None when unset or empty, an error when it is none or out of range."""
    text = env.get(name, "").strip()
    if not text:
        return None
    option = Option(name, "number", "", least=least, most=most)
    return _number(option, text, name)
