"""Which tests xdist has given to this worker so far: what it runs next may be known long before."""

from __future__ import annotations

from typing import Any

import pytest

STEALING = "worksteal"
"""Takes tests away from workers again: a call that was made ahead would be made twice."""


class Assigned:
    """Looks into the queue of a worker; where there is none like it, only the running test is known."""

    def __init__(self, config: pytest.Config) -> None:
        steals = getattr(config, "workerinput", {}).get("llmroute_dist") == STEALING
        self._worker = None if steals else _worker(config)
        self._seen: set[int] = set()

    def new(self, item: pytest.Item) -> list[pytest.Item]:
        """Those that are new since the last time, `item` first where it is."""
        if self._worker is None:
            return [item]
        items: list[pytest.Item] = self._worker.session.items
        with self._worker.torun.lock() as queue:
            known = [self._worker.item_index, self._worker.nextitem_index, *_tail(queue, self._seen)]
        fresh = [index for index in known if isinstance(index, int) and index not in self._seen]
        self._seen.update(fresh)
        return [items[index] for index in fresh]


def _worker(config: pytest.Config) -> Any:
    """The plugin of xdist's that runs tests in a worker."""
    plugins = config.pluginmanager.get_plugins()
    return next((each for each in plugins if hasattr(each, "torun") and hasattr(each.torun, "lock")), None)


def _tail(queue: Any, seen: set[int]) -> list[Any]:
    """From the first that is new: tests are put at the end, and taken from the front."""
    found: list[Any] = []
    for index in reversed(queue):
        if index in seen:
            break
        found.append(index)
    return found[::-1]
