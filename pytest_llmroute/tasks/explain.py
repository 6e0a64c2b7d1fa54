"""What is wrong with an entry, by the published schema, in sentences."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pytest_llmroute.config.schema import published
from pytest_llmroute.config.sentences import Path, mistakes
from pytest_llmroute.tasks.checks import CheckType


def explain(value: Any, types: Mapping[str, CheckType], *, defaults: bool = False) -> list[tuple[Path, str]]:
    """All mistakes of one task, or of the defaults, each with its place."""
    whole = _with_checks(types)
    part = {"$defs": whole["$defs"], "$ref": "#/$defs/defaults" if defaults else "#/$defs/task"}
    return [(at, what) for at, what, _ in mistakes(value, part)]


def _with_checks(types: Mapping[str, CheckType]) -> dict[str, Any]:
    """The schema with the checks that extensions bring."""
    whole = copy.deepcopy(published("tasks"))
    properties = whole["$defs"]["check"]["properties"]
    for name, kind in types.items():
        properties.setdefault(name, dict(kind.schema))
    return whole
