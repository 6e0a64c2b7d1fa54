"""Model configurations by phase: system B's names over the cards and settings that the router uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pytest_llmroute.api.engines import here, make_engine
from pytest_llmroute.codes import Code
from pytest_llmroute.config.detect import detected_card
from pytest_llmroute.config.schema import published
from pytest_llmroute.config.sentences import mistakes
from pytest_llmroute.core.models import ModelCapability, ModelCard, PhaseSettings, RetryPolicy
from pytest_llmroute.core.requests import Request, Sampling
from pytest_llmroute.core.templates import Template
from pytest_llmroute.errors import UserError
from pytest_llmroute.prompts.templates import render
from pytest_llmroute.routing.router import Router

DEFAULT_MODEL = "gpt-4"
MODEL_VARIABLE = "VIBEAGENT_MODEL_DEFAULT"


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A text with places to fill in."""

    name: str
    type: str
    text: str

    def render(self, **values: Any) -> str:
        """The filled-in text; a value too many or too few is an error."""
        return render(self.name, self.text, values)


@dataclass
class ModelConfig:
    """A model's configuration; change it freely, register it, or give its `card()` to the hook llmroute_models."""

    model_name: str
    model_family: str = ""
    display_name: str = ""
    capabilities: set[ModelCapability] = field(default_factory=set)
    max_iterations: int = 10
    max_parallel_calls: int = 1
    special_instructions: str = ""
    optimization_tips: list[str] = field(default_factory=list)
    phase_settings: dict[str, PhaseSettings] = field(default_factory=dict)
    """By the phase's name; a phase that is missing has the defaults of the phase."""
    context_window: int | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    backend: str = ""
    """How it is reached; empty for a name that has no card."""

    def card(self) -> ModelCard:
        """The card that the router uses: this configuration over the known card of the same name, if there is one."""
        known = _registry().known(self.model_name)
        start = known or ModelCard(self.model_name, self.backend)
        return replace(
            start,
            backend=self.backend or start.backend,
            family=self.model_family,
            display_name=self.display_name,
            capabilities=frozenset(str(capability) for capability in self.capabilities),
            max_iterations=self.max_iterations,
            max_parallel_calls=self.max_parallel_calls,
            instructions=self.special_instructions,
            tips=tuple(self.optimization_tips),
            phases={str(phase): own for phase, own in self.phase_settings.items()},
            context=self.context_window,
            retry=self.retry_policy,
        )

    def table(self) -> dict[str, Any]:
        """The same as `[models.NAME]` in llmroute.toml would hold it."""
        phases = {
            str(phase): {
                key: value
                for key in ("temperature", "max_tokens", "top_p", "enable_reasoning")
                if (value := getattr(own, key)) is not None
            }
            for phase, own in self.phase_settings.items()
        }
        values: dict[str, Any] = {
            "backend": self.backend,
            "family": self.model_family,
            "display_name": self.display_name,
            "instructions": self.special_instructions,
            "context": self.context_window,
        }
        return {
            **{key: value for key, value in values.items() if value not in ("", None)},
            "capabilities": sorted(str(capability) for capability in self.capabilities),
            "max_iterations": self.max_iterations,
            "max_parallel_calls": self.max_parallel_calls,
            "tips": list(self.optimization_tips),
            "phases": phases,
        }


