"""The built-in strategies, registered through the same hook as anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_llmroute.config.catalog import Table, builtin_catalog
from pytest_llmroute.routing.contract import Strategy
from pytest_llmroute.routing.strategies.agents import Agents
from pytest_llmroute.routing.strategies.claude_only import ClaudeOnly
from pytest_llmroute.routing.strategies.hybrid import Hybrid
from pytest_llmroute.routing.strategies.local_fallback import LocalFallback
from pytest_llmroute.routing.strategies.local_only import LocalOnly
from pytest_llmroute.routing.strategies.table import TableStrategy


def builtin_tables_by_name() -> Mapping[str, Table]:
    """The strategies that are tables, and may be changed by a configuration."""
    return builtin_catalog().tables


def llmroute_strategies() -> Sequence[Strategy]:
    """The hook's implementation."""
    tables = [TableStrategy(table) for table in builtin_tables_by_name().values()]
    return [*tables, Hybrid(), LocalFallback(), LocalOnly(), ClaudeOnly(), Agents()]
