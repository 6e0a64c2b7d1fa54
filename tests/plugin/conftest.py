"""A way to run pytest in a subprocess, over a small suite whose answers are scripted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import WITHIN

from .gated import Gated

Run = Callable[..., pytest.RunResult]
WORKERS = pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["n0", "n2"])
"""Without xdist, and with it in the slow tier."""
ECHO = """
def llmroute_scripted(call):
    prompt = call.messages[-1].content
    if "FAIL" in prompt:
        from pytest_llmroute import Cause, ScriptedAnswer
        return ScriptedAnswer(fail=Cause.TIMEOUT)
    return f"{call.role}|{call.card.name}|{call.settings.temperature}|{call.repeat}|{prompt}"
"""


@pytest.fixture
def pytester(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> pytest.Pytester:
    """Which jails hold here is found out once, not in the new home of each test."""
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHIN)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    # What other tests have in memory at the same time is no concern of this one.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(pytester.path))
    return pytester


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project whose scripted models answer with role, model, temperature, repeat and prompt."""
    monkeypatch.setenv("LLMROUTE_PROFILE", "scripted")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest(ECHO)
    return pytester


@pytest.fixture
def run(suite: pytest.Pytester) -> Run:
    """Runs pytest in a process of its own; a traceback of ours in its output is a failure."""

    def go(*args: str) -> pytest.RunResult:
        result = suite.runpytest_subprocess("-p", "no:cacheprovider", *args)
        assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
        return result

    return go


@pytest.fixture
def run_json(suite: pytest.Pytester, run: Run) -> Callable[..., Mapping[str, Any]]:
    """Runs with `--llm-json` and gives the file's content."""

    def go(*args: str) -> Mapping[str, Any]:
        run(*args, "--llm-json=out.json")
        loaded: Mapping[str, Any] = json.loads(Path(suite.path / "out.json").read_text())
        return loaded

    return go


@pytest.fixture
def gated(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Gated:
    return Gated(pytester, monkeypatch)


def ids(result: pytest.RunResult) -> list[str]:
    """The node ids of `--co -q`."""
    return [line for line in result.outlines if "::" in line]


__all__ = ["Run", "ids"]
