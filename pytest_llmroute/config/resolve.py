"""Where an option's value comes from: command line, then environment, then ini, then built in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_llmroute.config.options import OPTIONS, Option
from pytest_llmroute.errors import ErrorList, UserError, nearest, printable

DEFAULT_STRATEGY = "balanced"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value and the place that set it."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All options of a session, each with its origin."""

    values: Mapping[str, Resolved]

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value

    def origin(self, name: str) -> str:
        return self.values[name].origin


def resolve(cli: Callable[[Option], Any], ini: Callable[[Option], Any], env: Mapping[str, str]) -> Settings:
    """Every option's value; all mistakes are raised together."""
    values: dict[str, Resolved] = {}
    errors: list[UserError] = []
    for option in OPTIONS:
        try:
            values[option.name] = _resolve(option, cli, ini, env)
        except UserError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else ErrorList(errors)
    return Settings(values)


def _resolve(
    option: Option, cli: Callable[[Option], Any], ini: Callable[[Option], Any], env: Mapping[str, str]
) -> Resolved:
    if option.command_line:
        given = cli(option)
        if given is not None and given is not False:
            return Resolved(parse(option, given, option.flag), option.flag)
    for name in option.env:
        if env.get(name):
            return Resolved(parse(option, env[name], name), name)
    given = ini(option)
    if given not in (None, "", [], False):
        return Resolved(parse(option, given, f"ini {option.ini}"), f"ini {option.ini}")
    return Resolved(option.default, "built in")


def parse(option: Option, given: Any, where: str) -> Any:
    """The text of an option as its value; `where` names the place for the error."""
    if option.kind == "flag":
        return _flag(given, where)
    if option.kind == "count":
        return _count(given, where)
    if option.kind == "names":
        return _names(given, where)
    if option.kind == "paths":
        return tuple(given if isinstance(given, list) else str(given).split())
    text = str(given).strip()
    if not text:
        raise UserError(f"{where}: empty value", fix=f"{option.flag}={option.metavar}")
    if option.kind == "choice" and text not in option.choices:
        near = nearest(text, option.choices)
        raise UserError(
            f'{where}: "{printable(text)}" is not one of {", ".join(option.choices)}'
            + (f' (did you mean "{near}"?)' if near else "")
        )
    return text


def _flag(given: Any, where: str) -> bool:
    if isinstance(given, bool):
        return given
    text = str(given).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise UserError(f'{where}: "{printable(text)}" is neither true nor false', fix="use 1 or 0")


def _count(given: Any, where: str) -> int:
    text = str(given).strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1000):
        raise UserError(f'{where}: "{printable(text)}" is not a whole number from 1 to 1000')
    return int(text)


def _names(given: Any, where: str) -> tuple[str, ...]:
    names = [name.strip() for name in str(given).split(",")]
    if not all(names):
        raise UserError(f'{where}: an empty name in "{printable(str(given))}"', fix="separate names by single commas")
    return tuple(dict.fromkeys(names))


def environment_flag(env: Mapping[str, str], name: str) -> bool | None:
    """A true/false variable; None when unset or empty, an error when it is neither."""
    text = env.get(name, "").strip()
    return _flag(text, name) if text else None
