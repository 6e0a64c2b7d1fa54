"""The gate's knobs as they are configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_llmroute.config.resolve import Settings
from pytest_llmroute.errors import UserError, one
from pytest_llmroute.gate.requirement import Requirement, parse_requirement
from pytest_llmroute.gate.result import GateSettings

KNOBS = ("alpha", "margin", "min_drop", "max_lost", "scope", "p", "family", "inconclusive", "allow_replayed")


def gate_settings(settings: Settings, given: Mapping[str, Any] | None = None) -> GateSettings:
    """The configuration's table `gate`; `given` values come first."""
    knobs = {name: settings[f"gate_{name}"] for name in KNOBS}
    typed = {name: value for name, value in (given or {}).items() if value is not None}
    return GateSettings(**{**knobs, **typed}, columns=tuple(settings["gate_columns"].items()))


def requirements(texts: Sequence[str], where: str) -> tuple[Requirement, ...]:
    """All that are malformed are told together."""
    found: list[Requirement] = []
    wrong: list[UserError] = []
    for text in texts:
        try:
            found.append(parse_requirement(text, where))
        except UserError as error:
            wrong.append(error)
    if wrong:
        raise one(wrong)
    return tuple(found)
