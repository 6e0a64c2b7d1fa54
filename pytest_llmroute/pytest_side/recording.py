"""From pytest's reports of an item to its record: the outcome, what was measured, and how it shows."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.core.records import PROPERTY, Record
from pytest_llmroute.engine.case import Case, CaseRun
from pytest_llmroute.errors import LLMRouteError, OutOfBudget
from pytest_llmroute.measure.mark import Usage
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side import reports
from pytest_llmroute.pytest_side.ahead import WAIT
from pytest_llmroute.pytest_side.collect import TaskItem
from pytest_llmroute.pytest_side.running import SCORE, USAGE, forget

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.resuming import Resuming
    from pytest_llmroute.pytest_side.session import LLMSession


class Recording:
    """Of one process."""

    def __init__(self, session: LLMSession) -> None:
        self._session = session

    def report(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """What becomes of pytest's report of a phase."""
        error = call.excinfo.value if call.excinfo is not None else None
        theirs = True
        if isinstance(error, LLMRouteError) and not self._session.settings["debug"]:
            theirs = reports.shorten(error, self._session.config.rootpath)
        report = yield
        if self._session.resuming is not None and item_side.RESUMED in item.stash:
            return self._report_recorded(item, report, self._session.resuming)
        if not theirs and not isinstance(item, TaskItem):
            report.longrepr = f"{item_side.where_of(item)}: {error}"
        run = item.stash.get(item_side.RUN, None)
        if report.when != "teardown" and (isinstance(error, OutOfBudget) or (run is not None and run.refused)):
            self._session.paying.not_run(item, report)
            return report
        if report.when == "teardown":
            self._session.paying.stop(item)
        if run is None or run.refused:
            return report
        if (wait := item.stash.get(WAIT, None)) is not None and report.when != "teardown":
            # The item's own time: what the call took, not what pytest waited for it.
            report.duration = max(0.0, report.duration - wait.waited) + wait.own
            del item.stash[WAIT]
        if report.when == "call" and report.passed and run.canned:
            reports.as_canned_error(report, run)
        reports.make_inert(report, self._session.keeper.redact)
        found = reports.verdict(report, call.excinfo, run)
        if report.when == "teardown":
            if report.failed:
                self._session.keeper.amend(run.draft.nodeid, "error", self._session.keeper.redact(found.message))
            forget(item)
            return report
        if report.when == "setup" and report.passed:
            if not isinstance(item, TaskItem):  # whose calls may have been made ahead, and are its own
                run.setup_seconds = sum(made.total_s for made in run.calls)
            return report
        self._shape(report, run.case, found.outcome)
        self._session.events.tell("judged", run.case, model=run.model, outcome=found.outcome)
        self._attach(*self._record(item, run, found, report), item, report)
        return report

    def _report_recorded(self, item: pytest.Item, report: pytest.TestReport, resuming: Resuming) -> pytest.TestReport:
        """Of a test that is finished since before the run was resumed."""
        record = item.stash[item_side.RESUMED]
        if report.when == "teardown":
            resuming.let_go(item)
        elif report.when == "call" or not report.passed:
            resuming.report(report, item)
            reports.make_inert(report, self._session.keeper.redact)
            self._shape(report, item_side.case_of(item, self._session.columns[0]), record.outcome)
            light = record.without_texts()
            self._attach(light, light.to_json(), item, report)
            if self._session.rounds is not None:
                self._session.rounds.heard(record)
        return report

    def _attach(self, record: Record, text: str, item: pytest.Item, report: pytest.TestReport) -> None:
        """`text` is the record's JSON, as it travels."""
        report.user_properties.append((PROPERTY, text))
        if self._session.controller is not None:
            self._session.controller.made = text, record
        item.user_properties[:] = [*reports.foreign(item.user_properties), *reports.flat(record)]

    def _shape(self, report: pytest.TestReport, case: Case, outcome: str) -> None:
        """How the report shows: a miss that fails nothing, or an error where infrastructure failed."""
        if outcome == "missed" and (self._session.settings["gate"] != "off" or case.min_pass is not None):
            report.__dict__[reports.SHOWN] = "miss"
        elif outcome == "error" and report.when == "call":
            report.__dict__[reports.SHOWN] = "error"

    def _record(
        self, item: pytest.Item, run: CaseRun, found: reports.Verdict, report: pytest.TestReport
    ) -> tuple[Record, str]:
        """The record as it travels, and its JSON; all of it is in the journal."""
        self._session.running.measured(item)
        usage = item.stash.get(USAGE, None)
        score = item.stash.get(SCORE, None)
        record = run.finish(
            found.outcome,
            message=found.message,
            error_class=found.error_class,
            score=score.score if score else None,
            solution=score.solution if score else None,
            seconds=run.setup_seconds + (report.duration if report.when == "call" else 0.0),
            usage=_figures(usage) if usage else None,
        )
        record = reports.without_secrets(record, self._session.keeper.redact)
        text = self._session.keeper.record(record)
        if self._session.keeper.trouble is None:
            self._session.events.tell(
                "recorded", run.case, model=run.model, outcome=record.outcome, seconds=record.seconds, usd=record.usd,
                prompt_tokens=record.prompt_tokens, completion_tokens=record.completion_tokens,
            )  # fmt: skip
        if self._session.rounds is not None:
            self._session.rounds.heard(record)
        if record.solution is None:
            return record, text
        light = record.without_texts()
        return light, light.to_json()


def _figures(usage: Usage) -> dict[str, Any]:
    """The fields of a record that are measured."""
    return {
        "rss_peak": usage.rss_peak,
        "rss_average": usage.rss_average,
        "pss_peak": usage.pss,
        "ram_source": usage.source,
        "ram_scope": usage.scope,
        "cpu_seconds": usage.cpu_seconds,
        "cpu_percent": usage.cpu_percent,
        "gpu_bytes": usage.gpu_bytes,
        "gpu_percent": usage.gpu_percent,
    }
