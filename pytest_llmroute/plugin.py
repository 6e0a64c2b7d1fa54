"""The pytest entry point: options, fixtures and activation.

Imported in every pytest run, so it imports the standard library, pytest and the table of options only. The rest is
imported when a test, a task file, an option or an ini key brings it into play.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmroute.config.options import OPTIONS

if TYPE_CHECKING:
    from pytest_llmroute.core.replies import Reply
    from pytest_llmroute.engine.llm import LLM
    from pytest_llmroute.pytest_side.session import LLMSession

MARKER = (
    "llm(task, phase, agent, user, model, models, prompt, system, repeat, min_pass, must_pass, timeout,"
    " temperature, max_tokens, template): how a test that uses our fixture llm or llm_reply is routed and judged"
)
TASK_SUFFIXES = (".llm.yaml", ".llm.yml", ".llm.json", ".llm.jsonl")
NAMED_SUFFIXES = (".yaml", ".yml", ".json", ".jsonl", ".parquet")
DATA_SET = "hf:"
SESSION = "llmroute-session"
WATCH = "llmroute-watch"
RUN_ID = pytest.StashKey[str]()
LISTS_TASKS = pytest.StashKey[bool]()
CONFIG_FILES = ("llmroute.toml", "pyproject.toml")
WORKER_ERROR = pytest.StashKey[str]()
_INI_TYPES: dict[str, Any] = {"flag": "bool", "paths": "linelist", "lines": "linelist"}
_ACTIONS = {"flag": "store_true", "lines": "append"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("llmroute", "language models (pytest-llmroute)")
    for option in OPTIONS:
        about = f"{option.help} (ini {option.ini}, environment {', '.join(option.env)})" if option.ini else option.help
        if option.command_line:
            how: dict[str, Any] = {"action": _ACTIONS.get(option.kind, "store")}
            if option.kind != "flag":
                how["metavar"] = option.metavar
            group.addoption(option.flag, dest=option.dest, default=None, help=about.replace("%", "%%"), **how)
        if option.ini:
            parser.addini(option.ini, about, type=_INI_TYPES.get(option.kind, "string"), default=None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Watch(config), WATCH)
    given = any(config.getoption(o.dest) is not None for o in OPTIONS if o.command_line)
    if given or any(config.getini(option.ini) for option in OPTIONS if option.ini):
        activate(config).refuse()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """A plan is made in this process: workers would each make their own."""
    if config.getoption("llmroute_plan") and hasattr(config.option, "dist"):
        config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []
    if any(arg.startswith(DATA_SET) for arg in config.args):
        _name_files(config)


def _name_files(config: pytest.Config) -> None:
    """`hf:NAME` among the arguments becomes the files that it stands for, where something is collected."""
    from pytest_llmroute.errors import UserError
    from pytest_llmroute.tasks.hub import hub_files

    args: list[str] = []
    for arg in config.args:
        name, *selected = arg.split("::", 1)
        try:
            files = hub_files(name, os.environ) if arg.startswith(DATA_SET) else [name]
        except UserError as error:
            raise pytest.UsageError(error.text()) from None
        args += ["::".join([str(file), *selected]) for file in files]
    spread = config.getoption("dist", "no") != "no" or config.getoption("numprocesses", None)
    if hasattr(config, "workerinput") or not spread:
        # xdist's workers are given the arguments as they were typed: files elsewhere would move their rootdir.
        config.args[:] = args


def activate(config: pytest.Config) -> LLMSession:
    """The session object of this run; made on first need."""
    session: LLMSession | None = config.pluginmanager.get_plugin(SESSION)
    if session is None:
        from pytest_llmroute.pytest_side.session import LLMSession

        session = LLMSession.of(config, run_id(config))
        config.stash[RUN_ID] = session.run_id
        config.pluginmanager.register(session, SESSION)
    return session


def active(config: pytest.Config) -> LLMSession | None:
    session: LLMSession | None = config.pluginmanager.get_plugin(SESSION)
    return session


def run_id(config: pytest.Config) -> str:
    """One id for the run, shared with xdist's workers."""
    if RUN_ID not in config.stash:
        given = getattr(config, "workerinput", {}).get("llmroute_run")
        made = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.urandom(3).hex()}"
        config.stash[RUN_ID] = given or made
    return config.stash[RUN_ID]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["llmroute_run"] = run_id(node.config)
    if (ours := active(node.config)) is not None and ours.resuming is not None:
        node.workerinput["llmroute_part"] = ours.resuming.part.told
    node.workerinput["llmroute_dist"] = node.config.getoption("dist", "")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker that refused its collection says why; the run ends with that text."""
    text = (getattr(node, "workeroutput", None) or {}).get("llmroute_error")
    if text:
        node.config.stash[WORKER_ERROR] = text


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Registered from the start: on xdist's controller the session object comes only with the first report."""
    if (ours := active(session.config)) is not None:
        ours.loop_begins(session)
    watch: _Watch | None = session.config.pluginmanager.get_plugin(WATCH)
    try:
        result = yield
    finally:
        if watch is not None and (ours := active(session.config)) is not None:
            ours.left = watch.left(session)
    if WORKER_ERROR in session.config.stash:
        raise pytest.UsageError(session.config.stash[WORKER_ERROR])
    if (ours := active(session.config)) is not None:
        ours.loop_ended(session, watch.lacking(session) if watch else "")
    return result


