"""The one object of an active session: pytest's hooks come in here and are handed on."""

from __future__ import annotations

import itertools
import os
import threading
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute import __version__
from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.config.options import ADAPTIVE, BY_NAME
from pytest_llmroute.config.resolve import Level
from pytest_llmroute.config.situation import Situation, nothing_configured, situation
from pytest_llmroute.core.budget import Budget, read_budget
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.records import PROPERTY, Record
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Message, as_messages
from pytest_llmroute.core.steps import Plan, Work, run_now
from pytest_llmroute.engine.budget import SPENT, Spending, spent_line
from pytest_llmroute.engine.case import Case, CaseRun
from pytest_llmroute.engine.engine import Engine
from pytest_llmroute.engine.events import Events
from pytest_llmroute.engine.holdings import Facts, Holdings
from pytest_llmroute.engine.ledger import Ledger, OwnLedger, SharedLedger
from pytest_llmroute.engine.llm import LLM
from pytest_llmroute.engine.setup import (
    catalog_of,
    check_names,
    close_sandbox,
    known_names,
    make_engine,
    make_router,
    surroundings,
)
from pytest_llmroute.errors import LLMRouteError, LLMRouteWarning, OutOfBudget, UserError, one
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.gate.looks import LOOKS
from pytest_llmroute.measure.mark import Mark, Usage
from pytest_llmroute.measure.meter import ProcessMeter
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side import preflight, reports
from pytest_llmroute.pytest_side.ahead import JOB, WAIT, Ahead
from pytest_llmroute.pytest_side.collect import Solved, TaskCollector, TaskItem
from pytest_llmroute.pytest_side.columns import Cell, cells_of, columns_of, distinct
from pytest_llmroute.pytest_side.controller import FOLDER, SYNTHETIC, Controller
from pytest_llmroute.pytest_side.ending import hear_no_more, interrupt_workers, without_way
from pytest_llmroute.pytest_side.facts import run_facts
from pytest_llmroute.pytest_side.gating import gate_of
from pytest_llmroute.pytest_side.header import header
from pytest_llmroute.pytest_side.journaling import Keeper
from pytest_llmroute.pytest_side.marker import Declared, let_prompt_use_parameters, messages_of
from pytest_llmroute.pytest_side.once import forget
from pytest_llmroute.pytest_side.order import put_in_order
from pytest_llmroute.pytest_side.resuming import (
    Part,
    Resuming,
    claimed,
    let_go,
    part_of_worker,
    report_recorded,
    resumed_part,
    status_of,
)
from pytest_llmroute.pytest_side.rounds import Rounds, in_rounds, out_of_order, refuse
from pytest_llmroute.report.summary import RunHead
from pytest_llmroute.store.journal import Journal, JournalError, journal_folder, journal_path, part_name, run_header
from pytest_llmroute.store.locate import store_path
from pytest_llmroute.tasks.values import Known

if TYPE_CHECKING:
    from pytest_llmroute.engine.replay import Replay

SCORE = pytest.StashKey[CheckResult]()
MARK = pytest.StashKey[Mark]()
USAGE = pytest.StashKey["Usage | None"]()
ATTEMPTS = pytest.StashKey[Iterator[int]]()


