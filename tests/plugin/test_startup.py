"""What a run does not use, it does not load."""

from __future__ import annotations

import sys

import pytest

HEAVY = (
    "email.message", "http.client", "jsonschema", "ssl", "statistics", "urllib3", "yaml",
    *(["psutil"] if sys.platform == "linux" else []),
    "pytest_llmroute.backends.embedded.backend", "pytest_llmroute.backends.ollama.backend",
    "pytest_llmroute.backends.wire", "pytest_llmroute.core.events", "pytest_llmroute.core.passk",
    "pytest_llmroute.core.solutions", "pytest_llmroute.engine.budget", "pytest_llmroute.engine.ledger",
    "pytest_llmroute.engine.replay", "pytest_llmroute.engine.residency.waves", "pytest_llmroute.gate.looks",
    "pytest_llmroute.gate.members", "pytest_llmroute.gate.tries", "pytest_llmroute.pytest_side.judging",
    "pytest_llmroute.pytest_side.plan", "pytest_llmroute.pytest_side.resuming", "pytest_llmroute.pytest_side.rounds",
    "pytest_llmroute.report.attempts", "pytest_llmroute.report.sources", "pytest_llmroute.routing.classify",
    "pytest_llmroute.sandbox.run", "pytest_llmroute.store.recordings", "pytest_llmroute.store.resume",
    "pytest_llmroute.tasks.parquet", "pytest_llmroute.tasks.structured", "pytest_llmroute.tasks.unit_tests",
)  # fmt: skip
CONFTEST = f"""
import sys

def pytest_sessionstart():
    sys.loaded_before = set(sys.modules)

def pytest_runtest_teardown():
    print("loaded", sorted(set({HEAVY!r}) & set(sys.modules) - sys.loaded_before))
"""


def test_a_plain_run_loads_no_statistics_no_sandbox_and_no_other_way_to_models(pytester: pytest.Pytester) -> None:
    """Its configuration fits, its tasks are JSON lines, its gate is off."""
    pytester.makeconftest(CONFTEST)
    pytester.path.joinpath("llmroute.toml").write_text(
        "profile = 'scripted'\n[phases.mine]\ntemperature = 0.5\nmax_tokens = 9\n"
    )
    task = '{"id": "a", "prompt": "Say ok", "check": {"contains": "ok"}, "scripted": "ok"}\n'
    pytester.path.joinpath("few.llm.jsonl").write_text(task)
    ended = pytester.runpytest_subprocess("few.llm.jsonl", "-s")
    ended.assert_outcomes(passed=1)
    ended.stdout.fnmatch_lines(["*loaded []*"])
