"""ModelSelector: a task's model by strategy, over the profile `ollama` unless told otherwise."""

from __future__ import annotations

from pytest_llmroute.api.engines import here, make_engine
from pytest_llmroute.config.catalog import TASKS
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.requests import Request
from pytest_llmroute.errors import UnknownName
from pytest_llmroute.routing.router import OVERRIDE

FALLBACK = "qwen2.5-coder:14b"


class ModelSelector:
    """Answers which model a task gets; `TASK_MODEL_MAPPING` may be changed, for this selector only."""

    def __init__(self, strategy: str = "balanced", fallback_model: str = FALLBACK, *, profile: str = "ollama") -> None:
        found = here()
        tables = {name: table for name, table in found.project.catalog.tables.items() if table.ladder is None}
        if strategy not in tables:
            raise UnknownName("strategy", strategy, tables, where="ModelSelector")
        self.strategy, self.fallback_model = strategy, fallback_model
        self._env = found.env
        router = make_engine(profile, found=found).router
        self.TASK_MODEL_MAPPING: dict[str, dict[str, str]] = {
            name: {task: router.route(Request((), task=task), Column("strategy", name)).model for task in TASKS}
            for name in tables
        }

    def get_model_for_task(self, task: str) -> str:
        """`LLM_MODEL_OVERRIDE` first, read at each call; then the table; then the fallback."""
        if forced := self._env.get(OVERRIDE):
            return forced
        return self.TASK_MODEL_MAPPING[self.strategy].get(task, self.fallback_model)


def create_default_selector() -> ModelSelector:
    return ModelSelector("balanced")


def create_quality_selector() -> ModelSelector:
    return ModelSelector("quality")


def create_fast_selector() -> ModelSelector:
    return ModelSelector("fast")


def create_low_ram_selector() -> ModelSelector:
    return ModelSelector("low_ram")
