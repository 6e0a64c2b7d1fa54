"""Each part of a solution's quality ranks pairs of the same function rightly, and says None where it can't tell."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from importlib import util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox import run_solution
from pytest_llmroute.sandbox.verdict import SolutionVerdict
from pytest_llmroute.tasks.quality import CPU_NOISE, MEMORY_NOISE, Quality, correctness, efficiency, quality_of
from pytest_llmroute.tasks.readability import MEASURES, measured, missing, readability

HERE = Path(__file__).parent
RIGHT = 0.9
"""The share of pairs that each part has to rank rightly, of those it was made with and of those held out."""
MARGIN = 0.9
"""A solution that shall count as slower is below it: runs of the fast one differ among themselves."""
PASSED = SolutionVerdict("pass", held=(True,), cpu_seconds=0.1, rss_peak=20 << 20, tier="isolated")


def execution(code: str, test: str) -> SolutionVerdict:
    return run_solution(code, [test], timeout=30)


def pairs(name: str, held_out: bool) -> list[list[str]]:
    """Title and parts of every pair that is held out, or of the others."""
    parts = re.split(r"^=== ", (HERE / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    split = [part.partition("\n") for part in parts]
    rows = [[title, *re.split(r"^---.*\n", body, flags=re.MULTILINE)] for title, _, body in split]
    return [row for place, row in enumerate(rows) if (place % 3 == 2) is held_out]


@pytest.mark.parametrize("held_out", [False, True], ids=["made with", "held out"])
def test_what_is_readable_ranks_above_what_is_not(held_out: bool) -> None:
    rows = pairs("readable.txt", held_out)
    wrong = [title for title, good, bad in rows if not (readability(good) or 0) > (readability(bad) or 0)]
    assert len(rows) >= 14
    assert 1 - len(wrong) / len(rows) >= RIGHT, wrong


@pytest.mark.parametrize("held_out", [False, True], ids=["made with", "held out"])
def test_what_is_fast_and_frugal_ranks_above_what_is_not(held_out: bool) -> None:
    rows = pairs("fast.txt", held_out)
    results = dict(re.findall(r"^=== (.+)\n[\s\S]+?^--- load = (.+)$", (HERE / "fast.txt").read_text(), re.MULTILINE))
    wrong = []
    for title, fast, slow, load in rows:
        test = f"assert work() == {results[title]}"
        reference, again, other = (execution(code + load, test) for code in (fast, fast, slow))
        good, bad = efficiency(again, reference), efficiency(other, reference)
        assert good is not None, f"{title}: {reference.message or again.message}"
        assert bad is not None, f"{title}: {other.message}"
        if not good > MARGIN > bad:
            wrong.append(f"{title}: {good} {bad}")
    assert len(rows) >= 10
    assert 1 - len(wrong) / len(rows) >= RIGHT, wrong


def test_correctness_is_the_share_of_asserts_that_held() -> None:
    assert correctness(SolutionVerdict("fail", held=(True, False, True, True))) == 0.75
    assert correctness(SolutionVerdict("timeout", held=(True, False))) == 0.5
    assert correctness(SolutionVerdict("infra", held=(False,))) is None
    assert correctness(SolutionVerdict("pass")) == 1.0
    assert correctness(SolutionVerdict("error")) == 0.0


def test_efficiency_is_told_of_two_that_passed_only() -> None:
    assert efficiency(PASSED, None) is None
    assert efficiency(PASSED, replace(PASSED, status="timeout")) is None
    assert efficiency(replace(PASSED, status="fail"), PASSED) is None


def test_efficiency_falls_with_the_multiple_of_the_cost() -> None:
    assert efficiency(PASSED, PASSED) == 1.0
    assert efficiency(replace(PASSED, cpu_seconds=0.01, rss_peak=1), PASSED) == 1.0
    assert efficiency(replace(PASSED, cpu_seconds=0.1 + CPU_NOISE, rss_peak=(20 << 20) + MEMORY_NOISE), PASSED) == 1.0
    assert efficiency(replace(PASSED, cpu_seconds=0.4 + CPU_NOISE), PASSED) == pytest.approx(0.5)
    assert efficiency(replace(PASSED, rss_peak=(80 << 20) + MEMORY_NOISE), PASSED) == pytest.approx(0.5)
    assert efficiency(replace(PASSED, cpu_seconds=10.0 + CPU_NOISE), PASSED) == pytest.approx(0.1)


def test_memory_that_nobody_told_does_not_count() -> None:
    assert efficiency(replace(PASSED, rss_peak=0), PASSED) == 1.0
    assert efficiency(replace(PASSED, rss_peak=1 << 40), replace(PASSED, rss_peak=0)) == 1.0


COSTS = st.builds(
    lambda cpu, peak: replace(PASSED, cpu_seconds=cpu, rss_peak=peak),
    st.floats(0, 1000), st.integers(1, 1 << 40),
)  # fmt: skip


def test_readability_is_measured_in_any_thread() -> None:
    """The library crashes the process where the thread that imported it has ended; so this is a process of its own."""
    code = (
        "import threading\nfrom pytest_llmroute.tasks.readability import readability\n"
        "for _ in range(3):\n    thread = threading.Thread(target=readability, args=('def f(x): return x',))\n"
        "    thread.start()\n    thread.join()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@settings(deadline=None)
@given(COSTS, COSTS, st.floats(0, 100), st.integers(0, 1 << 30))
def test_what_costs_more_is_never_more_efficient(
    own: SolutionVerdict, known: SolutionVerdict, cpu: float, peak: int
) -> None:
    dearer = replace(own, cpu_seconds=own.cpu_seconds + cpu, rss_peak=own.rss_peak + peak)
    first, second = efficiency(own, known), efficiency(dearer, known)
    assert first is not None
    assert second is not None
    assert 0 < second <= first <= 1


@settings(deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="def f(x):\n return[]{}'\"#;,=+1")))
def test_any_text_has_a_readability_or_none(text: str) -> None:
    found = readability(text)
    assert found is None or 0 <= found <= 1


@pytest.mark.parametrize("text", ["", "# nothing", "def f(:", "print 1", "\0", "x = '\ud800'", "-" * 100_000])
def test_what_is_no_python_has_no_readability(text: str) -> None:
    assert readability(text) is None
    assert measured(text) == {}


def test_a_solution_can_not_switch_the_measure_off() -> None:
    row = next(row for row in pairs("readable.txt", False) if row[0].startswith("prime"))
    excused = row[2].replace("def is_prime(number):", "def is_prime(number):  # complexipy: ignore")
    assert measured(excused)["cognitive"] == measured(row[2])["cognitive"]


def test_without_the_extra_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() is None
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=re.escape("pip install 'pytest-llmroute[quality]'")):
        readability("x = 1")
    assert quality_of("x = 1", PASSED) == Quality(correctness=1.0)


def test_the_parts_stand_beside_each_other() -> None:
    dear = replace(PASSED, cpu_seconds=0.4 + CPU_NOISE)
    found = quality_of("def double(number):\n    return number * 2", dear, PASSED)
    assert found == Quality(1.0, efficiency(dear, PASSED), 1.0)
    assert quality_of("def double(:", SolutionVerdict("error", held=(False, False)), PASSED) == Quality(0.0)


def test_the_page_has_the_measures_as_they_are() -> None:
    page = (HERE.parents[1] / "docs" / "quality.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| .+ \| ([\d.]+) \| ([\d.]+) \| (\d+) \|$", page, re.MULTILINE)
    assert [(name, float(fine), float(poor), float(weight)) for name, fine, poor, weight in rows] == [
        (measure.name, measure.fine, measure.poor, measure.weight) for measure in MEASURES
    ]
