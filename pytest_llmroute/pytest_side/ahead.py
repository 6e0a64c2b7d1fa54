"""Calls that are known before their tests run are made ahead, through slots, while pytest's loop goes on as ever."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Message
from pytest_llmroute.core.steps import Plan
from pytest_llmroute.engine.dispatch import Dispatcher, Job
from pytest_llmroute.engine.width import Width, width_for
from pytest_llmroute.errors import LLMRouteError
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.collect import TaskItem
from pytest_llmroute.pytest_side.marker import messages_of

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

JOB = pytest.StashKey[Job]()
WAIT = pytest.StashKey["Wait"]()
GIVE_WAY = 0.0002
"""Seconds after which a thread that computes lets another one compute: an answer must not wait for pytest's own work,
nor the next call for the answer."""
OWN = frozenset({"llm", "llm_reply", "_llm_case", "_llm_column", "_llm_run", "request"})
"""Fixtures of ours; a test that uses another one may need it for its call."""


@dataclass(slots=True)
class Wait:
    """What a test waited for a call that was made ahead, and what the call itself took."""

    waited: float
    own: float


class Ahead:
    """The calls that are made ahead in one process."""

    def __init__(self, session: LLMSession, wanted: int | None, bound: bool) -> None:
        self._session, self._wanted = session, wanted
        self._usual_interval = sys.getswitchinterval()
        pool = session.engine.pool
        self.dispatcher = Dispatcher(
            pool.lane, partial(_width, pool, wanted), ahead=2 * (wanted or 4) if bound else None
        )

    def begin(self, items: Iterable[pytest.Item]) -> None:
        """In the order in which pytest runs them."""
        sys.setswitchinterval(min(GIVE_WAY, self._usual_interval))
        for index, item in enumerate(items):
            if JOB in item.stash or (messages := known(item)) is None:
                continue
            card = self._card(item, messages)
            if card is not None:
                job = Job(partial(self._plan, item, messages), index=index)
                item.stash[JOB] = job
                self.dispatcher.submit(job, card)

    def _card(self, item: pytest.Item, messages: tuple[Message, ...]) -> ModelCard | None:
        """The model that is asked first; None where the test itself shall ask, without a slot or in vain."""
        engine = self._session.engine
        case = item_side.case_of(item, self._session.columns[0])
        try:
            card = engine.router.catalog.model(engine.decide(case.request(messages), case.column, case.repeat).model)
        except LLMRouteError:
            return None
        return card if _width(engine.pool, self._wanted, card)() else None

    def _plan(self, item: pytest.Item, messages: tuple[Message, ...]) -> Plan[Any]:
        return self._session.plan_of(item, messages)

    def wait(self, item: pytest.Item, job: Job) -> Any:
        """The result of a call that was made ahead."""
        __tracebackhide__ = True
        self.dispatcher.reached(job.index + 1)
        started = time.perf_counter()
        try:
            return job.wait()
        finally:
            item.stash[WAIT] = Wait(time.perf_counter() - started, job.own_seconds)
            if not self.dispatcher.under_way:
                sys.setswitchinterval(self._usual_interval)

    def stop(self) -> None:
        self.dispatcher.stop()
        sys.setswitchinterval(self._usual_interval)


def known(item: pytest.Item) -> tuple[Message, ...] | None:
    """The messages of an item's call, if they are known before it runs and need nothing of its fixtures."""
    if isinstance(item, TaskItem):
        return item.task.messages
    if not item_side.is_ours(item) or "llm_reply" not in getattr(item, "fixturenames", ()):
        return None
    params = item_side.params_of(item)
    if set(item.fixturenames) - OWN - params.keys():  # type: ignore[attr-defined]
        return None
    try:
        return messages_of(item_side.declared_of(item), params, item_side.where_of(item))
    except Exception:
        return None  # the test itself will tell


def _width(pool: BackendPool, wanted: int | None, card: ModelCard) -> Width:
    return width_for(wanted, pool.slots(card))
