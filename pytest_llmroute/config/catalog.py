"""Everything that has a name, as values: cards, profiles, strategy tables, phases, templates, tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.attempts import Ladder
from pytest_llmroute.core.models import Expected, ModelCard, PhaseSettings, Price, RetryPolicy, Source
from pytest_llmroute.core.phases import Phase
from pytest_llmroute.core.profiles import Agent, Profile
from pytest_llmroute.core.templates import Section, Template
from pytest_llmroute.errors import UnknownName, UserError

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
FILES = ("models", "profiles", "strategies", "phases", "agents", "templates")
_LADDER = frozenset(item.name for item in fields(Ladder))
Tables = Mapping[str, Mapping[str, Any]]
"""section → name → entry, as a file holds them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on who asks what, and the role or model for it; an empty condition holds for everybody."""

    use: str
    user: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    phase: tuple[str, ...] = ()
    task: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{name}={'|'.join(values)}"
            for name in ("user", "agent", "phase", "task")
            if (values := getattr(self, name))
        ]
        return ", ".join(parts) or "everything"


@dataclass(frozen=True, slots=True)
class Table:
    """A strategy that is a table: the first rule that fits, then task → role, with `default` for the rest.

    One with a ladder has no tasks: a small model tries each, a large one rescues.
    """

    name: str
    about: str
    cells: Mapping[str, str]
    rules: tuple[Rule, ...] = ()
    fallback: tuple[str, ...] = ()
    canned: bool = False
    ladder: Ladder | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that has a name, in one place."""

    models: Mapping[str, ModelCard]
    aliases: Mapping[str, str]
    profiles: Mapping[str, Profile]
    tables: Mapping[str, Table]
    phases: Mapping[str, Phase]
    templates: Mapping[str, Template] = field(default_factory=dict)
    tasks: tuple[str, ...] = (*TASKS, *TYPE_IDS)

    @property
    def agents(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for p in self.profiles.values() for name in p.agents))

    @property
    def agent_spellings(self) -> dict[str, str]:
        """`detection_agent` and `DetectionAgent`, each with the name used inside."""
        return {form: agent for agent in self.agents for form in (agent, agent.title().replace("_", ""))}

    def find(self, name: str) -> ModelCard | None:
        return self.models.get(self.aliases.get(name, name))

    def model(self, name: str, where: str = "") -> ModelCard:
        card = self.find(name)
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
        found = _agent_in(known, name)
        if found is None:
            raise UnknownName("agent", name, known, where=where)
        return found

    def template(self, kind: str, card: ModelCard, where: str = "") -> Template:
        """The template of a type for a model: its own, else its family's, else everybody's."""
        own = [template for template in self.templates.values() if template.type == kind]
        if not own:
            raise UnknownName("template", kind, self.template_types, where=where)
        if (found := _most_specific(own, card)) is None:
            raise UserError(
                f'{where}{": " if where else ""}no template "{kind}" for the model {card.name}',
                code=Code.TEMPLATE,
                means=f"those of this type are for others: {', '.join(template.name for template in own)}",
                fix=f'[templates."{kind}"] without models and families is for everybody',
            )
        return found

    def template_of(self, kind: str | None, task: str | None, card: ModelCard, *, has_parts: bool) -> Template | None:
        """The template of a request: the one it names, the task's, the model's; None asks the prompt as it is.

        What a request does not name itself is for requests that have parts, where it is made of parts.
        """
        if kind is not None:
            return self.template(kind, card)
        own = [template for template in self.templates.values() if template.tasks and task in template.tasks]
        found = _most_specific(own, card) if own else None
        if found is None and card.template:
            found = self.template(card.template, card, f"model {card.name}")
        return found if found is not None and (has_parts or not found.of_parts) else None

    @property
    def template_types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(template.type for template in self.templates.values()))


@cache
def builtin_tables() -> Tables:
    """The tables that come with the package, read once: in the form that is read thirty times as fast as TOML."""
    tables: Tables = json.loads(_data("builtin.json"))
    return tables


def written_tables() -> Tables:
    """The same, from the files that people write; `tests/renew` makes the other form of them."""
    return {name: read_data(name) for name in FILES}


@cache
def builtin_strategies() -> Mapping[str, Table]:
    """The strategies among them that are tables: of a project with a file nobody wants the other built-in values."""
    return _strategies(builtin_tables())


@cache
def builtin_catalog() -> Catalog:
    return build_catalog(builtin_tables())


def build_catalog(tables: Tables, task_names: tuple[str, ...] = ()) -> Catalog:
    """Values from tables that have been checked."""
    models = tables["models"]
    return Catalog(
        models=_Cards(models),
        aliases={
            alias: name for name, data in models.items() for alias in data.get("aliases", ()) if alias not in models
        },
        profiles={name: _profile(name, data) for name, data in tables["profiles"].items()},
        tables=_strategies(tables),
        phases={name: Phase(name=name, **data) for name, data in tables["phases"].items()},
        templates={name: _template(name, data) for name, data in tables["templates"].items()},
        tasks=tuple(dict.fromkeys((*TASKS, *TYPE_IDS, *task_names))),
    )


