"""The one object of an active session: pytest's hooks come in here and are handed on."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute import __version__
from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.config.options import ADAPTIVE, BY_NAME
from pytest_llmroute.config.resolve import Level
from pytest_llmroute.config.situation import Situation, nothing_configured, situation
from pytest_llmroute.core.budget import SPENT
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.records import PROPERTY
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.core.requests import as_messages
from pytest_llmroute.core.rounds import LOOKS
from pytest_llmroute.engine.case import Case
from pytest_llmroute.engine.engine import Engine
from pytest_llmroute.engine.events import Events
from pytest_llmroute.engine.holdings import Facts, Holdings
from pytest_llmroute.engine.residency.chains import Wanted
from pytest_llmroute.engine.setup import (
    catalog_of,
    check_names,
    close_sandbox,
    known_names,
    make_engine,
    make_router,
    surroundings,
)
from pytest_llmroute.engine.solving import Solver
from pytest_llmroute.errors import LLMRouteWarning, UserError, one
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.measure.meter import ProcessMeter
from pytest_llmroute.pytest_side import items as item_side
from pytest_llmroute.pytest_side import preflight, reports
from pytest_llmroute.pytest_side.ahead import JOB, Ahead, apart_of
from pytest_llmroute.pytest_side.collect import TaskCollector
from pytest_llmroute.pytest_side.columns import Cell, cells_of, columns_of, distinct
from pytest_llmroute.pytest_side.controller import FOLDER, SYNTHETIC, Controller
from pytest_llmroute.pytest_side.ending import hear_no_more, interrupt_workers, without_way
from pytest_llmroute.pytest_side.facts import run_facts
from pytest_llmroute.pytest_side.gating import gate_of
from pytest_llmroute.pytest_side.header import header
from pytest_llmroute.pytest_side.journaling import Keeper
from pytest_llmroute.pytest_side.limiting import keep_first
from pytest_llmroute.pytest_side.marker import Declared, let_prompt_use_parameters
from pytest_llmroute.pytest_side.once import forget
from pytest_llmroute.pytest_side.order import put_in_order
from pytest_llmroute.pytest_side.part import Part, status_of
from pytest_llmroute.pytest_side.paying import Paying
from pytest_llmroute.pytest_side.recording import Recording
from pytest_llmroute.pytest_side.running import Running
from pytest_llmroute.pytest_side.running import forget as forget_item
from pytest_llmroute.report.summary import RunHead
from pytest_llmroute.store.journal import Journal, JournalError, journal_path, part_name, run_header
from pytest_llmroute.store.locate import store_path
from pytest_llmroute.tasks.values import Known, TaskCase

if TYPE_CHECKING:
    from pytest_llmroute.engine.replay import Replay
    from pytest_llmroute.learn.ladders import Learned
    from pytest_llmroute.pytest_side.resuming import Resuming
    from pytest_llmroute.pytest_side.rounds import Rounds


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
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            facts={**facts, "resumed": part.earlier} if part.earlier else facts,
            options={name: resolved.value for name, resolved in self.settings.values.items()},
        )
        path = journal_path(config.rootpath, run_id, self.worker, part.number)
        about = {name: getattr(head, name) for name in ("started_at", "version", "profile", "columns", "facts")}
        self.keeper = Keeper(Journal(path, run_header(run_id, self.worker, about)), Redactor(self.env))
        self.keeper.stop = self._nothing_is_kept
        self.resuming: Resuming | None = None
        if part.earlier:
            from pytest_llmroute.pytest_side.resuming import Resuming

            self.resuming = Resuming(part)
        store = store_path(self.settings["store"], config.rootpath, self.settings.origin("store"))
        typed = self.settings.level("baseline") is Level.COMMAND_LINE
        gate = gate_of(self.settings, head, config.invocation_params.dir if typed else config.rootpath, store)
        self.controller = (
            None
            if hasattr(config, "workerinput")
            else Controller(config, self.settings, head, gate, store, self.env, resumes=self.resuming is not None)
        )
        if self.settings["repeat"] == ADAPTIVE:
            from pytest_llmroute.pytest_side.rounds import refuse

            refuse(gate, spread=config.getoption("dist", "no") != "no" or self.worker != "main")
        self.ahead: Ahead | None = None
        self._loop: pytest.Session | None = None
        self.wanted: Wanted = {}
        """Tests by the models that they may ask, as far as that is known before they run."""
        self.holdings: Holdings | None = None
        """The memories of the models; None where none of them is asked."""
        self.rounds: Rounds | None = None
        """Where repeats are adaptive and tests run in this process."""
        self._warned = False
        self.running, self.recording, self.paying = Running(self), Recording(self), Paying(self)
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
        if told is not None and "llmroute_part" in told:
            from pytest_llmroute.pytest_side.resuming import part_of_worker

            part = part_of_worker(root, told["llmroute_part"])
        elif told is None and (wanted := settings["resume"]):
            from pytest_llmroute.pytest_side.resuming import resumed_part

            store = store_path(settings["store"], root, settings.origin("store"))
            frame = {**facts, "profile": settings["profile"], "columns": [column.name for column in columns]}
            part = resumed_part(root, store, wanted, run_id, frame, runs=runs)
        session = LLMSession(config, found, columns, part, facts)
        if part.earlier and runs and told is None:
            from pytest_llmroute.pytest_side.resuming import claimed

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
        return known_names(self.project, self.extensions)

    def wrong_names(self) -> list[UserError]:
        """What the configuration names and nobody has, now that every extension is known."""
        return check_names(self.project, self.extensions)

    @cached_property
    def engine(self) -> Engine:
        router = make_router(
            self.project, self.extensions, self.settings["profile"], self.env, where=self.settings.origin("profile"),
            ladders={name: model for name in ("small", "large") if (model := self.settings[name]) is not None},
        )  # fmt: skip
        engine = make_engine(
            router, self.extensions, self.extensions.scripted, limit=self.settings["timeout"], meter=self.meter,
            events=self.events,
        )  # fmt: skip
        return replace(
            engine, replay=self.replay, kept=self.resuming.replies if self.resuming else None,
            spending=self.paying.spending(engine.pool),
        )  # fmt: skip

    @cached_property
    def solver(self) -> Solver:
        return Solver(self.engine, lambda: self.learned, self._task_of, apart_of(self))

    @cached_property
    def learned(self) -> Learned:
        """What earlier runs say of attempts: read before the first call, the same in all processes of the run."""
        from pytest_llmroute.pytest_side.learning import learned

        return learned(self)

    def _task_of(self, value: Any) -> TaskCase:
        from pytest_llmroute.tasks.files import task_of

        return value if isinstance(value, TaskCase) else task_of(
            value, "llm.solve", checks=self.extensions.checks(), known=self.known
        )  # fmt: skip

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
        if self.settings["limit"] is not None:
            keep_first(self, items)
        if self.settings["repeat"] == ADAPTIVE:
            items.sort(key=item_side.round_of)  # and the order within a round is left
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """After every selection: what is left must be able to run, and runs model by model where memory is short."""
        checked = preflight.check(self, session.items)
        errors = checked.errors
        if not errors and checked.facts is not None:
            self.wanted = checked.wanted
            self.holdings = self.holdings_of(checked.facts)
            misfits = put_in_order(self, session.items)
            errors = [] if preflight.runs_nothing(self) else misfits  # a plan tells them itself
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
            self.paying.check(item)
            if JOB not in item.stash:
                forget_item(item)
            self._warn_of_equal_repeats(self.running.run_of(item).case)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        return (yield from self.recording.report(item, call))

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
        if any(map(self.engine.router.ladder, self.columns)):
            _ = self.learned  # now, in one thread
        spending = self.engine.spending
        if spending is not None:
            spending.begin()
        stops = session.config.getoption("maxfail", 0) or spending is not None
        self.ahead = Ahead(self, self.settings["concurrency"], bound=bool(stops))
        if self.settings["repeat"] == ADAPTIVE and self.controller is not None:
            from pytest_llmroute.pytest_side.rounds import Rounds, out_of_order

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
        if self.paying.stops:  # something was not run: no whole run, however the loop came to its end
            session.shouldstop = SPENT
        if self.controller is None or not ran:
            return
        if self.paying.stops:
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
            self.paying.tell(self.controller, session)
            self.controller.finish(stopped)
            forget(self.config.rootpath, self.run_id)

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


def _excluded(item: pytest.Item) -> bool:
    if getattr(item, "excluded", False):
        return True
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("_llm_run") if callspec else None
    return bool(cell and cell.excluded)