class ModelConfigRegistry:
    """Configurations by name: those registered here, then the cards of the project and the built-in ones."""

    def __init__(self) -> None:
        found = here()
        self._router = make_engine(found.settings["profile"], found=found).router
        self._own: dict[str, ModelConfig] = {}

    @property
    def router(self) -> Router:
        return self._router

    def register(self, config: ModelConfig) -> None:
        """Adds a configuration or replaces the one of its name; a wrong one is refused with all its mistakes."""
        if wrong := validate_config(config):
            raise UserError(
                f"the configuration of {config.model_name!r} can't be used: {'; '.join(wrong)}", code=Code.CONFIG_VALUE
            )
        self._own[config.model_name] = config

    def unregister(self, model_name: str) -> None:
        self._own.pop(model_name, None)

    def get(self, model_name: str) -> ModelConfig:
        """The configuration of a model; for a name without a card, what the name says."""
        if model_name in self._own:
            return self._own[model_name]
        return self._config(self.known(model_name) or detected_card(model_name), model_name)

    def has(self, model_name: str) -> bool:
        return model_name in self._own or self.known(model_name) is not None

    def names(self) -> list[str]:
        return sorted({*self._own, *self._router.catalog.models})

    def known(self, model_name: str) -> ModelCard | None:
        return self._router.catalog.find(model_name)

    def card(self, model_name: str) -> ModelCard:
        if model_name in self._own:
            return self._own[model_name].card()
        return self.known(model_name) or detected_card(model_name)

    def settings(self, model_name: str, phase: str) -> Sampling:
        """What the router would send this model in this phase."""
        self._router.catalog.phase(str(phase))
        request = Request((), phase=str(phase))
        return self._router.settings(request, self.card(model_name), Sampling(), 0, 0)[0]

    def template(self, model_name: str, template_type: str) -> Template:
        return self._router.catalog.template(template_type, self.card(model_name))

    def _config(self, card: ModelCard, model_name: str) -> ModelConfig:
        config = ModelConfig(
            model_name=model_name,
            model_family=card.family,
            display_name=card.display_name or model_name,
            capabilities={ModelCapability(capability) for capability in card.capabilities},
            special_instructions=card.instructions,
            optimization_tips=list(card.tips),
            context_window=card.context,
            retry_policy=card.retry,
            backend=card.backend,
        )
        config.max_iterations = card.max_iterations or config.max_iterations
        config.max_parallel_calls = card.max_parallel_calls or config.max_parallel_calls
        for phase in self._router.catalog.phases:
            settings = self.settings(model_name, phase)
            config.phase_settings[phase] = PhaseSettings(
                settings.temperature, settings.max_tokens, settings.top_p, settings.reasoning
            )
        return config


@cache
def _registry() -> ModelConfigRegistry:
    return ModelConfigRegistry()


def get_registry() -> ModelConfigRegistry:
    """The registry that the functions of this page use; one for the process."""
    return _registry()


def get_model_config(model_name: str) -> ModelConfig:
    return _registry().get(model_name)


def get_temperature_for_phase(model_name: str, phase: str) -> float | None:
    return _registry().settings(model_name, phase).temperature


def get_max_tokens_for_phase(model_name: str, phase: str) -> int | None:
    """Never more than the model's context window holds."""
    return _registry().settings(model_name, phase).max_tokens


def get_llm_params_for_phase(
    model_name: str, phase: str, additional_params: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`{'model', 'temperature', 'max_tokens', 'top_p'}` for a phase; `additional_params` are merged in."""
    settings = _registry().settings(model_name, phase)
    return {
        "model": model_name,
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        "top_p": settings.top_p,
        **(additional_params or {}),
    }


def get_prompt_template(model_name: str, template_type: str) -> PromptTemplate:
    """The most specific template of a type, with all its sections: the model's own, its family's, everybody's."""
    found = _registry().template(model_name, str(template_type))
    text = "\n\n".join([*(section.text for section in found.paragraphs), *([found.opening] if found.opening else [])])
    return PromptTemplate(found.name, found.type, text)


def detect_model_capabilities(model_name: str) -> set[ModelCapability]:
    """What the card declares; for a name without a card, what its parts say."""
    card = _registry().card(model_name)
    found = card.capabilities or detected_card(model_name).capabilities
    return {ModelCapability(capability) for capability in found}


def validate_config(config: ModelConfig) -> list[str]:
    """Every mistake of a configuration in a sentence; an empty list where there is none."""
    found = [] if config.model_name.strip() else ["model_name: is empty"]
    schema = published("cards")["additionalProperties"]
    found += [f"{'.'.join(map(str, at))}: {what}" for at, what, _ in mistakes(config.table(), schema)]
    phases = _registry().router.catalog.phases
    found += [
        f"phase_settings: no phase {str(phase)!r}; known: {', '.join(phases)}"
        for phase in config.phase_settings
        if str(phase) not in phases
    ]
    return found


def load_config_from_env() -> ModelConfig:
    """The model of VIBEAGENT_MODEL_DEFAULT (else gpt-4) with the temperatures and limits that the environment sets."""
    registry = _registry()
    return replace(registry.get(registry.router.env.get(MODEL_VARIABLE) or DEFAULT_MODEL))
