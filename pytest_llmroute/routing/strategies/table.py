"""A strategy that is a table of roles: balanced, quality, fast, low_ram, single."""

from __future__ import annotations

from pytest_llmroute.config.catalog import Table
from pytest_llmroute.core.decisions import Rejected
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.routing.contract import Choice, Query


class TableStrategy:
    """Looks the task up; a profile may override single cells."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.name, self.about = table.name, table.about

    def route(self, query: Query) -> Choice:
        task = query.request.task or "default"
        key = task if task in self.table.cells else "default"
        cell = query.profile.overrides.get(f"{self.name}.{key}", self.table.cells[key])
        model = query.role(cell) if cell in ROLES else cell
        why = f"{task} → {cell}" if key == task else f"no cell for {task}, default → {cell}"
        return Choice(model, f"{self.name}: {why}", rejected=self._others(query, model, task))

    def _others(self, query: Query, model: str, task: str) -> tuple[Rejected, ...]:
        """The other models of the profile, with the role that they play instead."""
        roles: dict[str, list[str]] = {}
        for role, name in query.profile.roles.items():
            if name != model:
                roles.setdefault(name, []).append(role)
        return tuple(
            Rejected(name, f"plays {', '.join(played)}; not the role for {task}") for name, played in roles.items()
        )
