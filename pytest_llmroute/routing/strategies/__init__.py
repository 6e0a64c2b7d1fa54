"""The built-in strategies, registered through the same hook as anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_llmroute.config.catalog import Table, builtin_strategies
from pytest_llmroute.routing.contract import Strategy
from pytest_llmroute.routing.strategies.agents import Agents
from pytest_llmroute.routing.strategies.claude_only import ClaudeOnly
from pytest_llmroute.routing.strategies.hybrid import Hybrid
from pytest_llmroute.routing.strategies.ladder import LadderStrategy
from pytest_llmroute.routing.strategies.local_fallback import LocalFallback
from pytest_llmroute.routing.strategies.local_only import LocalOnly
from pytest_llmroute.routing.strategies.table import TableStrategy


def builtin_tables_by_name() -> Mapping[str, Table]:
    """The strategies that are tables, and may be changed by a configuration."""
    return builtin_strategies()


def strategy_of(table: Table) -> Strategy:
    return TableStrategy(table) if table.ladder is None else LadderStrategy(table, table.ladder)


def llmroute_strategies() -> Sequence[Strategy]:
    """The hook's implementation."""
    tables = map(strategy_of, builtin_tables_by_name().values())
    return [*tables, Hybrid(), LocalFallback(), LocalOnly(), ClaudeOnly(), Agents()]
