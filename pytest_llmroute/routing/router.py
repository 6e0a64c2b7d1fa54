"""The router: one function from a request and a column to a decision.

Who decides: a forced model, the test's own, the column's, the agent's variable, then the strategy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_llmroute.codes import Code
from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.config.resolve import environment_number
from pytest_llmroute.core.attempts import Ladder
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision, Rejected
from pytest_llmroute.core.models import ModelCard, PhaseSettings
from pytest_llmroute.core.phases import Phase
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.core.profiles import Profile
from pytest_llmroute.core.requests import Request, Sampling
from pytest_llmroute.core.templates import Template
from pytest_llmroute.core.tokens import estimate_tokens
from pytest_llmroute.errors import UnknownName, UserError, guarded
from pytest_llmroute.routing.contract import Choice, Query, Strategy, StrategyUnusable

if TYPE_CHECKING:
    from pytest_llmroute.routing.classify import Classifier

OVERRIDE = "LLM_MODEL_OVERRIDE"
TEMPERATURE, MAX_TOKENS = "VIBEAGENT_MODEL_TEMPERATURE_", "VIBEAGENT_MODEL_MAX_TOKENS"
SEEDS = 1000
"""From one attempt to the next: repeats count in ones, and no two requests of a case send the same seed."""
log = logging.getLogger("pytest_llmroute.router")


@dataclass(frozen=True, slots=True)
class Router:
    """Holds the tables; keeps nothing but what it has looked up in them."""

    catalog: Catalog
    strategies: Mapping[str, Strategy]
    profile: Profile
    env: Mapping[str, str]
    """Read at each call, so that a change of the environment takes effect at once."""
    classifier: Callable[[], Classifier]
    _templates: dict[tuple[str | None, str | None, str, bool], Template | None] = field(
        default_factory=dict, compare=False, repr=False
    )
    """Asked several times for each call, and few."""

    def strategy(self, name: str, where: str = "") -> Strategy:
        if name not in self.strategies:
            raise UnknownName("strategy", name, self.strategies, where=where)
        return self.strategies[name]

    def ladder(self, column: Column) -> Ladder | None:
        """How a column tries, where its strategy does."""
        found = getattr(self.strategies.get(column.name), "ladder", None) if column.kind == "strategy" else None
        return found if isinstance(found, Ladder) else None

    def decide(self, request: Request, column: Column, *, repeat: int = 0) -> Decision:
        """Which model answers `request` on `column`; nothing is called."""
        request = self._checked(request)
        choice, decided_by = self._choose(request, column)
        card = self.catalog.model(choice.model, choice.reason)
        stays_here = column.kind == "strategy" and getattr(self.strategies.get(column.name), "stays_here", False)
        if stays_here and card.remote:
            raise _leaves(column.name, card.name, "is remote", choice.reason)
        settings, clamped_from = self.settings(request, card, choice.sampling, repeat, request.characters)
        task = choice.task or request.task
        template = self.template(request, card)
        return Decision(
            model=card.name,
            settings=settings,
            reason=choice.reason,
            column=column.name,
            strategy=column.name if column.kind == "strategy" else "",
            profile=self.profile.name,
            decided_by=decided_by,
            task=task,
            task_declared=request.task is not None,
            phase=request.phase,
            agent=request.agent,
            chain=tuple(self.catalog.model(name).name for name in choice.chain),
            then=tuple(self.catalog.model(name).name for name in choice.then),
            canned=choice.canned,
            rejected=choice.rejected,
            template=template.name if template is not None else "",
            clamped_from=clamped_from,
            stays_here=bool(stays_here),
            asked=choice.sampling,
            log_line=_log_line(choice, card.name, task),
        )

    def template(self, request: Request, card: ModelCard) -> Template | None:
        """What the prompt is put into for this model; None asks it as it is."""
        asked = request.template, request.task, card.name, bool(request.parts)
        if asked not in self._templates:
            self._templates[asked] = self.catalog.template_of(*asked[:2], card, has_parts=asked[3])
        return self._templates[asked]

    def check_place(self, decision: Decision, endpoint: str) -> None:
        """Raises where the decision may not leave this machine and its server is somewhere else."""
        if decision.stays_here and endpoint and not is_loopback(endpoint):
            raise _leaves(decision.strategy, decision.model, f"is at {endpoint}", decision.reason)

    def role_of(self, model: str) -> str | None:
        """The first role that `model` plays in the profile."""
        return next((role for role, name in self.profile.roles.items() if name == model), None)

    def _checked(self, request: Request) -> Request:
        if request.task is not None:
            self.catalog.task(request.task)
        if request.phase is not None:
            self.catalog.phase(request.phase)
        if request.template is not None and request.template not in self.catalog.template_types:
            raise UnknownName("template", request.template, self.catalog.template_types)
        if request.agent is None:
            return request
        return replace(request, agent=self.catalog.agent(request.agent))

    def _choose(self, request: Request, column: Column) -> tuple[Choice, str]:
        named = self._named_model(request, column)
        if named is None:
            return self.route(request, column), "strategy"
        model, reason, decided_by = named
        model = self.catalog.model(model, reason.partition(":")[0]).name
        return Choice(model, reason, rejected=self._passed_over(request, column, model)), decided_by

    def _named_model(self, request: Request, column: Column) -> tuple[str, str, str] | None:
        if forced := self.env.get(OVERRIDE):
            return forced, f"{OVERRIDE}: forced to {forced}", "forced"
        if request.model:
            return request.model, f"marker: the test names {request.model}", "marker"
        if column.kind == "model":
            return column.name, f"--llm-model: {column.name} answers everything, without routing", "column"
        if request.agent and (name := self.env.get(variable := agent_variable(request.agent))):
            return name, f"{variable}: {request.agent} uses {name}", "agent-env"
        return None

    def route(self, request: Request, column: Column) -> Choice:
        """What the column's strategy says, before anything above it has its word."""
        query = Query(request, self.profile, self.catalog, self.env, self.classifier)
        strategy = self.strategy(column.name)
        choice: object = guarded(f"strategy {column.name}", lambda: strategy.route(query))
        if not isinstance(choice, Choice):
            raise UserError(f"strategy {column.name} gave {type(choice).__name__}, not a Choice", code=Code.HOOK)
        return choice

    def _passed_over(self, request: Request, column: Column, model: str) -> tuple[Rejected, ...]:
        """What the strategy would have chosen, where something above it decided."""
        if column.kind == "model":
            return () if model == column.name else (Rejected(column.name, "the column's model was overruled"),)
        try:
            choice = self.route(request, column)
        except UserError as error:
            return (Rejected(f"strategy {column.name}", error.what),)
        if choice.model == model:
            return ()
        return (Rejected(choice.model, f"the strategy's choice was overruled ({choice.reason})"),)

    def settings(
        self, request: Request, card: ModelCard, asked: Sampling, repeat: int, characters: int
    ) -> tuple[Sampling, int | None]:
        """Call, environment, strategy, agent, the card's phase, the phase, the card; fitted to its limits."""
        levels = [request.sampling, self._environment(request.phase), asked]
        if request.agent and (agent := self.profile.agents.get(request.agent)):
            levels.append(Sampling(temperature=agent.temperature, max_tokens=agent.max_tokens))
        if request.phase:
            levels += [_sampling(own)] if (own := card.phases.get(request.phase)) else []
            levels.append(_sampling(self.catalog.phase(request.phase)))
        levels.append(Sampling(card.temperature, card.max_tokens, card.top_p))
        settings = Sampling(seed=None)
        for level in levels:
            settings = settings.over(level)
        further = SEEDS * (request.rung.number - 1) if request.rung else 0
        return _seeded_and_fitted(settings, card, characters, repeat + further)

    def _environment(self, phase: str | None) -> Sampling:
        """System B's variables, read per call: the phase's temperature, and the limit of tokens."""
        most = environment_number(self.env, MAX_TOKENS, 1, 1e9)
        temperature = environment_number(self.env, f"{TEMPERATURE}{phase.upper()}", 0, 2) if phase else None
        return Sampling(temperature=temperature, max_tokens=None if most is None else int(most))


