"""The built-in tables as values: cards, profiles, strategy tables, phases, tasks."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pytest_llmroute.core.models import Expected, ModelCard, Price
from pytest_llmroute.core.phases import Phase
from pytest_llmroute.core.profiles import Agent, Profile
from pytest_llmroute.errors import UnknownName

TASKS = ("analyze", "fix", "validate", "document")
TYPE_IDS = (
    "simple_chat",
    "simple_qa",
    "summarization",
    "classification",
    "code_generation",
    "tool_use",
    "complex_reasoning",
    "multi_step",
)


@dataclass(frozen=True, slots=True)
class Table:
    """A strategy that is a table: task → role, with `default` for the rest."""

    name: str
    about: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that has a name, in one place."""

    models: Mapping[str, ModelCard]
    aliases: Mapping[str, str]
    profiles: Mapping[str, Profile]
    tables: Mapping[str, Table]
    phases: Mapping[str, Phase]
    tasks: tuple[str, ...] = (*TASKS, *TYPE_IDS)

    @property
    def agents(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for p in self.profiles.values() for name in p.agents))

    @property
    def agent_spellings(self) -> dict[str, str]:
        """`detection_agent` and `DetectionAgent`, each with the name used inside."""
        return {form: agent for agent in self.agents for form in (agent, agent.title().replace("_", ""))}

    def model(self, name: str, where: str = "") -> ModelCard:
        card = self.models.get(self.aliases.get(name, name))
        if card is None:
            raise UnknownName("model", name, self.models, where=where)
        return card

    def profile(self, name: str, where: str = "") -> Profile:
        if name not in self.profiles:
            raise UnknownName("profile", name, self.profiles, where=where)
        return self.profiles[name]

    def phase(self, name: str, where: str = "") -> Phase:
        if name not in self.phases:
            raise UnknownName("phase", name, self.phases, where=where)
        return self.phases[name]

    def task(self, name: str, where: str = "") -> str:
        if name not in self.tasks:
            raise UnknownName("task", name, self.tasks, where=where)
        return name

    def agent(self, name: str, where: str = "") -> str:
        """An agent's name in the one spelling used inside: `DetectionAgent` is `detection_agent`."""
        known = self.agents
        by_folded = {agent.replace("_", "").casefold(): agent for agent in known}
        found = by_folded.get(name.replace("_", "").casefold())
        if found is None:
            raise UnknownName("agent", name, known, where=where)
        return found


@cache
def builtin_catalog() -> Catalog:
    """The tables that come with the package, read once."""
    models = {name: _card(name, data) for name, data in _read("models").items()}
    return Catalog(
        models=models,
        aliases={alias: card.name for card in models.values() for alias in card.aliases},
        profiles={name: _profile(name, data) for name, data in _read("profiles").items()},
        tables={name: _table(name, data) for name, data in _read("strategies").items()},
        phases={name: Phase(name=name, **data) for name, data in _read("phases").items()},
    )


def _read(name: str) -> dict[str, Any]:
    path = resources.files("pytest_llmroute.config") / "data" / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _card(name: str, data: dict[str, Any]) -> ModelCard:
    values = dict(data)
    price = values.pop("price", None)
    return ModelCard(
        name=name,
        aliases=tuple(values.pop("aliases", ())),
        capabilities=frozenset(values.pop("capabilities", ())),
        expected=Expected(**values.pop("expected", {})),
        price=Price(**price) if price else None,
        **values,
    )


def _profile(name: str, data: dict[str, Any]) -> Profile:
    agents = {agent: Agent(name=agent, **values) for agent, values in data.get("agents", {}).items()}
    return Profile(
        name=name,
        roles=data["roles"],
        agents=agents,
        overrides=data.get("overrides", {}),
        about=data["about"],
    )


def _table(name: str, data: dict[str, Any]) -> Table:
    cells = {key: value for key, value in data.items() if key != "about"}
    return Table(name=name, about=data["about"], cells=cells)
