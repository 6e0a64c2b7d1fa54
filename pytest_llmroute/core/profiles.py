"""Profiles: which model plays which role, and which agent has which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROLES = ("tiny", "small", "medium", "large", "coder", "remote")


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent of a profile: a model (or role) with its token limit and temperature."""

    name: str
    model: str
    max_tokens: int | None = None
    temperature: float | None = None
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of models by role; `overrides` replaces single `strategy.task` cells."""

    name: str
    roles: Mapping[str, str]
    agents: Mapping[str, Agent] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
