"""pytest-llmroute: routing and evaluation of language models in pytest.

Names are looked up when they are first used; importing this module imports the standard library only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_llmroute.api.agents import ask_agent, generate_code_with_llm
    from pytest_llmroute.api.model_configs import (
        ModelConfig,
        ModelConfigRegistry,
        PromptTemplate,
        detect_model_capabilities,
        get_llm_params_for_phase,
        get_max_tokens_for_phase,
        get_model_config,
        get_prompt_template,
        get_registry,
        get_temperature_for_phase,
        load_config_from_env,
        validate_config,
    )
    from pytest_llmroute.api.providers import (
        LLMRouter,
        get_claude_provider,
        get_local_provider,
        get_router,
        to_llm_messages,
    )
    from pytest_llmroute.api.selectors import (
        ModelSelector,
        create_default_selector,
        create_fast_selector,
        create_low_ram_selector,
        create_quality_selector,
    )
    from pytest_llmroute.backends.contract import BackendType
    from pytest_llmroute.backends.scripted import ScriptedAnswer
    from pytest_llmroute.codes import Code
    from pytest_llmroute.core.attempts import Came, Solved
    from pytest_llmroute.core.decisions import Decision, Rejected
    from pytest_llmroute.core.events import Event
    from pytest_llmroute.core.models import ModelCapability, ModelCard, PhaseSettings, RetryPolicy
    from pytest_llmroute.core.outcomes import CheckResult
    from pytest_llmroute.core.phases import ExecutionPhase
    from pytest_llmroute.core.replies import Call, Reply
    from pytest_llmroute.core.requests import Message, Request
    from pytest_llmroute.core.templates import Section, Template
    from pytest_llmroute.engine.llm import LLM
    from pytest_llmroute.errors import Cause, LLMRouteError, ModelCallError, UserError
    from pytest_llmroute.routing.classify import Classification, Classifier, Rule
    from pytest_llmroute.routing.contract import Choice, Query, Strategy
    from pytest_llmroute.tasks.checks import CheckType

__version__ = "0.1.0"

_HOME = {
    "api.agents": ("ask_agent", "generate_code_with_llm"),
    "api.model_configs": (
        "ModelConfig",
        "ModelConfigRegistry",
        "PromptTemplate",
        "detect_model_capabilities",
        "get_llm_params_for_phase",
        "get_max_tokens_for_phase",
        "get_model_config",
        "get_prompt_template",
        "get_registry",
        "get_temperature_for_phase",
        "load_config_from_env",
        "validate_config",
    ),
    "api.providers": ("LLMRouter", "get_claude_provider", "get_local_provider", "get_router", "to_llm_messages"),
    "api.selectors": (
        "ModelSelector",
        "create_default_selector",
        "create_fast_selector",
        "create_low_ram_selector",
        "create_quality_selector",
    ),
    "backends.contract": ("BackendType",),
    "backends.scripted": ("ScriptedAnswer",),
    "codes": ("Code",),
    "core.decisions": ("Decision", "Rejected"),
    "core.events": ("Event",),
    "core.models": ("ModelCapability", "ModelCard", "PhaseSettings", "RetryPolicy"),
    "core.outcomes": ("CheckResult",),
    "core.phases": ("ExecutionPhase",),
    "core.replies": ("Call", "Reply"),
    "core.attempts": ("Came", "Solved"),
    "core.requests": ("Message", "Request"),
    "core.templates": ("Section", "Template"),
    "engine.llm": ("LLM",),
    "errors": ("Cause", "LLMRouteError", "ModelCallError", "UserError"),
    "routing.classify": ("Classification", "Classifier", "Rule"),
    "routing.contract": ("Choice", "Query", "Strategy"),
    "tasks.checks": ("CheckType",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "LLM",
    "BackendType",
    "Call",
    "Came",
    "Cause",
    "CheckResult",
    "CheckType",
    "Choice",
    "Classification",
    "Classifier",
    "Code",
    "Decision",
    "Event",
    "ExecutionPhase",
    "LLMRouteError",
    "LLMRouter",
    "Message",
    "ModelCallError",
    "ModelCapability",
    "ModelCard",
    "ModelConfig",
    "ModelConfigRegistry",
    "ModelSelector",
    "PhaseSettings",
    "PromptTemplate",
    "Query",
    "Rejected",
    "Reply",
    "Request",
    "RetryPolicy",
    "Rule",
    "ScriptedAnswer",
    "Section",
    "Solved",
    "Strategy",
    "Template",
    "UserError",
    "ask_agent",
    "create_default_selector",
    "create_fast_selector",
    "create_low_ram_selector",
    "create_quality_selector",
    "detect_model_capabilities",
    "generate_code_with_llm",
    "get_claude_provider",
    "get_llm_params_for_phase",
    "get_local_provider",
    "get_max_tokens_for_phase",
    "get_model_config",
    "get_prompt_template",
    "get_registry",
    "get_router",
    "get_temperature_for_phase",
    "load_config_from_env",
    "to_llm_messages",
    "validate_config",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'pytest_llmroute' has no attribute {name!r}")
    return getattr(import_module(f"pytest_llmroute.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
