"""Calls that are known before their tests run are made ahead, through slots, while pytest's loop goes on as ever."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.core.attempts import CROWDED, ONE_SLOT
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Message
from pytest_llmroute.core.steps import Plan
from pytest_llmroute.engine.dispatch import Dispatcher, Dropped, Job
from pytest_llmroute.engine.leases import POSSIBLE, SlotLeases, file_name
from pytest_llmroute.engine.width import Fixed, Width, width_for
from pytest_llmroute.errors import LLMRouteError, OutOfBudget
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.assigned import Assigned
from pytest_llmroute.pytest_side.collect import TaskItem
from pytest_llmroute.pytest_side.marker import messages_of
from pytest_llmroute.pytest_side.once import lease_folder

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

JOB = pytest.StashKey[Job]()
WAIT = pytest.StashKey["Wait"]()
FAR = 10_000
"""How many items ahead calls are made at most: their results are in memory until a test takes them."""
OWN = frozenset({"llm", "llm_reply", "_llm_case", "_llm_column", "_llm_run", "request", "event_loop_policy"})
"""Fixtures of ours, and one that pytest-asyncio gives to all tests; one that uses others may need them for its call."""


@dataclass(slots=True)
class Wait:
    """What a test waited for a call that was made ahead, and what the call itself took."""

    waited: float
    own: float


class Ahead:
    """The calls that are made ahead in one process."""

    def __init__(self, session: LLMSession, slots: int | None, bound: bool) -> None:
        self._session, self._slots = session, slots
        self._leases = lease_folder(session.config.rootpath, session.run_id)
        self._assigned = Assigned(session.config)
        self._memories = session.holdings.memories(session.wanted) if session.holdings is not None else None
        self._numbers = itertools.count()
        self._waiting: dict[int, Job] = {}
        """Those that nobody has asked for yet."""
        self._paid: set[int] | None = None
        replay = session.engine.replay
        self._looks = (replay is not None and replay.looks) or session.resuming is not None
        """Whether a call may be known: then its plan begins without slot and model, and asks for them when it must."""
        self.dispatcher = Dispatcher(
            session.engine.pool.lane,
            self._width,
            memory_of=self._memories.of if self._memories is not None else lambda card: None,
            ahead=2 * (slots or 4) if bound else FAR,
            waits=session.engine.pool.waits,
        )

    def assigned(self, item: pytest.Item) -> list[tuple[int, pytest.Item]]:
        """The tests of this worker that are new since it was asked last, `item` among them, each with its place."""
        return [(next(self._numbers), one) for one in self._assigned.new(item)]

    def begin(self, items: Iterable[tuple[int, pytest.Item]]) -> None:
        """Each with its place in the order in which pytest runs them; one slot makes no call before its test."""
        with self.dispatcher.gathering():
            for index, item in items:
                if self._slots != 1 and JOB not in item.stash and item_side.RESUMED not in item.stash:
                    self._begin(index, item)

    def _begin(self, index: int, item: pytest.Item) -> None:
        if (messages := known(item)) is None:
            return
        decision = self._decision(item, messages)
        card = self._card(decision)
        if card is not None or _long(item):
            job = Job(partial(self._plan, item, messages, decision), index=index)
            item.stash[JOB] = self._waiting[index] = job
            case = item_side.case_of(item, self._session.columns[0])
            self._session.events.tell("queued", case, model=card.name if card is not None else "")
            self.dispatcher.submit(job, None if self._looks else card)

    def _decision(self, item: pytest.Item, messages: tuple[Message, ...]) -> Decision | None:
        """Who will be asked; None where nobody is."""
        engine = self._session.engine
        if not engine.asks:
            return None
        case = item_side.case_of(item, self._session.columns[0])
        try:
            return engine.decide(case.request(messages), case.column, case.repeat)
        except LLMRouteError:
            return None  # the test itself will tell

    def _card(self, decision: Decision | None) -> ModelCard | None:
        """The model that is asked first; None where no slot is needed."""
        if decision is None:
            return None
        card = self._session.engine.router.catalog.model(decision.model)
        return None if self.dispatcher.slotless(card) else card

    def _width(self, card: ModelCard) -> Width | None:
        pool, workers = self._session.engine.pool, self._session.workers

        def shared(slots: int) -> Width:
            share = max(1, slots // workers)
            if workers == 1 or not POSSIBLE:
                return Fixed(share)
            return SlotLeases(self._leases / file_name(pool.lane(card)), slots, share)

        holdings = self._session.holdings
        parallel = holdings.parallel(card) if holdings is not None else None
        return width_for(self._slots, pool.slots(card), parallel, shared=shared, workers=workers)

    def _plan(self, item: pytest.Item, messages: tuple[Message, ...], decision: Decision | None) -> Plan[Any]:
        return self._session.running.plan_of(item, messages, queued=True, decision=decision)

    def wait(self, item: pytest.Item, job: Job) -> Any:
        """The result of a call that was made ahead."""
        __tracebackhide__ = True
        self._waiting.pop(job.index, None)
        self.dispatcher.reached(job.index + 1)
        started = time.perf_counter()
        self.dispatcher.give_way()
        try:
            return job.wait()
        except Dropped:
            raise pytest.Session.Interrupted(self._session.why_stopped) from None
        finally:
            item.stash[WAIT] = Wait(time.perf_counter() - started, job.own_seconds)

    def paid(self, item: pytest.Item | None = None) -> bool:
        """Once the budget is spent: whether the call of an item, or of any that is yet to come, was made before."""
        if self._paid is None:
            begun = {index: job for index, job in self._waiting.items() if job.begun}
            for job in begun.values():
                job.settle()
            self._paid = {index for index, job in begun.items() if not isinstance(job.error, OutOfBudget)}
        self._paid &= self._waiting.keys()
        return bool(self._paid) if item is None else JOB in item.stash and item.stash[JOB].index in self._paid

    def stop(self) -> None:
        self.dispatcher.stop()

    def leave(self) -> None:
        """When all models are closed: others may have slots and room, long before this process ends."""
        self.dispatcher.leave()
        if self._memories is not None:
            self._memories.leave()


def apart_of(session: LLMSession) -> Callable[[str, str], str]:
    """What tells why two models can't be asked at the same time; it tells nothing where they can."""

    @cache
    def why(small: str, large: str) -> str:
        pool, holdings = session.engine.pool, session.holdings
        one, other = (session.engine.router.catalog.model(name) for name in (small, large))
        if holdings is not None and holdings.crowded((small, large)):
            return CROWDED
        if pool.lane(one) != pool.lane(other):
            return ""
        parallel = holdings.parallel(one) if holdings is not None else None
        width = width_for(session.settings["concurrency"], pool.slots(one), parallel)
        return ONE_SLOT if width is not None and width() == 1 else ""

    return why


def known(item: pytest.Item) -> tuple[Message, ...] | None:
    """The messages of an item's call, if they are known before it runs and need nothing of its fixtures."""
    if isinstance(item, TaskItem):
        return item.task.messages
    if not item_side.is_ours(item) or "llm_reply" not in getattr(item, "fixturenames", ()):
        return None
    if set(item.fixturenames) - OWN - item_side.params_of(item).keys():  # type: ignore[attr-defined]
        return None
    return messages_of_item(item)


def messages_of_item(item: pytest.Item) -> tuple[Message, ...] | None:
    """What an item declares to ask; None where that is known to its body alone, or wrong."""
    if isinstance(item, TaskItem):
        return item.task.messages
    try:
        spec = item_side.declared_of(item)
        if spec.prompt is None:
            return None
        return messages_of(spec, item_side.params_of(item), item_side.where_of(item))
    except Exception:
        return None  # the test itself will tell


def _long(item: pytest.Item) -> bool:
    """Whether a check takes so long that it is made beside the calls."""
    return isinstance(item, TaskItem) and getattr(item.task.check, "long", False)