class _Watch:
    """Sees every report of the process that the user started."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._spread = config.getoption("dist", "no") != "no"
        self._ended: set[str] = set()
        """Ids of the tests that came to an end; a report of xdist's about a crash is an end, too."""
        self._uncollected: dict[str, None] = {}

    def lacking(self, session: pytest.Session) -> str:
        """Why the results are not those of a whole run; empty if they are."""
        if self._uncollected:
            return f"{', '.join(self._uncollected)} could not be collected"
        left = self.left(session)
        return f"{left} of {session.testscollected} tests gave no result" if left else ""

    def left(self, session: pytest.Session) -> int:
        """Tests that did not come to an end."""
        return max(0, session.testscollected - len(self._ended))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._uncollected[report.nodeid] = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when not in ("setup", "call"):
            self._ended.add(report.nodeid)
        # On xdist's controller nothing is collected: the first report that carries a record activates us.
        if (
            self._spread
            and active(self._config) is None
            and any(key == "llmroute" for key, _ in report.user_properties)
        ):
            activate(self._config).heard(report)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.name.endswith(TASK_SUFFIXES):
        return activate(parent.config).collect_tasks(file_path, parent)
    if file_path.suffix in NAMED_SUFFIXES and (
        parent.session.isinitpath(file_path) or _lists_task_files(parent.config)
    ):
        return activate(parent.config).collect_named(file_path, parent)
    return None


def _lists_task_files(config: pytest.Config) -> bool:
    """Whether `tasks` is set anywhere; the project's files are looked at once, and not parsed."""
    if LISTS_TASKS not in config.stash:
        texts = [(name, path.read_text(encoding="utf-8", errors="replace")) for name in CONFIG_FILES
                 if (path := config.rootpath / name).is_file()]  # fmt: skip
        config.stash[LISTS_TASKS] = bool(
            config.getini("llm_tasks")
            or os.environ.get("LLMROUTE_TASKS")
            or any(
                "llmroute" in name + text and re.search(r"^\s*tasks\s*=", text, re.MULTILINE) for name, text in texts
            )
        )
    return config.stash[LISTS_TASKS]


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """First, so that the column stands first in the id."""
    if "_llm_case" in metafunc.fixturenames:
        activate(metafunc.config).parametrize(metafunc)


@pytest.fixture(scope="session")
def _llm_column(request: pytest.FixtureRequest) -> Any:
    return getattr(request, "param", None)


@pytest.fixture
def _llm_run(request: pytest.FixtureRequest) -> Any:
    return getattr(request, "param", None)


@pytest.fixture
def _llm_case(request: pytest.FixtureRequest, _llm_column: Any, _llm_run: Any) -> LLM:
    return activate(request.config).running.llm_of(request.node)


@pytest.fixture
def llm(_llm_case: LLM) -> LLM:
    """The model that strategy, profile, task and phase lead to."""
    return _llm_case


@pytest.fixture
def llm_reply(request: pytest.FixtureRequest, _llm_case: LLM) -> Reply:
    """The reply to the prompt that the test's marker `llm` declares."""
    return activate(request.config).running.declared_reply(request.node)
