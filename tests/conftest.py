"""The slow tier, and a clean environment for every test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox.run import tier, use
from pytest_llmroute.sandbox.tiers import Wish

if TYPE_CHECKING:
    from xdist.scheduler import WorkStealingScheduling

PREFIXES = ("LLM_", "LLMROUTE_", "LOCAL_", "VIBEAGENT_")
NAMES = ("ORCHESTRATOR_MODEL", "BUILD_NUMBER", "CI", "TF_BUILD", "PYTHONDONTWRITEBYTECODE")
"""With CI's three, pytest prints whole messages in its summary, and hypothesis has other settings; with the last one
each pytest that a test starts would compile all modules, which takes as long as everything else that it does."""
UNUSED = (
    "anyio", "html", "html_fixtures", "hypothesispytest", "metadata", "pytest-split", "pytest_cov",
    "pytest_jsonreport", "rerunfailures", "timeout",
)  # fmt: skip
HANGS = "-o faulthandler_timeout=200 -o faulthandler_exit_on_timeout=true"
"""It is ended, and tells in which line it was."""
WITHIN = " ".join((*(f"-p no:{name}" for name in UNUSED), HANGS))
"""For every pytest that a test starts: what these plugins import is half of such a run, and is not used."""

settings.register_profile("busy machines", deadline=None)
settings.load_profile("busy machines")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tier too")


class _AtOnce:
    """Failures as they happen: a run that is ended from outside prints no summary."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--slow") and (terminal := config.pluginmanager.get_plugin("terminalreporter")) is not None:
        config.pluginmanager.register(_AtOnce(terminal))


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow tier: --slow runs it"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> WorkStealingScheduling | None:
    """Instead of `load`, which leaves a worker idle at the end: a test costs a millisecond, or starts three pytests."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the developer has exported, or keeps at home, must not decide a test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHIN)
    for name in list(os.environ):
        if name.startswith(PREFIXES) or name.endswith(("_AGENT_MODEL", "_API_KEY")) or name in NAMES:
            monkeypatch.delenv(name)


@pytest.fixture
def sandbox() -> None:
    """For tests that run solutions for real, in the best kind of jail that holds here."""
    use(Wish())
    try:
        tier()
    except UserError as error:
        pytest.skip(error.what)
