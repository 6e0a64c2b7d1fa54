"""The process that sees every report: counts, misses, the store, the files and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.config.resolve import Settings
from pytest_llmroute.core.anew import Anew
from pytest_llmroute.core.records import PROPERTY, Record
from pytest_llmroute.errors import LLMRouteError
from pytest_llmroute.pytest_side import junit
from pytest_llmroute.pytest_side.nogate import NoGate
from pytest_llmroute.pytest_side.part import OF_BEFORE
from pytest_llmroute.pytest_side.repeats import Groups
from pytest_llmroute.pytest_side.reports import NOT_RUN, SHOWN
from pytest_llmroute.report.summary import RunHead, Summary, Tally
from pytest_llmroute.report.terminal import misses, not_recorded, render
from pytest_llmroute.store.contract import Kept, RunInfo
from pytest_llmroute.store.experience import Experience, keep_experience
from pytest_llmroute.store.journal import journal_folder
from pytest_llmroute.store.merge import Gathered, gather, journals_of, recover, save_run, values
from pytest_llmroute.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pytest_llmroute.gate.looks import Looks
    from pytest_llmroute.gate.result import GateResult

FOLDER = ".llmroute"
SYNTHETIC = "llmroute::"


class Controller:
    """Takes records off the reports as they come; O(1) a report."""

    def __init__(
        self, config: pytest.Config, settings: Settings, head: RunHead, gate: NoGate, store: Path,
        env: Mapping[str, str], *, resumes: bool = False,
    ) -> None:  # fmt: skip
        self.config, self.settings, self.head, self.gate, self.env = config, settings, head, gate, env
        self.run_id, self.store_path = head.run_id, store
        self.tally = Tally(head)
        self.groups = Groups()
        self.missed: list[tuple[str, str]] = []
        self.made: tuple[str, Record | None] = "", None
        """What this process made last: its text need not be read again."""
        self._open: dict[str, Record] = {}
        """Records whose tests are yet to be torn down."""
        self.forgiven = 0
        """Misses that show as `m`; they are taken out of the session's count of failures."""
        self.not_run: dict[str, bool] = {}
        """Items that were reached and whose call the budget did not hold; whether --lf had them before."""
        self.spent = ""
        """What the run says of its budget; empty where it has none."""
        self.out_of_budget = False
        self.crashed = False
        """Whether a worker of xdist's died."""
        self.notes: list[str] = []
        self.missing: list[tuple[str, str, str]] = []
        """Calls that are not recorded: the test, which file it lacks, and the closest that there is."""
        self._unkept: RunInfo | None = None
        """The run as it will be kept, from its end until it is."""
        self.stored = False
        self._seen: set[str] | None = set() if resumes else None
        """Of a run that is resumed: the tests that gave a result, now or before."""
        self.of_before = 0
        self.goes_on = ""
        """The command that goes on with a run that was cut short."""
        self.result: GateResult | None = None
        self.incomplete = ""
        """Why the results are not those of a whole run."""

    def take(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            record = self._open.pop(report.nodeid, None)
            if record is not None and report.failed:
                self.tally.turn_into_error(record)
                self.gate.take(record.torn_down(str(report.longreprtext)))
            return
        if str(report.outcome) == "rerun":
            return
        if getattr(report, SHOWN, None) == NOT_RUN:
            self.not_run[report.nodeid] = report.nodeid in self._failed_before
        self.crashed = self.crashed or report.when not in ("setup", "call")
        for key, value in report.user_properties:
            if key == PROPERTY and isinstance(value, str):
                text, record = self.made
                self._add(record if record is not None and value is text else Record.from_json(value), report)

    def _add(self, record: Record, report: pytest.TestReport) -> None:
        self.tally.add(record)
        if self._seen is not None:
            self._seen.add(record.nodeid)
            self.of_before += hasattr(report, OF_BEFORE)
        self._open[report.nodeid] = record
        self.groups.add(record)
        self.gate.take(record)
        if getattr(report, SHOWN, None) == "miss":
            self.forgiven += 1
            self.missed.append((report.nodeid, record.message))

    def told(self, troubles: Iterable[str], missing: Iterable[tuple[str, str, str]]) -> None:
        """By the processes that ran tests, when they end."""
        self.notes += [text for text in troubles if text not in self.notes]
        self.missing += missing

    def looked(self, looks: Looks) -> None:
        """What became of adaptive repeats: kept with the run, so that it is judged as what it was at any time."""
        self.head = self.tally.run = replace(self.head, facts={**self.head.facts, "looks": asdict(looks)})
        self.gate.looked(looks)

    def loop_ended(self, session: pytest.Session, incomplete: str) -> None:
        """Only when every test has run: a run that was stopped keeps pytest's own exit status."""
        self.incomplete = incomplete
        session.testsfailed -= self.forgiven
        for group in self.groups.failed():
            self._fail(group.title, group.text())
        for group in self.groups.undecided():
            self.notes.append(f"{group.text()}: not judged")
        self._judge()

    def _judge(self) -> None:
        for record in self._lost():
            self.tally.add(record)
            self.gate.take(record)
        if self.gate.mode != "off" and self.settings["junit_miss"] == "skipped":
            junit.skip_misses(self.config)
        self.result = self.gate.judge(self.incomplete)
        if self.result is not None:
            junit.tell(self.config, self.result)
        elif self.incomplete:
            self.notes.append(self.incomplete)
        elif self.gate.judges:
            self.notes.append(f"the gate judged nothing: {self.gate.unasked}")
        if self.result is not None and self.gate.red:
            from pytest_llmroute.report.gate import failed_criteria

            for name, text in failed_criteria(self.result):
                self._fail(f"gate[{name}]", text)
        if self.gate.saving:
            try:
                self.notes.append(self.gate.save(self.incomplete))
            except LLMRouteError as error:
                self.notes.append(str(error))

    def _lost(self) -> list[Record]:
        """Cases that were begun in a worker that crashed: no report brought their records."""
        if not self.crashed:
            return []
        records = values(gather(self.config.rootpath, self.run_id).records)
        return [record for record in records if record.outcome == "interrupted"]

    def _fail(self, nodeid: str, text: str) -> None:
        """One failed report that every reader of reports sees: terminal, JUnit, exit status."""
        report = pytest.TestReport(
            nodeid=f"{SYNTHETIC}{nodeid}",
            location=("llmroute", None, nodeid),
            keywords={},
            outcome="failed",
            longrepr=text,
            when="call",
        )
        # Nothing is left for -x to stop; a run that it "stops" here would count as interrupted.
        option = self.config.option
        most, option.maxfail = option.maxfail, 0
        try:
            self.config.hook.pytest_runtest_logreport(report=report)
        finally:
            option.maxfail = most
        report.__dict__[SHOWN] = "failed"

    def finish(self, stopped: bool) -> None:
        """What `--lf` runs next; the rest is kept when the table has been shown."""
        self._last_failed()
        if stopped and (self.gate.judges or self.gate.saving):
            self.notes.append("the run was stopped: the gate does not judge it, and no baseline is written")
        if stopped and journals_of(journal_folder(self.config.rootpath, self.run_id)):
            from pytest_llmroute.pytest_side.resuming import command_that_goes_on

            self.goes_on = command_that_goes_on(self.config.invocation_params.args)
        self._unkept = self._info(stopped)

    def keep(self) -> None:
        """Journals into the store and the JSON file, once."""
        info, self._unkept = self._unkept, None
        if info is None or not self.tally.count:
            return
        found = self._of_this_suite(gather(self.config.rootpath, self.run_id), info.status == "interrupted")
        for keep in (partial(self._json, info, found), partial(self._store, info, found), self._on_github):
            try:
                keep()
            except LLMRouteError as error:
                self.notes.append(str(error))

    def _of_this_suite(self, found: Gathered, stopped: bool) -> Gathered:
        """Of a run that was resumed and is whole now: without tests that are no more."""
        seen = self._seen
        if seen is None or stopped:
            return found

        def wanted(kept: Kept) -> bool:
            told = kept.to_dict()
            return told["nodeid"] in seen or (self.crashed and told.get("outcome") == "interrupted")

        records, calls = (Anew(partial(filter, wanted, kept)) for kept in (found.records, found.calls))
        return replace(found, records=records, calls=calls)

    def _info(self, stopped: bool) -> RunInfo:
        """The run as it is kept."""
        return RunInfo(
            run_id=self.run_id,
            started_at=self.head.started_at,
            finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            status="interrupted" if stopped else "finished",
            version=self.head.version,
            profile=self.head.profile,
            columns=self.head.columns,
            facts={**self.head.facts, "incomplete": self.incomplete},
        )

    def _json(self, info: RunInfo, found: Gathered) -> None:
        if target := self.settings["json"]:
            from pytest_llmroute.report.jsonfile import write_json
            from pytest_llmroute.report.sources import run_head

            path = Path(self.config.invocation_params.dir) / target
            summary = Summary(run_head(info, self.head.options), self.tally.summary().columns)
            write_json(path, summary, values(found.records), found.series, self.result)

    def _on_github(self) -> None:
        """The job summary, and the text of a comment for a later step to post."""
        if self.result is None:
            return
        from pytest_llmroute.report import github
        from pytest_llmroute.report.markdown import comment_text, gate_markdown, write_page

        if not github.on_github(self.env):
            return
        summary = self.tally.summary()
        github.write_summary(self.env, gate_markdown(self.result, summary))
        write_page(self.config.rootpath / FOLDER / "comment.md", comment_text(self.result, summary))

    def _store(self, info: RunInfo, found: Gathered) -> None:
        root = self.config.rootpath
        store = SqliteStore(self.store_path)
        try:
            heard = Experience()
            save_run(root, info, replace(found, calls=heard.of(found.calls)), store)
            self.stored = True
            keep_experience(root, heard.measured())
            for run in recover(root, store, current=self.run_id):
                self.notes.append(f"run {run} had been interrupted; its records are in the store now")
        finally:
            store.close()

    @cached_property
    def _failed_before(self) -> Mapping[str, bool]:
        """What `--lf` would have run when this run began: pytest writes it at the end."""
        cache = getattr(self.config, "cache", None)
        return {} if cache is None else cache.get("cache/lastfailed", {})

    def _last_failed(self) -> None:
        """`--lf` reruns all repeats of a group together, and never a report that no test made."""
        cache = getattr(self.config, "cache", None)
        if cache is None:
            return
        found: dict[str, bool] = cache.get("cache/lastfailed", {})
        wanted = {nodeid: True for nodeid in found if not nodeid.startswith(SYNTHETIC)}
        wanted.update(dict.fromkeys(self.groups.rerun(set(wanted)), True))
        wanted.update(
            {nodeid: True for nodeid, failed in self.not_run.items() if failed}
        )  # pytest takes skipped ones out
        if wanted != found:
            cache.set("cache/lastfailed", wanted)

    def write_summary(self, terminal: Any) -> None:
        verbose = self.config.get_verbosity()
        if self.tally.count:
            if self.missed:
                terminal.write_sep("-", f"{len(self.missed)} missed")
                for line in misses(self.missed, limit=None if verbose > 0 else 10):
                    terminal.write_line(line)
            terminal.write_sep("-", "llmroute")
            for line in render(self.tally.summary(), width=100, unicode=_unicode(terminal)):
                terminal.write_line(line)
            terminal.flush()  # with many results it takes a while to store them
            self.keep()
            if verbose >= 0 and self.stored:
                terminal.write_line(f"run {self.run_id} is kept in {self._store_shown()}{self._ignore_hint()}")
            if self.of_before:
                terminal.write_line(f"resumed: {self.of_before} of {self.tally.count} results are of before")
        if self.spent:
            terminal.write_line(self.spent)
        if self.result is not None:
            from pytest_llmroute.report.gate import gate_lines

            terminal.write_sep("-", "llmroute gate")
            traces = self.config.getoption("tbstyle", "auto") != "no"
            lines = gate_lines(
                self.result, verbose=verbose > 0, unicode=_unicode(terminal), enforced=self.gate.red,
                steps=not self.gate.saving, told=self.gate.red and traces and verbose <= 0,
            )  # fmt: skip
            for line in (*lines, *self._annotations()):
                terminal.write_line(line)
        if self.missing:
            terminal.write_sep("-", f"{len(self.missing)} not recorded")
            for line in not_recorded(sorted(self.missing), limit=None if verbose > 0 else 10):
                terminal.write_line(line)
            terminal.write_line("--llm-replay=auto asks the models for these, and records them")
        for note in self.notes:
            terminal.write_line(f"llmroute: {note}")
        if self.goes_on:
            anew = "   (the budget counts anew)" if self.out_of_budget else ""
            terminal.write_line(
                f"llmroute: cut short; what is finished is kept, and this goes on: {self.goes_on}{anew}"
            )

    def _annotations(self) -> list[str]:
        from pytest_llmroute.report import github

        if self.result is None or not github.on_github(self.env):
            return []
        return github.annotations(self.result, github.places(self.config.rootpath, self.env))

    def _store_shown(self) -> str:
        root = self.config.rootpath
        path = self.store_path
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _ignore_hint(self) -> str:
        """Suggested, never written unasked."""
        root = self.config.rootpath
        if not (root / ".git").exists():
            return ""
        ignore = root / ".gitignore"
        lines = ignore.read_text(encoding="utf-8", errors="replace").split() if ignore.is_file() else []
        known = any(line.strip("/") == FOLDER for line in lines)
        return "" if known else f"  (add a line {FOLDER}/ to .gitignore)"


def _unicode(terminal: Any) -> bool:
    try:
        "×–→…".encode(getattr(terminal._tw._file, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError, AttributeError):
        return False
    return True
