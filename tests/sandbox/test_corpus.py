"""The sandbox holds every entry of the corpus: no false pass, no leak, nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from pytest_llmroute.sandbox import run_solution
from pytest_llmroute.sandbox.run import close, use
from pytest_llmroute.sandbox.tiers import Wish
from pytest_llmroute.sandbox.verdict import Tier

from .canaries import planted
from .conftest import WAYS
from .corpus import ENTRIES
from .corpus.entry import DOUBLE, DOUBLED, PASS, Canary, Entry
from .corpus.naive import run_naively
from .harness import LOOSE, Watch, survey

HEIR = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # orphans become ours
subprocess.run([sys.executable, "-c", sys.argv[1]])
for _ in range(250):
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("none is left")
        break
    time.sleep(0.02)
"""
PROBED = {"new processes", "signals to others", "writes outside", "network"}
"""What an executor has to hold harmlessly before it gets the dangerous ones."""
FIRST = 1
"""Entries of each category that the default suite runs."""
NEEDS_A_JUDGE = {
    "codecs-and-characters/a-cookie-that-isn't-true",
    "codecs-and-characters/a-cookie-of-utf-16",
    "floods-of-output/lone-surrogates",
    "functions/a-helper-named-like-a-builtin",
    "programs-and-their-tests/a-main-block-that-asks",
    "values-that-arrive/a-right-value-of-a-lying-class",
}
"""Right solutions that fail where code and tests are one file."""


def cases() -> Iterator[Any]:
    """All entries; of each category the rest is for the slow tier."""
    seen: Counter[str] = Counter()
    for entry in ENTRIES:
        seen[entry.category] += 1
        yield pytest.param(entry, marks=[pytest.mark.slow] if seen[entry.category] > FIRST else [], id=entry.id)


@pytest.fixture(scope="module")
def watch(way: Tier) -> Iterator[Watch]:
    with planted() as canaries:
        use(Wish(way))
        yield Watch(run_solution, canaries)
        close()


@pytest.fixture(scope="module")
def way(request: pytest.FixtureRequest) -> Tier:
    tier: Tier = request.param
    return tier


@pytest.fixture(scope="module")
def loose(watch: Watch) -> list[str]:
    """What the sandbox did not hold of the harmless; while there is any, nothing dangerous is run."""
    probes = [entry for entry in ENTRIES if entry.category in PROBED and not entry.dangerous]
    found = (finding for entry in probes for finding in watch.findings(entry) if finding.kind in LOOSE)
    return [f"{finding.entry}: {finding.kind}: {finding.detail}" for finding in found]


@pytest.mark.parametrize("way", WAYS, indirect=True, scope="module")
@pytest.mark.parametrize("entry", [*cases()])
def test_the_verdict_is_allowed_and_nothing_is_left(entry: Entry, watch: Watch, request: pytest.FixtureRequest) -> None:
    if entry.dangerous and (held_not := request.getfixturevalue("loose")):
        pytest.fail(f"not run, for the sandbox did not hold {held_not[:3]}")
    assert watch.findings(entry) == []


@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_nothing_is_left_of_a_process_that_has_ended(end: str, tmp_path: Path) -> None:
    """Its jails go with it, however it ends, and so does what they had on the disk."""
    host = (
        "import os; from pytest_llmroute.sandbox import run_solution\n"
        f"print(run_solution({DOUBLE!r}, [{DOUBLED!r}], 2.0).status, flush=True)\n{end}"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", HEIR, host], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, list(tmp_path.iterdir())) == ("pass\nnone is left\n", []), done.stderr


def test_the_corpus_is_as_large_as_it_says() -> None:
    categories = Counter(entry.category for entry in ENTRIES)
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES) >= 170
    assert len(categories) >= 27
    assert sum(entry.allowed == PASS for entry in ENTRIES) >= 50
    assert {entry.leak for entry in ENTRIES} == set(get_args(Canary))


@pytest.mark.slow
def test_the_corpus_bites() -> None:
    """An executor that believes exit statuses is fooled, and the right solutions are right."""
    findings = survey(run_naively, [entry for entry in ENTRIES if not entry.dangerous])
    assert len({finding.entry for finding in findings if finding.kind == "false pass"}) >= 15
    assert {finding.entry for finding in findings if finding.kind == "leak"}
    right = {entry.id for entry in ENTRIES if entry.allowed == PASS and not entry.dangerous}
    assert {finding.entry for finding in findings if finding.kind == "status"} & right == NEEDS_A_JUDGE