def read_data(name: str) -> dict[str, Any]:
    """One of the package's data files."""
    import tomllib

    read = tomllib.loads(_data(f"{name}.toml"))
    if name != "profiles":
        return read
    agents = read_data("agents")
    return {key: {**data, "agents": {**agents, **data.get("agents", {})}} for key, data in read.items()}


def _data(name: str) -> str:
    return (resources.files("pytest_llmroute.config") / "data" / name).read_text(encoding="utf-8")


class _Cards(Mapping[str, ModelCard]):
    """Each card is made when it is asked for: there are many, and a run has few models."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self._tables = tables
        self._made: dict[str, ModelCard] = {}

    def __getitem__(self, name: str) -> ModelCard:
        card = self._made.get(name)
        return self._made.setdefault(name, card_of(name, self._tables[name])) if card is None else card

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def card_of(name: str, data: Mapping[str, Any]) -> ModelCard:
    """A card from its table."""
    values = {key: value for key, value in data.items() if key != "extends"}
    sources = {}
    for key in ("context", "max_output"):
        if isinstance(values.get(key), Mapping):
            figure = values[key]
            values[key] = figure["value"]
            sources[key] = Source(figure.get("source", ""), figure.get("date", ""))
    price, retry = values.pop("price", None), dict(values.pop("retry", {}))
    if "causes" in retry:
        retry["causes"] = tuple(retry["causes"])
    return ModelCard(
        name=name,
        aliases=tuple(values.pop("aliases", ())),
        capabilities=frozenset(values.pop("capabilities", ())),
        tips=tuple(values.pop("tips", ())),
        phases={
            phase: PhaseSettings(**{key: value for key, value in own.items() if key != "best_for"})
            for phase, own in values.pop("phases", {}).items()
        },
        retry=RetryPolicy(**retry),
        expected=Expected(**values.pop("expected", {})),
        price=Price(**price) if price else None,
        sources=sources,
        **values,
    )


def _profile(name: str, data: Mapping[str, Any]) -> Profile:
    agents = {agent: Agent(name=agent, **values) for agent, values in data.get("agents", {}).items()}
    return Profile(
        name=name,
        roles=data["roles"],
        agents=agents,
        overrides=data.get("overrides", {}),
        about=data.get("about", ""),
    )


def _strategies(tables: Tables) -> dict[str, Table]:
    agents = tuple(dict.fromkeys(name for profile in tables["profiles"].values() for name in profile.get("agents", ())))
    return {name: _table(name, data, agents) for name, data in tables["strategies"].items()}


def _table(name: str, data: Mapping[str, Any], agents: tuple[str, ...]) -> Table:
    if is_ladder(data):
        return Table(name, data.get("about", ""), {"default": data["small"]}, ladder=_ladder(name, data))
    return Table(
        name=name,
        about=data.get("about", ""),
        cells={**data.get("tasks", {}), "default": data["default"]},
        rules=tuple(_rule(rule, agents) for rule in data.get("rules", ())),
        fallback=tuple(data.get("fallback", ())),
        canned=data.get("canned", False),
    )


def is_ladder(data: Mapping[str, Any]) -> bool:
    """Whether a strategy's table is that of a ladder."""
    return not _LADDER.isdisjoint(data)


def _ladder(name: str, data: Mapping[str, Any]) -> Ladder:
    values: dict[str, Any] = {"cells": {key: f"{name}.{key}" for key in ("small", "large")}}
    values |= {key: tuple(value) if isinstance(value, list) else value for key, value in data.items() if key in _LADDER}
    return Ladder(**values)


def _rule(data: Mapping[str, Any], agents: tuple[str, ...]) -> Rule:
    who = {
        key: (data[key],) if isinstance(data[key], str) else tuple(data[key])
        for key in ("user", "agent", "phase", "task")
        if key in data
    }
    if "agent" in who:
        who["agent"] = tuple(_agent_in(agents, name) or name for name in who["agent"])
    return Rule(use=data["use"], **who)


def _template(name: str, data: Mapping[str, Any]) -> Template:
    lists = {key: tuple(data.get(key, ())) for key in ("models", "families", "tasks", "parts")}
    sections = tuple(Section(**{**own, "needs": tuple(own.get("needs", ()))}) for own in data.get("sections", ()))
    return Template(
        name, data.get("type", name), data["text"], system=data.get("system", ""), sections=sections,
        opening=data.get("opening", ""), **lists,
    )  # fmt: skip


def _most_specific(templates: Sequence[Template], card: ModelCard) -> Template | None:
    """The model's own, else its family's, else everybody's; a project's own stand behind the built-in ones."""
    names = {card.name, *card.aliases}
    for fitting in (
        [template for template in templates if names & set(template.models)],
        [template for template in templates if card.family in template.families],
        [template for template in templates if not template.models and not template.families],
    ):
        if fitting:
            return fitting[-1]
    return None


def _agent_in(known: tuple[str, ...], name: str) -> str | None:
    by_folded = {agent.replace("_", "").casefold(): agent for agent in known}
    return by_folded.get(name.replace("_", "").casefold())
