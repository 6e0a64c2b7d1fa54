"""What a model's name alone says of it, by the patterns of `data/families.toml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from pytest_llmroute.config.catalog import read_data
from pytest_llmroute.core.models import ModelCard


@dataclass(frozen=True, slots=True)
class _Pattern:
    pattern: re.Pattern[str]
    capabilities: frozenset[str]
    name: str = ""
    prompt_format: str = ""


@cache
def _patterns(kind: str) -> tuple[_Pattern, ...]:
    return tuple(
        _Pattern(
            re.compile(row["pattern"]),
            frozenset(row["capabilities"]),
            row.get("name", ""),
            row.get("prompt_format", ""),
        )
        for row in read_data("families")[kind]
    )


def detected_card(name: str) -> ModelCard:
    """A card for a name that has none: family and capabilities by pattern, figures unknown."""
    lowered = name.lower()
    family = next((row for row in _patterns("family") if row.pattern.search(lowered)), None)
    capabilities = set(family.capabilities) if family else set()
    for feature in _patterns("feature"):
        if feature.pattern.search(lowered):
            capabilities |= feature.capabilities
    return ModelCard(
        name,
        backend="",
        family=family.name if family else "",
        prompt_format=family.prompt_format if family else "",
        capabilities=frozenset(capabilities),
    )
