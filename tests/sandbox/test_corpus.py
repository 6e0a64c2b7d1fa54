"""The sandbox holds every entry of the corpus: no false pass, no leak, nothing left."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
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

PROBED = {"new processes", "signals to others", "writes outside", "network"}
"""What an executor has to hold harmlessly before it gets the dangerous ones."""
FIRST = 1
"""Entries of each category that the default suite runs."""
NEEDS_A_JUDGE = {
    "codecs-and-characters/a-cookie-that-isn't-true",
    "codecs-and-characters/a-cookie-of-utf-16",
}
"""Right solutions that fail where code and tests are one file."""


def cases() -> Iterator[Any]:
    """Each entry in each kind of jail; of most categories the rest is for the slow tier."""
    for way in WAYS:
        seen: Counter[str] = Counter()
        for entry in ENTRIES:
            seen[entry.category] += 1
            more = [pytest.mark.slow] if seen[entry.category] > FIRST else []
            yield pytest.param(way, entry, marks=more, id=f"{way}-{entry.id}")


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


@pytest.mark.parametrize(("way", "entry"), list(cases()), indirect=["way"], scope="module")
def test_the_verdict_is_allowed_and_nothing_is_left(entry: Entry, watch: Watch, request: pytest.FixtureRequest) -> None:
    if entry.dangerous and (held_not := request.getfixturevalue("loose")):
        pytest.fail(f"not run, for the sandbox did not hold {held_not[:3]}")
    assert watch.findings(entry) == []


def test_nothing_is_left_of_a_process_that_has_ended(tmp_path: object) -> None:
    """Warm jails go with the process that keeps them, however it ends."""
    for end in ("", "os._exit(0)", "os.kill(os.getpid(), 9)"):
        script = (
            f"import os\nfrom pytest_llmroute.sandbox import run_solution\n"
            f"run_solution({DOUBLE!r}, [{DOUBLED!r}], 2.0)\nprint('done', flush=True)\n{end}\n"
        )

        def run(*_: object, script: str = script, **__: object) -> None:
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
            assert done.stdout == "done\n", done.stderr

        with planted() as canaries:
            del canaries
            run()


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