class LLMSession:
    """Settings, engine, records of one pytest process; the controller adds the aggregate."""

    def __init__(
        self, config: pytest.Config, found: Situation, columns: tuple[Column, ...], part: Part,
        facts: Mapping[str, Any],
    ) -> None:  # fmt: skip
        run_id = part.run_id
        self.config, self.columns, self.run_id, self.part = config, columns, run_id, part
        self.project, self.settings, self.env = found.project, found.settings, found.env
        self.errors: list[UserError] = []
        """Mistakes found while collecting; raised together, since pytest_generate_tests must not raise."""
        self.tags: set[str] = set()
        self.worker = os.environ.get("PYTEST_XDIST_WORKER", "main") if hasattr(config, "workerinput") else "main"
        head = RunHead(
            run_id=run_id,
            version=__version__,
            profile=self.settings["profile"],
            columns=tuple(column.name for column in columns),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            facts={**facts, "resumed": part.earlier} if part.earlier else facts,
            options={name: resolved.value for name, resolved in self.settings.values.items()},
        )
        path = journal_path(config.rootpath, run_id, self.worker, part.number)
        about = {name: getattr(head, name) for name in ("started_at", "version", "profile", "columns", "facts")}
        self.keeper = Keeper(Journal(path, run_header(run_id, self.worker, about)), Redactor(self.env))
        self.keeper.stop = self._nothing_is_kept
        self.resuming = Resuming(part) if part.earlier else None
        store = store_path(self.settings["store"], config.rootpath, self.settings.origin("store"))
        typed = self.settings.level("baseline") is Level.COMMAND_LINE
        gate = gate_of(self.settings, head, config.invocation_params.dir if typed else config.rootpath, store)
        self.controller = (
            None
            if hasattr(config, "workerinput")
            else Controller(config, self.settings, head, gate, store, self.env, resumes=self.resuming is not None)
        )
        refuse(self.settings, gate, spread=config.getoption("dist", "no") != "no" or self.worker != "main")
        self.ahead: Ahead | None = None
        self._loop: pytest.Session | None = None
        self.wanted: Mapping[str, int] = {}
        """Tests by the model that they ask first, as far as that is known before they run."""
        self.holdings: Holdings | None = None
        """The memories of the models; None where none of them is asked."""
        self.rounds: Rounds | None = None
        """Where repeats are adaptive and tests run in this process."""
        self._warned = False
        self._beginning = threading.Lock()
        self._stops = False
        """Whether an item was not run for want of budget."""
        self.left = 0
        """Tests without a report when the loop ended."""
        self.broken = False
        """Whether the options or files can't be used: nothing runs."""

    @staticmethod
    def of(config: pytest.Config, run_id: str) -> LLMSession:
        """Options and files are read here."""
        try:
            found = situation(
                config.rootpath,
                os.environ,
                cli=lambda option: config.getoption(option.dest),
                ini=lambda option: config.getini(option.ini),
            )
            return LLMSession._begun(config, found, run_id)
        except UserError as error:
            found = nothing_configured(config.rootpath, os.environ)
            session = LLMSession(config, found, columns_of(found.settings), Part(run_id), {})
            session.errors.append(error)
            session.broken = True
            return session

    @staticmethod
    def _begun(config: pytest.Config, found: Situation, run_id: str) -> LLMSession:
        """A new run, the next part of one that is resumed, or a worker's share of either."""
        settings, columns, root = found.settings, columns_of(found.settings), config.rootpath
        facts = run_facts(config, settings, found.env)
        told = getattr(config, "workerinput", None)
        runs = not (config.getoption("collectonly") or settings["plan"])
        part = Part(run_id)
        if told is not None:
            part = part_of_worker(root, told["llmroute_part"]) if "llmroute_part" in told else part
        elif wanted := settings["resume"]:
            store = store_path(settings["store"], root, settings.origin("store"))
            frame = {**facts, "profile": settings["profile"], "columns": [column.name for column in columns]}
            part = resumed_part(root, store, wanted, run_id, frame, runs=runs)
        session = LLMSession(config, found, columns, part, facts)
        if part.earlier and runs and told is None:
            claimed(session)
        return session

    def refuse(self) -> None:
        """Ends the run at once where the options are bad; while collecting, the mistakes are kept and told later."""
        if self.broken:
            raise self._usage_error(self.errors[0])

    def _usage_error(self, error: UserError) -> pytest.UsageError:
        """One clean block; the traceback only where it was asked for."""
        debug = self.config.getoption(BY_NAME["debug"].dest)
        return pytest.UsageError("".join(traceback.format_exception(error)) if debug else error.text())

    # What is there: made on first need, after every conftest.py that plays a part has been loaded.

    @cached_property
    def extensions(self) -> Extensions:
        extensions = Extensions(surroundings(self.settings, self.env))
        for plugin in self.config.pluginmanager.get_plugins():
            extensions.register(plugin)
        return extensions

    @pytest.hookimpl
    def pytest_plugin_registered(self, plugin: object) -> None:
        if "extensions" in self.__dict__:
            try:
                self.extensions.register(plugin)
            except UserError as error:
                self.errors.append(error)

    @cached_property
    def catalog(self) -> Catalog:
        return catalog_of(self.project, self.extensions)

    @cached_property
    def known(self) -> Known:
        return known_names(self.project)

    def wrong_names(self) -> list[UserError]:
        """What the configuration names and nobody has, now that every extension is known."""
        return check_names(self.project, self.extensions)

    @cached_property
    def engine(self) -> Engine:
        router = make_router(
            self.project, self.extensions, self.settings["profile"], self.env, where=self.settings.origin("profile")
        )
        engine = make_engine(
            router, self.extensions, self.extensions.scripted, limit=self.settings["timeout"], meter=self.meter,
            events=self.events,
        )  # fmt: skip
        return replace(
            engine, replay=self.replay, kept=self.resuming.replies if self.resuming else None,
            spending=self._spending(engine.pool),
        )  # fmt: skip

    def _spending(self, pool: BackendPool) -> Spending | None:
        return None if self.budget is None else Spending(self.budget, self.ledger, pool)

    @cached_property
    def budget(self) -> Budget | None:
        text = self.settings["budget"]
        return None if text is None else read_budget(text)

    @cached_property
    def ledger(self) -> Ledger:
        """What is spent; the workers of a run and their controller share one."""
        if self.worker == "main" and self.config.getoption("dist", "no") == "no":
            return OwnLedger()
        return SharedLedger(journal_folder(self.config.rootpath, self.run_id) / "budget.json")

    @cached_property
    def events(self) -> Events:
        return Events(self.extensions)

    @cached_property
    def replay(self) -> Replay | None:
        """None where every reply is asked for."""
        settings = self.settings
        if settings["replay"] == "none" and not settings["cache"]:
            return None
        from pytest_llmroute.engine.replay import Replay
        from pytest_llmroute.store.recordings import Recordings

        recordings = Recordings(self.config.rootpath, settings["recordings"], self.keeper.redact, __version__)
        return Replay(settings["replay"], recordings, cache=settings["cache"])

    @cached_property
    def meter(self) -> ProcessMeter:
        return ProcessMeter(several=self.shared)

    def holdings_of(self, facts: Facts) -> Holdings:
        settings = self.settings
        return Holdings(
            self.engine.pool, self.catalog, facts, folder=self.config.rootpath / FOLDER,
            budget=settings["ram_budget"], pin=frozenset(settings["pin"]), workers=self.workers,
        )  # fmt: skip

    # Collecting

    def collect_tasks(self, path: Path, parent: pytest.Collector) -> TaskCollector:
        return TaskCollector.of(self, path, parent)

    def collect_named(self, path: Path, parent: pytest.Collector) -> TaskCollector | None:
        """A file without our suffix: named on the command line or by `llm_tasks`, and of a format that we know."""
        from pytest_llmroute.tasks.files import recognises

        patterns = self.settings["tasks"]
        root = self.config.rootpath
        listed = path.is_relative_to(root) and any(path.relative_to(root).match(pattern) for pattern in patterns)
        if not (listed or parent.session.isinitpath(path)) or not recognises(path):
            return None
        return self.collect_tasks(path, parent)

    def cells(self, phase: str | None, repeat: int | None, min_pass: int | None) -> tuple[Cell, ...]:
        """A test that counts its own passes needs all of its repeats."""
        wanted = repeat or self.settings["repeat"]
        adaptive = wanted == ADAPTIVE
        return cells_of(
            phase, self.settings["phase"] or (), LOOKS[-1] if adaptive else wanted, adaptive=adaptive and not min_pass
        )

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        try:
            spec = item_side.declared_of(metafunc.definition)
            columns = distinct(Column("model", name) for name in spec.models) or self.columns
            cells = self.cells(spec.phase, spec.repeat, spec.min_pass)
        except UserError as error:
            self.errors.append(error)
            spec, columns, cells = Declared(), self.columns, (Cell(None, 1, 1),)
        let_prompt_use_parameters(metafunc, spec)
        metafunc.parametrize(
            "_llm_column", columns, ids=[column.label for column in columns], indirect=True, scope="session"
        )
        if len(cells) > 1 or cells[0].label or cells[0].excluded:
            labels = [cell.label or "rep1" for cell in cells]
            metafunc.parametrize("_llm_run", cells, ids=labels, indirect=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        """The first to choose, and the last to order: `--ff` too does it after all others."""
        excluded = [item for item in items if _excluded(item)]
        if excluded:
            left = set(map(id, excluded))
            items[:] = [item for item in items if id(item) not in left]
            self.config.hook.pytest_deselected(items=excluded)
        result = yield
        if self.settings["repeat"] == ADAPTIVE:
            in_rounds(items)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """After every selection: what is left must be able to run, and runs model by model where memory is short."""
        checked = preflight.check(self, session.items)
        errors = checked.errors
        if not errors and checked.facts is not None:
            self.wanted = checked.wanted
            self.holdings = self.holdings_of(checked.facts)
            errors = put_in_order(self, session.items)
            if preflight.runs_nothing(self):
                return  # the plan says what does not fit
        if not errors:
            if self.resuming is not None:
                self.resuming.mark(self, session.items)
            return
        error = one(errors)
        output = getattr(self.config, "workeroutput", None)
        if output is None:
            raise self._usage_error(error)
        # On a worker: empty the list, so that nothing runs; the controller ends the run with this text.
        output["llmroute_error"] = error.text()
        session.items.clear()

    # Running

    def llm_of(self, item: pytest.Item) -> LLM:
        return LLM(self.engine, self._run_of(item), self.keeper, self.ahead.dispatcher if self.ahead else None)

    def declared_reply(self, item: pytest.Item) -> Reply:
        """The reply to a declared prompt; made ahead, or now."""
        __tracebackhide__ = True
        if (job := self._job_of(item)) is not None:
            reply: Reply = job()
            return reply
        spec = item_side.declared_of(item)
        messages = messages_of(spec, item_side.params_of(item), item_side.where_of(item))
        now: Reply = self._now(self._asking(item, messages))
        return now

    def solved(self, item: TaskItem) -> Solved:
        """The reply to a task, judged where that is done beside the calls; made ahead, or now."""
        __tracebackhide__ = True
        if (job := self._job_of(item)) is not None:
            solved: Solved = job()
            return solved
        made: Solved = self._now(self.plan_of(item, item.task.messages))
        return made

    def _now(self, plan: Plan[Any]) -> Any:
        """What a plan gives that was not begun before."""
        __tracebackhide__ = True
        return self.ahead.dispatcher.follow(plan).wait() if self.ahead is not None else run_now(plan)

    def _job_of(self, item: pytest.Item) -> Callable[[], Any] | None:
        """What waits for the call that was made ahead for an item: once, since a rerun wants a new one."""
        if self.ahead is None or JOB not in item.stash:
            return None
        job = item.stash[JOB]
        del item.stash[JOB]
        return partial(self.ahead.wait, item, job)

    def plan_of(self, item: pytest.Item, messages: tuple[Message, ...], *, queued: bool = False) -> Plan[Any]:
        """The steps of an item whose call is known: the call, and for a task its check where that takes long."""
        if not isinstance(item, TaskItem):
            return (yield from self._asking(item, messages, queued=queued))
        reply = yield from self._asking(item, messages, queued=queued)
        if not getattr(item.task.check, "long", False):
            return Solved(reply)
        from pytest_llmroute.tasks.checks import run_check

        try:
            return Solved(reply, (yield Work(partial(run_check, item.task, reply.text), long=True)))
        except Exception as error:
            return Solved(reply, error)

    def _asking(self, item: pytest.Item, messages: tuple[Message, ...], *, queued: bool = False) -> Plan[Reply]:
        run = self._run_of(item)
        try:
            reply = yield from self.engine.asking(
                run.case.request(messages), run.case.column, run=run, calls=self.keeper, queued=queued
            )
        finally:
            self._measured(item)
        return reply

    def scored(self, item: pytest.Item, result: CheckResult) -> None:
        item.stash[SCORE] = result

    def _run_of(self, item: pytest.Item) -> CaseRun:
        """The running case of an item, begun on first need: by its test, or by a slot that makes its call ahead."""
        with self._beginning:
            if item_side.RUN not in item.stash:
                case = item_side.case_of(item, self.columns[0])
                draft = case.draft(self.run_id, self.settings["profile"], self.worker, shared=self.shared)
                self.keeper.start(draft)
                item.stash[item_side.RUN] = CaseRun(case, draft, attempts=self._attempts(item, case))
                item.stash[MARK] = self.meter.begin()
            return item.stash[item_side.RUN]

    def _attempts(self, item: pytest.Item, case: Case) -> Iterator[int]:
        """Numbers of an item's calls: each once in a run, however often the item runs and the run is resumed."""
        if ATTEMPTS not in item.stash:
            before = self.resuming.replies.last_attempt(case.nodeid) if self.resuming else 0
            item.stash[ATTEMPTS] = itertools.count(before + 1)
        return item.stash[ATTEMPTS]

    def _measured(self, item: pytest.Item) -> None:
        """Ends the measurement of an item; of one whose call is made ahead, when the call has ended."""
        with self._beginning:
            if MARK in item.stash:
                item.stash[USAGE] = self.meter.end(item.stash[MARK])
                del item.stash[MARK]

    @property
    def workers(self) -> int:
        """How many processes run tests."""
        return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) if self.worker != "main" else 1

    @property
    def shared(self) -> bool:
        return self.workers > 1

    def decide(self, case: Case, text: str = "") -> Decision:
        return self.engine.decide(case.request(as_messages(text)), case.column, case.repeat)

    def _warn_of_equal_repeats(self, case: Case) -> None:
        if case.repeats < 2 or self._warned:
            return
        if self.decide(case).settings.temperature == 0:
            self._warned = True
            warnings.warn(
                LLMRouteWarning(
                    f"{case.nodeid}: {case.repeats} repeats at temperature 0 get identical replies; set a"
                    " temperature, or a phase that has one"
                ),
                stacklevel=2,
            )

    def _nothing_is_kept(self, error: JournalError) -> None:
        """The journal fails in the middle of the run: nobody shall pay for what can't be kept."""
        if self._loop is not None:
            self._loop.shouldstop = error.what
        if self.ahead is not None:
            self.ahead.stop()

    @property
    def why_stopped(self) -> str:
        """Of a test that waits for a call which is not made any more."""
        return str((self._loop is not None and self._loop.shouldstop) or "the run stops")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self.rounds is not None and not self.rounds.wants(item):
            return
        if item_side.RESUMED in item.stash:
            return
        if item_side.is_ours(item) or item_side.CASE in item.stash:
            self._stop_where_nothing_is_paid(item)
            if JOB not in item.stash:
                _forget(item)
            self._warn_of_equal_repeats(self._run_of(item).case)

    def _stop_where_nothing_is_paid(self, item: pytest.Item) -> None:
        """Once the budget is spent only those are run whose call was made before."""
        spending = self.engine.spending
        if spending is not None and spending.over and not (self.ahead is not None and self.ahead.paid(item)):
            raise OutOfBudget(SPENT)

    def _not_run(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Its call was not made for want of budget: no verdict, no record; and the run stops."""
        reports.as_not_run(report, item, f"not asked: {SPENT}")
        self._stops = True
        self._stop(item)

    def _stop(self, item: pytest.Item) -> None:
        """When the budget is spent and all that was paid is judged."""
        if self._stops and (self.ahead is None or not self.ahead.paid()):
            item.session.shouldstop = SPENT

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        error = call.excinfo.value if call.excinfo is not None else None
        theirs = True
        if isinstance(error, LLMRouteError) and not self.settings["debug"]:
            theirs = reports.shorten(error, self.config.rootpath)
        report = yield
        if item_side.RESUMED in item.stash:
            return self._report_recorded(item, report)
        if not theirs and not isinstance(item, TaskItem):
            report.longrepr = f"{item_side.where_of(item)}: {error}"
        run = item.stash.get(item_side.RUN, None)
        if report.when != "teardown" and (isinstance(error, OutOfBudget) or (run is not None and run.refused)):
            self._not_run(item, report)
            return report
        if report.when == "teardown":
            self._stop(item)
        if run is None or run.refused:
            return report
        if (wait := item.stash.get(WAIT, None)) is not None and report.when != "teardown":
            # The item's own time: what the call took, not what pytest waited for it.
            report.duration = max(0.0, report.duration - wait.waited) + wait.own
            del item.stash[WAIT]
        if report.when == "call" and report.passed and run.canned:
            reports.as_canned_error(report, run)
        reports.make_inert(report, self.keeper.redact)
        found = reports.verdict(report, call.excinfo, run)
        if report.when == "teardown":
            if report.failed:
                self.keeper.amend(run.draft.nodeid, "error", self.keeper.redact(found.message))
            _forget(item)
            return report
        if report.when == "setup" and report.passed:
            run.setup_seconds = sum(made.total_s for made in run.calls)
            return report
        self._shape(report, run.case, found.outcome)
        self.events.tell("judged", run.case, model=run.model, outcome=found.outcome)
        self._attach(*self._record(item, run, found, report), item, report)
        return report

    def _report_recorded(self, item: pytest.Item, report: pytest.TestReport) -> pytest.TestReport:
        """Of a test that is finished since before the run was resumed."""
        record = item.stash[item_side.RESUMED]
        if report.when == "teardown":
            let_go(item)
        elif report.when == "call" or not report.passed:
            report_recorded(report, item, record, self.part.earlier)
            reports.make_inert(report, self.keeper.redact)
            self._shape(report, item_side.case_of(item, self.columns[0]), record.outcome)
            light = record.without_texts()
            self._attach(light, light.to_json(), item, report)
            if self.rounds is not None:
                self.rounds.heard(record)
        return report

    def _attach(self, record: Record, text: str, item: pytest.Item, report: pytest.TestReport) -> None:
        """`text` is the record's JSON, as it travels."""
        report.user_properties.append((PROPERTY, text))
        if self.controller is not None:
            self.controller.made = text, record
        item.user_properties[:] = [*reports.foreign(item.user_properties), *reports.flat(record)]

    def _shape(self, report: pytest.TestReport, case: Case, outcome: str) -> None:
        """How the report shows: a miss that fails nothing, or an error where infrastructure failed."""
        if outcome == "missed" and (self.settings["gate"] != "off" or case.min_pass is not None):
            report.__dict__[reports.SHOWN] = "miss"
        elif outcome == "error" and report.when == "call":
            report.__dict__[reports.SHOWN] = "error"

    def _record(
        self, item: pytest.Item, run: CaseRun, found: reports.Verdict, report: pytest.TestReport
    ) -> tuple[Record, str]:
        """The record as it travels, and its JSON; all of it is in the journal."""
        self._measured(item)
        usage = item.stash[USAGE]
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
        record = reports.without_secrets(record, self.keeper.redact)
        text = self.keeper.record(record)
        if self.keeper.trouble is None:
            self.events.tell(
                "recorded", run.case, model=run.model, outcome=record.outcome, seconds=record.seconds, usd=record.usd,
                prompt_tokens=record.prompt_tokens, completion_tokens=record.completion_tokens,
            )  # fmt: skip
        if self.rounds is not None:
            self.rounds.heard(record)
        if record.solution is None:
            return record, text
        light = record.without_texts()
        return light, light.to_json()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        shown = getattr(report, reports.SHOWN, None)
        if report.nodeid.startswith(SYNTHETIC):
            # The progress is at 100 % when it comes: it is named in the summary, after that.
            return "failed", "", ("FAILED", {"red": True}) if shown else ""
        if str(report.outcome) == "rerun":
            return None
        if shown == reports.NOT_RUN:
            return "not run", "-", "NOT RUN"
        if shown == "miss":
            return "missed", "m", ("MISS", {"yellow": True})
        if shown == "error":
            return "error", "E", ("ERROR", {"red": True})
        return status_of(report)

    # Ending

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        self.heard(report)
        yield
        # Pytest keeps all reports until it ends: what has been heard is not kept twice.
        report.user_properties[:] = [one for one in report.user_properties if one[0] != PROPERTY]

    def heard(self, report: pytest.TestReport) -> None:
        """Takes the record off a report."""
        if self.controller is not None:
            self.controller.take(report)
            if self.controller.tally.count:
                self.keeper.open()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if not self.settings["plan"] or session.config.option.collectonly:
            return None
        from pytest_llmroute.pytest_side import plan

        self._write(plan.lines(self, session.items))
        return True

    def loop_begins(self, session: pytest.Session) -> None:
        """Where items are run: calls that are known by now are begun."""
        if session.config.option.collectonly or self.settings["plan"] or not session.items or self.broken:
            return
        self._loop = session
        spending = self.engine.spending
        if spending is not None:
            spending.begin()
        stops = session.config.getoption("maxfail", 0) or spending is not None
        self.ahead = Ahead(self, self.settings["concurrency"], bound=bool(stops))
        if self.settings["repeat"] == ADAPTIVE and self.controller is not None:
            self.rounds = Rounds(session.items, self.controller.gate, self.ahead.begin)
            if self.rounds.disturbed:
                raise self._usage_error(out_of_order())
            self.rounds.start()
        elif self.worker == "main":
            self.ahead.begin(enumerate(session.items))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """A worker of xdist's learns from time to time which tests are its own."""
        if self.ahead is not None and self.worker != "main":
            self.ahead.begin(self.ahead.assigned(item))

    def loop_ended(self, session: pytest.Session, incomplete: str) -> None:
        """`incomplete` says why the results are not those of a whole run."""
        option = session.config.option
        ran = not (option.collectonly or getattr(option, "setuponly", False) or self.settings["plan"])
        if self._stops:  # something was not run: no whole run, however the loop came to its end
            session.shouldstop = SPENT
        if self.controller is None or not ran:
            return
        if self._stops:
            raise session.Interrupted(SPENT)
        if self.rounds is not None:
            self.controller.looked(self.rounds.looks)
            if self.rounds.disturbed and not incomplete:
                incomplete = "tests with adaptive repeats ran in another order than that of their rounds"
        self.controller.loop_ended(session, incomplete)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if self.ahead is not None:
            self.ahead.stop()
        if not self.config.getoption("fulltrace"):
            without_way(excinfo)
        if self.worker != "main":
            hear_no_more()
        elif self.config.getoption("dist", "no") != "no":
            interrupt_workers(self.config.rootpath, self.run_id)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.ahead is not None:
            self.ahead.stop()
        if "engine" in self.__dict__:
            self.engine.pool.close()
        if self.ahead is not None:
            self.ahead.leave()
        close_sandbox()
        if "meter" in self.__dict__:
            self.meter.close()
            if series := self.meter.series(part_name(self.worker, self.part.number)):
                self.keeper.series(series)
        stopped = bool(session.shouldfail or session.shouldstop) or int(exitstatus) in (2, 3)
        self.keeper.end("interrupted" if stopped else "finished")
        heard = self.events.troubles if "events" in self.__dict__ else ()
        replayed = self.replay.troubles if self.replay else ()
        troubles = [*map(str, filter(None, [self.keeper.trouble])), *replayed, *heard]
        missing = self.replay.missing if self.replay else []
        if self.controller is None:
            self.config.workeroutput["llmroute_told"] = (troubles, missing)  # type: ignore[attr-defined]
        else:
            self.controller.told(troubles, missing)
            self._tell_budget(self.controller, session)
            self.controller.finish(stopped)
            forget(self.config.rootpath, self.run_id)

    def _tell_budget(self, controller: Controller, session: pytest.Session) -> None:
        if self.budget is not None and controller.tally.count + len(controller.not_run):
            with self.ledger.open() as account:
                left = self.left + len(controller.not_run)
                controller.spent = spent_line(self.budget, account, left, session.testscollected)
                controller.out_of_budget = bool(account.refused)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker could not keep or did not find is told at the end of the run, once."""
        told = (getattr(node, "workeroutput", None) or {}).get("llmroute_told")
        if told and self.controller is not None:
            self.controller.told(*told)

    def pytest_unconfigure(self) -> None:
        """Where there was no summary to show."""
        if self.controller is not None:
            self.controller.keep()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.controller is not None:
            self.controller.write_summary(terminalreporter)

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        """The header comes when it is known that something of ours will run."""
        ours = any(item_side.CASE in item.stash or item_side.is_ours(item) for item in items)
        return self._header() if ours and self.config.get_verbosity() >= 0 else []

    def pytest_report_header(self) -> list[str]:
        """Under xdist nothing is collected here; the header comes first, if an option asked for us."""
        return self._header() if self.config.getoption("dist", "no") != "no" else []

    def _header(self) -> list[str]:
        lines = header(self.catalog, self.settings, self.columns, self.env)
        collected = self.config.getoption("dist", "no") == "no"
        return [*lines, *(self.resuming.lines(collected=collected) if self.resuming else [])]

    def _write(self, lines: Sequence[str]) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
            for line in lines:
                terminal.write_line(line)


def _forget(item: pytest.Item) -> None:
    """What a test left behind is of no use after it; a plugin that reruns one begins with its set-up again, afresh."""
    keys: tuple[pytest.StashKey[Any], ...] = (item_side.RUN, SCORE, USAGE)
    for key in keys:
        if key in item.stash:
            del item.stash[key]


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


def _excluded(item: pytest.Item) -> bool:
    if getattr(item, "excluded", False):
        return True
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("_llm_run") if callspec else None
    return bool(cell and cell.excluded)