def _sampling(own: PhaseSettings | Phase) -> Sampling:
    return Sampling(
        temperature=own.temperature, max_tokens=own.max_tokens, top_p=own.top_p, reasoning=own.enable_reasoning
    )


def agent_variable(agent: str) -> str:
    """`DETECTION_AGENT_MODEL` for `detection_agent`."""
    return f"{agent.upper()}_MODEL"


def _seeded_and_fitted(
    settings: Sampling, card: ModelCard, characters: int, number: int
) -> tuple[Sampling, int | None]:
    wanted = settings.max_tokens
    fitted = wanted
    if wanted is not None:
        limits = [card.max_output] if card.max_output else []
        if card.context is not None:
            limits.append(card.context - estimate_tokens(characters))
        fitted = max(1, min([wanted, *limits]))
    result = replace(settings, max_tokens=fitted, seed=(settings.seed or 0) + number)
    return result, wanted if fitted != wanted else None


def _leaves(strategy: str, model: str, where: str, reason: str) -> StrategyUnusable:
    return StrategyUnusable(
        f'strategy {strategy} never leaves this machine, and the model "{model}" {where} ({reason})',
        code=Code.STRATEGY,
        fix="a local model: LOCAL_MODEL_NAME, the profile's role small, or OLLAMA_HOST on this machine",
        instead="--llm-strategy=hybrid",
    )


def _log_line(choice: Choice, model: str, task: str | None) -> str:
    kind = f" taskType={task}" if task else ""
    return f"[Router] Using {choice.log_as or model} ({choice.reason}){kind}"
