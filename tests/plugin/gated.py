"""A project whose eight cases passed in its baseline; the environment says which of them miss or are lost now."""

from __future__ import annotations

import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_llmroute import __version__
from pytest_llmroute.gate.baseline import NAME, write_baseline
from pytest_llmroute.gate.figures import CaseFigures, RunFigures, RunHead
from pytest_llmroute.measure.machine import machine_class, machine_facts
from tests.conftest import UNUSED

OTHERS = (*UNUSED, "asyncio", "xdist", "xdist.looponfail")
"""Plugins that may be installed here, by the names of their entry points; a run gets those that it asks for."""
ALL = tuple(range(8))
WORSE = ALL[:5]
CONFTEST = """
    import os

    def told(name, case): return case in os.environ.get(name, "").split()

    def llmroute_scripted(call):
        from pytest_llmroute import Cause, ScriptedAnswer
        case = call.messages[-1].content
        if told("LOSE", case):
            return ScriptedAnswer(fail=Cause.TIMEOUT)
        return "bad" if told("MISS", case) else "good"
"""
SUITE = """
    import pytest

    @pytest.mark.parametrize("n", range(8))
    def test_a(llm, n): assert llm.generate(str(n)).text == "good"
"""
PLAIN = """
    def test_passes(): pass
    def test_fails(): raise ValueError("an ordinary one")
"""
Outcomes = Mapping[str, Mapping[str, Sequence[int]]]


def case(n: object) -> str:
    """The identity of a case of `SUITE`."""
    return f"test_it.py::test_a[n={n}]"


def passed(cases: Iterable[object] = ALL, column: str = "balanced") -> Outcomes:
    return {column: {case(n): (1,) for n in cases}}


class Gated:
    """The project: its files, and pytest in a process of its own with no plugins but those of the row."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self._pytester, self._monkeypatch = pytester.path, pytester, monkeypatch
        monkeypatch.setenv("LLMROUTE_PROFILE", "scripted")
        self.write("conftest.py", CONFTEST)
        self.write("test_it.py", SUITE)
        self.knobs("margin = 0.5")
        self.baseline(passed())

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(textwrap.dedent(text), encoding="utf-8")

    def knobs(self, *lines: str) -> None:
        """The gate's table in the project's file."""
        self.write("llmroute.toml", "\n".join(["[gate]", *lines, ""]))

    def baseline(self, outcomes: Outcomes, *, machine: str = "", name: str = NAME) -> None:
        columns = {
            column: {name: CaseFigures(name, tuple(found), made=len(found), models=("scripted-coder",), seconds=0.001)
                     for name, found in cases.items()}
            for column, cases in outcomes.items()
        }  # fmt: skip
        head = RunHead(
            run_id="20260101-000000-abcdef", version=__version__, profile="scripted",
            machine=machine or machine_class(machine_facts()),
        )  # fmt: skip
        write_baseline(self.path / name, RunFigures(head, columns, dict.fromkeys(columns, "strategy")))

    def run(self, *args: str, plugins: Sequence[str] = (), gate: str = "fail", **told: object) -> Ended:
        """`told`: what the project reads from its environment; MISS and LOSE name cases."""
        with self._monkeypatch.context() as patch:
            patch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in OTHERS if name not in plugins))
            for name, value in told.items():
                patch.setenv(name, value if isinstance(value, str) else " ".join(map(str, _listed(value))))
            result = self._pytester.runpytest_subprocess(f"--llm-gate={gate}", "--junitxml=junit.xml", *args)
        assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
        return Ended(result, self.path)


def _listed(value: object) -> Iterable[object]:
    return value if isinstance(value, Iterable) else (value,)


class Ended:
    """What a run left behind."""

    def __init__(self, result: pytest.RunResult, folder: Path) -> None:
        self.status, self._folder = result.ret, folder
        self.text = " ".join((result.stdout.str() + result.stderr.str()).split())
        """In one line, since sentences are folded."""
        self.counts: dict[str, int] = {}
        with suppress(ValueError):
            self.counts = {kind: n for kind, n in result.parseoutcomes().items() if "warning" not in kind}

    @property
    def properties(self) -> dict[str, str]:
        """Of the suite in the JUnit file."""
        return {one.get("name", ""): one.get("value", "") for one in self.junit.findall("./testsuite/properties/*")}

    @property
    def failures(self) -> dict[str, str]:
        """Tests with a failure in the JUnit file, each with its text."""
        found = ((one, one.find("failure")) for one in self.junit.iter("testcase"))
        return {one.get("name", ""): failure.text or "" for one, failure in found if failure is not None}

    @property
    def junit(self) -> ET.Element:
        return ET.parse(self._folder / "junit.xml").getroot()
