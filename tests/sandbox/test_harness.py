"""The harness sees what an executor lets happen: here one that runs shell commands and says what it is told to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from pytest_llmroute.sandbox.verdict import SolutionVerdict

from . import harness
from .corpus.entry import NO_PASS, WANTED, Entry, right, wrong
from .harness import Executor, Finding, survey


def shell(code: str, tests: Sequence[str], timeout: float, *, setup: str = "") -> SolutionVerdict:
    """Holds nothing; says "fail"."""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    return SolutionVerdict("fail", done.stderr, (False,), done.stdout)


def saying(verdict: SolutionVerdict) -> Executor:
    """Runs nothing, and always says the same."""

    def said(code: str, tests: Sequence[str], timeout: float, *, setup: str = "") -> SolutionVerdict:
        return verdict

    return said


def kinds(findings: Sequence[Finding]) -> list[str]:
    return [finding.kind for finding in findings]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "PATIENCE", 0.1)


@pytest.mark.parametrize(
    ("command", "kind", "detail"),
    [
        ("cat {{FILE}}", "leak", "file: in the verdict"),
        ("cat {{HOME_FILE}} >&2", "leak", "home: in the verdict"),
        ("printenv", "leak", "env: in the verdict"),
        ("tr '\\0' '\\n' < /proc/{{BYSTANDER}}/environ", "leak", "env: in the verdict"),
        ("exec 3<>/dev/tcp/127.0.0.1/{{TCP_PORT}}", "leak", "tcp: contact"),
        ("echo x > /dev/udp/127.0.0.1/{{UDP_PORT}}", "leak", "udp: contact"),
        ("kill -URG {{PARENT_PID}}", "leak", "signal: 1 signals"),
        ("kill -9 {{BYSTANDER}}; sleep 0.5", "leak", "bystander: ended with -9"),
        ("kill -STOP {{BYSTANDER}}; sleep 0.5", "leak", "bystander: stopped"),
        ("chmod 600 {{OPEN_FILE}}", "leak", "touched: "),
        ("touch {{FOLDER}}/new", "leak", "touched: "),
        ("touch /tmp/{{MARK}}", "file", "/tmp/corpus_"),
        ("mkdir ~/{{MARK}}", "file", "corpus_"),
        (f"{sys.executable} -c 'import time; time.sleep(30)' {{{{MARK}}}} &>/dev/null &", "process", "has the mark"),
        # It says when it has become the process with that environment: the shell goes on, and is seen, before that.
        ("read -r < <(MARK={{MARK}} setsid sh -c 'echo; exec sleep 30 >/dev/null 2>&1')", "process", "has the mark"),
    ],
)
def test_what_a_run_reaches_or_leaves_is_found(command: str, kind: str, detail: str) -> None:
    entry = Entry("deed", command, (WANTED,), NO_PASS, category="test")
    (found,) = survey(shell, [entry])
    assert (found.entry, found.kind) == ("test/deed", kind)
    assert detail in found.detail


def test_a_run_that_leaves_nothing_is_none_the_worse_for_the_one_before() -> None:
    entries = [Entry(name, code, (WANTED,), NO_PASS) for name, code in [("a", "touch {{FOLDER}}/x"), ("b", "true")]]
    assert [finding.entry for finding in survey(shell, entries)] == ["/a"]


@pytest.mark.parametrize(
    ("verdict", "entry", "expected"),
    [
        (SolutionVerdict("pass", held=(True,)), wrong("x", "", WANTED), ["false pass"]),
        (SolutionVerdict("infra"), wrong("x", "", WANTED), ["status"]),
        (SolutionVerdict("fail", held=(True,)), wrong("x", "", WANTED), ["held"]),
        (SolutionVerdict("fail", held=(False, True)), wrong("x", "", WANTED), ["held"]),
        (SolutionVerdict("fail"), right("x", "", WANTED), ["status"]),
        (SolutionVerdict("pass"), right("x", "", WANTED), ["held"]),
        (SolutionVerdict("pass", held=(True,)), right("x", "", WANTED, WANTED), ["held"]),
        (SolutionVerdict("pass", held=(True,)), right("x", "", WANTED, prints="y"), ["output"]),
        (SolutionVerdict("error", "x" * 5_000_000), wrong("x", "", WANTED), ["output"]),
        (SolutionVerdict("pass", held=(True,)), right("x", "", WANTED), []),
        (SolutionVerdict("timeout"), wrong("x", "", WANTED), []),
    ],
)
def test_what_is_wrong_with_a_verdict_is_found(verdict: SolutionVerdict, entry: Entry, expected: list[str]) -> None:
    assert kinds(survey(saying(verdict), [entry])) == expected


def test_an_executor_that_raises_is_found() -> None:
    def raises(code: str, tests: Sequence[str], timeout: float, *, setup: str = "") -> SolutionVerdict:
        raise OSError("broken")

    assert survey(raises, [wrong("x", "", WANTED)]) == [Finding("/x", "raised", "OSError: broken")]


def test_nothing_dangerous_is_given_to_an_executor_that_holds_nothing() -> None:
    entries = [
        Entry("dangerous", "touch {{FOLDER}}/bad", (WANTED,), NO_PASS, dangerous=True),
        Entry("harmless", "kill -URG {{PARENT_PID}}", (WANTED,), NO_PASS),
    ]
    assert [finding.detail for finding in survey(shell, entries)] == [
        "signal: 1 signals",
        "not run: this executor holds nothing",
    ]


def test_a_dangerous_entry_is_run_where_the_others_were_held() -> None:
    entries = [wrong("a", "true", WANTED), wrong("b", "true", WANTED, dangerous=True)]
    assert survey(shell, entries) == []
