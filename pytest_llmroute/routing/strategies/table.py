"""A strategy that is a table of rules and roles: balanced, quality, fast, low_ram, single, and a project's own."""

from __future__ import annotations

from pytest_llmroute.config.catalog import Rule, Table
from pytest_llmroute.core.decisions import Rejected
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.core.requests import Request
from pytest_llmroute.routing.contract import Choice, Query


class TableStrategy:
    """The first rule that fits, then the task's cell; a profile may override single cells."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.name, self.about = table.name, table.about

    def route(self, query: Query) -> Choice:
        use, why = self._use(query)
        model = _model(query, use)
        chain = tuple(name for role in self.table.fallback if (name := _model(query, role)) != model)
        task = query.request.task or "default"
        return Choice(
            model,
            f"{self.name}: {why}",
            chain=tuple(dict.fromkeys(chain)),
            canned=self.table.canned,
            rejected=self._others(query, model, task),
        )

    def _use(self, query: Query) -> tuple[str, str]:
        """The role or model, and why."""
        for number, rule in enumerate(self.table.rules, start=1):
            if fits(rule, query.request):
                return rule.use, f"rule {number} ({rule}) → {rule.use}"
        task = query.request.task or "default"
        key = task if task in self.table.cells else "default"
        cell = query.profile.overrides.get(f"{self.name}.{key}", self.table.cells[key])
        return cell, f"{task} → {cell}" if key == task else f"no cell for {task}, default → {cell}"

    def _others(self, query: Query, model: str, task: str) -> tuple[Rejected, ...]:
        """The other models of the profile, with the role that they play instead."""
        roles: dict[str, list[str]] = {}
        for role, name in query.profile.roles.items():
            if name != model:
                roles.setdefault(name, []).append(role)
        return tuple(
            Rejected(name, f"plays {', '.join(played)}; not the role for {task}") for name, played in roles.items()
        )


def fits(rule: Rule, request: Request) -> bool:
    """Whether every condition of the rule holds."""
    return all(
        not wanted or value in wanted
        for wanted, value in (
            (rule.user, request.user),
            (rule.agent, request.agent),
            (rule.phase, request.phase),
            (rule.task, request.task),
        )
    )


def _model(query: Query, use: str) -> str:
    return query.role(use) if use in ROLES else use
