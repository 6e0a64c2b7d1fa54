"""The budget of a run, as pytest sees it: which items still run, when the run stops, what its end says."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.core.budget import SPENT, Budget, read_budget
from pytest_llmroute.errors import OutOfBudget
from pytest_llmroute.pytest_side import reports
from pytest_llmroute.pytest_side.controller import Controller
from pytest_llmroute.store.journal import journal_folder

if TYPE_CHECKING:
    from pytest_llmroute.engine.budget import Spending
    from pytest_llmroute.engine.ledger import Ledger
    from pytest_llmroute.pytest_side.session import LLMSession


class Paying:
    """Of one process; the workers of a run and their controller share one ledger."""

    def __init__(self, session: LLMSession) -> None:
        self._session = session
        self.stops = False
        """Whether an item was not run for want of budget."""

    def spending(self, pool: BackendPool) -> Spending | None:
        if self.budget is None:
            return None
        from pytest_llmroute.engine.budget import Spending

        return Spending(self.budget, self.ledger, pool)

    @cached_property
    def budget(self) -> Budget | None:
        text = self._session.settings["budget"]
        return None if text is None else read_budget(text)

    @cached_property
    def ledger(self) -> Ledger:
        """What is spent; the workers of a run and their controller share one."""
        from pytest_llmroute.engine.ledger import OwnLedger, SharedLedger

        if self._session.worker == "main" and self._session.config.getoption("dist", "no") == "no":
            return OwnLedger()
        return SharedLedger(journal_folder(self._session.config.rootpath, self._session.run_id) / "budget.json")

    def check(self, item: pytest.Item) -> None:
        """Once the budget is spent only those are run whose call was made before."""
        spending = self._session.engine.spending
        ahead = self._session.ahead
        if spending is not None and spending.over and not (ahead is not None and ahead.paid(item)):
            raise OutOfBudget(SPENT)

    def not_run(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Its call was not made for want of budget: no verdict, no record; and the run stops."""
        reports.as_not_run(report, item, f"not asked: {SPENT}")
        self.stops = True
        self.stop(item)

    def stop(self, item: pytest.Item) -> None:
        """When the budget is spent and all that was paid is judged."""
        if self.stops and (self._session.ahead is None or not self._session.ahead.paid()):
            item.session.shouldstop = SPENT

    def tell(self, controller: Controller, session: pytest.Session) -> None:
        if self.budget is not None and controller.tally.count + len(controller.not_run):
            from pytest_llmroute.engine.budget import spent_line

            with self.ledger.open() as account:
                left = self._session.left + len(controller.not_run)
                controller.spent = spent_line(self.budget, account, left, session.testscollected)
                controller.out_of_budget = bool(account.refused)
