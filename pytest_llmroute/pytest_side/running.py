"""What an item asks: made ahead, or now; and the running case of each item."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Message
from pytest_llmroute.core.steps import Plan, run_now
from pytest_llmroute.engine.case import Case, CaseRun
from pytest_llmroute.engine.llm import LLM
from pytest_llmroute.measure.mark import Mark, Usage
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side.ahead import JOB
from pytest_llmroute.pytest_side.collect import Answered, TaskItem
from pytest_llmroute.pytest_side.marker import messages_of

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

SCORE = pytest.StashKey[CheckResult]()
MARK = pytest.StashKey[Mark]()
USAGE = pytest.StashKey[Usage | None]()
ATTEMPTS = pytest.StashKey[Iterator[int]]()


class Running:
    """The items of one process, while they run."""

    def __init__(self, session: LLMSession) -> None:
        self._session = session
        self._beginning = threading.Lock()

    def llm_of(self, item: pytest.Item) -> LLM:
        session = self._session
        through = session.ahead.dispatcher if session.ahead else None
        return LLM(session.engine, self.run_of(item), session.keeper, through, solver=session.solver)

    def declared_reply(self, item: pytest.Item) -> Reply:
        """The reply to a declared prompt; made ahead, or now."""
        __tracebackhide__ = True
        if (job := self._job_of(item)) is not None:
            reply: Reply = job()
            return reply
        spec = item_side.declared_of(item)
        messages = messages_of(spec, item_side.params_of(item), item_side.where_of(item))
        now: Reply = self.now(self.plan_of(item, messages))
        return now

    def answered(self, item: TaskItem) -> Answered:
        """The reply to a task, judged where that is done beside the calls; made ahead, or now."""
        __tracebackhide__ = True
        if (job := self._job_of(item)) is not None:
            answered: Answered = job()
            return answered
        made: Answered = self.now(self.plan_of(item, item.task.messages))
        return made

    def now(self, plan: Plan[Any]) -> Any:
        """What a plan gives that was not begun before."""
        __tracebackhide__ = True
        return self._session.ahead.dispatcher.follow(plan).wait() if self._session.ahead is not None else run_now(plan)

    def _job_of(self, item: pytest.Item) -> Callable[[], Any] | None:
        """What waits for the call that was made ahead for an item: once, since a rerun wants a new one."""
        if self._session.ahead is None or JOB not in item.stash:
            return None
        job = item.stash[JOB]
        del item.stash[JOB]
        return partial(self._session.ahead.wait, item, job)

    def plan_of(
        self, item: pytest.Item, messages: tuple[Message, ...], *, queued: bool = False,
        decision: Decision | None = None,
    ) -> Plan[Any]:  # fmt: skip
        """The steps of an item whose call is known: the call; of a task its check, too, and what is tried after it."""
        run, session = self.run_of(item), self._session
        request = run.case.request(messages)
        try:
            if isinstance(item, TaskItem):
                solving = session.solver.solving(
                    item.task, request, run, session.keeper, queued=queued, decision=decision
                )
                solved = yield from solving
                return Answered(solved.reply.text, solved.judged)
            asking = session.engine.asking(
                request, run.case.column, run=run, calls=session.keeper, queued=queued, decision=decision
            )
            return (yield from asking)
        finally:
            self.measured(item)

    def scored(self, item: pytest.Item, result: CheckResult) -> None:
        item.stash[SCORE] = result

    def run_of(self, item: pytest.Item) -> CaseRun:
        """The running case of an item, begun on first need: by its test, or by a slot that makes its call ahead."""
        session = self._session
        with self._beginning:
            if item_side.RUN in item.stash:
                return item.stash[item_side.RUN]
            case = item_side.case_of(item, session.columns[0])
            draft = case.draft(session.run_id, session.settings["profile"], session.worker, shared=session.shared)
            run = item.stash[item_side.RUN] = CaseRun(case, draft, attempts=self._attempts(item, case))
        session.keeper.start(draft)  # without the lock: others need not wait for the disk
        item.stash[MARK] = session.meter.begin()
        return run

    def _attempts(self, item: pytest.Item, case: Case) -> Iterator[int]:
        """Numbers of an item's calls: each once in a run, however often the item runs and the run is resumed."""
        if ATTEMPTS not in item.stash:
            before = self._session.resuming.replies.last_attempt(case.nodeid) if self._session.resuming else 0
            item.stash[ATTEMPTS] = itertools.count(before + 1)
        return item.stash[ATTEMPTS]

    def measured(self, item: pytest.Item) -> None:
        """Ends the measurement of an item; of one whose call is made ahead, when the call has ended."""
        with self._beginning:
            mark = item.stash.get(MARK, None)
            if mark is not None:
                del item.stash[MARK]
        if mark is not None:
            item.stash[USAGE] = self._session.meter.end(mark)


def forget(item: pytest.Item) -> None:
    """What a test left behind is of no use after it; a plugin that reruns one begins with its set-up again, afresh."""
    keys: tuple[pytest.StashKey[Any], ...] = (item_side.RUN, SCORE, USAGE)
    for key in keys:
        if key in item.stash:
            del item.stash[key]
