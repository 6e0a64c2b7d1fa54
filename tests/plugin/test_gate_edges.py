"""What the gate makes of suites, baselines and options that are not the usual ones."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.backends.rough import Planned, Rough, said

from .gated import ALL, PLAIN, SUITE, WORSE, Gated, Outcomes, case, passed

NONE: Outcomes = {"balanced": {case(n): (0,) for n in ALL}}
TWO: Outcomes = {**passed(), **passed(column="quick")}
REPEATED = SUITE.replace("@pytest", "@pytest.mark.llm(repeat=3)\n    @pytest", 1)
HOUSE = """
    from pytest_llmroute import BackendType, ModelCard, Reply

    class House:
        def __init__(self, card): pass
        def generate(self, call): return Reply("good" if call.repeat == 1 else "bad", "house")
        def close(self): pass

    def llmroute_backends(): return [BackendType("house", House)]
    def llmroute_models(): return [ModelCard("house", backend="house")]
"""
BROKEN = """
    from pytest_llmroute import BackendType, ModelCard

    class Broken:
        def __init__(self, card): pass
        def generate(self, call): raise RuntimeError("a bug in the backend")
        def close(self): pass

    def llmroute_backends(): return [BackendType("broken", Broken)]
    def llmroute_models(): return [ModelCard("broken", backend="broken")]
"""


def marked(marks: str) -> str:
    return f"    import pytest\n    pytestmark = {marks}\n{SUITE}"


@dataclass(frozen=True)
class Row:
    """A run, and what must come of it."""

    says: str = ""
    status: int = 0
    baseline: Outcomes | None = field(default_factory=passed)
    """None: there is no file."""
    knobs: Sequence[str] = ("margin = 0.5",)
    args: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    gate: str = "fail"
    counts: Mapping[str, int] | None = None
    never: str = "Traceback"


SUITES = {
    "everything passes on both sides": Row("INCONCLUSIVE — 8 of 8 cases pass now as then; a drop of 5",
        knobs=()),
    "nothing passes on either side": Row("nothing of 8 cases passed then, so nothing can pass less often now",
        knobs=(), baseline=NONE, told={"MISS": ALL}, counts={"missed": 8}),
    "enough cases": Row("pass — 60 of 60 cases pass now as then", knobs=(), baseline=passed(range(60)),
        files={"test_it.py": SUITE.replace("8", "60")}),
    "cases added": Row("balanced, not in the baseline: 2 cases: test_it.py::test_a[n=6], test_it.py::test_a[n=7]",
        baseline=passed(range(6))),
    "a few removed": Row("balanced, not in this run: 2 cases: test_it.py::test_a[n=8], test_it.py::test_a[n=9]",
        baseline=passed(range(10)), never="INCOMPARABLE"),
    "many removed": Row("balanced, not in this run: 3 cases: test_it.py::test_a[n=10],", 1,
         baseline=passed(range(11))),
    "all of their names": Row("test_it.py::test_a[n=8], test_it.py::test_a[n=9]", 1, baseline=passed(range(20)),
        args=("-v",)),
    "none left": Row("balanced: INCOMPARABLE — no case of the baseline is in this run", 1, baseline=passed("abc")),
    "an empty baseline": Row("gate: INCOMPARABLE against llmroute-baseline.json (exit status 1): the baseline is empty",
        1, baseline={}),
    "no baseline yet": Row("nothing to compare with yet (llmroute-baseline.json)", baseline=None, told={"MISS": ALL}),
    "a selection": Row("a part of the suite (-k balanced-0 or balanced-1): compared 2 of 8 baseline cases",
        args=("-k", "balanced-0 or balanced-1"), never="not in this run", knobs=("margin = 1.0",)),
    "a selection that regresses": Row("balanced: FAIL — 1 of 5 cases passes now, 5 did", 1,
        args=("-k", "not balanced-5 and not balanced-6 and not balanced-7"), told={"MISS": (0, 1, 2, 3)}),
    "a selection that shares nothing": Row("balanced: INCOMPARABLE — no case of the baseline is in this run", 1,
        baseline=passed("abc"), args=("-k", "balanced-0")),
    "a selection without any of the gate's cases": Row("llmroute: the gate judged nothing: none of its cases was"
        " selected (-k test_passes)", files={"test_plain.py": PLAIN}, args=("-k", "test_passes"), never="gate:"),
    "an id": Row("a part of the suite (test_it.py::test_a[balanced-3]): compared 1 of 8 baseline cases",
        args=("test_it.py::test_a[balanced-3]",)),
    "a narrower path": Row("a part of the suite (test_it.py): compared 8 of 14 baseline cases", args=("test_it.py",),
        baseline={"balanced": {**passed()["balanced"], **{f"test_more.py::test_{n}": (1,) for n in range(6)}}}),
    "repeats of one side only": Row("balanced: pass — 8 cases pass 100.0% of the tries now as then",
        files={"test_it.py": REPEATED}, counts={"passed": 24}),
    "repeats that one side lost": Row("balanced: FAIL — 8 cases pass 37.5% of the tries now, 100.0% then", 1,
        files={"test_it.py": REPEATED}, baseline={"balanced": {case(n): (1, 1) for n in ALL}}, told={"MISS": WORSE}),
    "improvements": Row("better by more than luck explains, p = 0.016 balanced,",
        baseline={"balanced": {case(n): (int(n not in WORSE),) for n in ALL}}),
    "one column each, whatever its name": Row("house (then balanced): pass", files={"conftest.py": HOUSE},
        args=("--llm-model=house",)),
    "repeats at temperature 0": Row("house (then balanced): pass — 8 of 8 cases pass now as then",
        files={"conftest.py": HOUSE, "test_it.py": marked("pytest.mark.llm(temperature=0)")},
        args=("--llm-model=house", "--llm-repeat=3"), counts={"passed": 8, "missed": 16}),
    "repeats at another temperature": Row("8 cases pass 33.3% of the tries now, 100.0% then", 1,
        files={"conftest.py": HOUSE, "test_it.py": marked("pytest.mark.llm(temperature=0.7)")},
        args=("--llm-model=house", "--llm-repeat=3")),
    "a renamed column": Row('its column quick did not run: if it was renamed, say so under [gate] columns ='
        ' {"fast" = "quick"}', 1, baseline=TWO, args=("--llm-strategy=balanced,fast",)),
    "a renamed column that is named": Row("fast (then quick): pass", baseline=TWO,
        args=("--llm-strategy=balanced,fast",), knobs=("margin = 0.5", 'columns = {fast = "quick"}')),
    "a new column": Row("fast: new — the baseline does not have this column", args=("--llm-strategy=balanced,fast",)),
    "a column that did not run": Row("note: not compared, since this run does not have it: column quick",
        baseline=TWO, args=("--llm-strategy=balanced",)),
    "a must_pass miss": Row("balanced: pass — 8 of 8 cases pass now as then", 1, told={"MISS": "must"},
        files={"test_must.py": "import pytest\n@pytest.mark.llm(must_pass=True)\n"
            "def test_m(llm): assert llm.generate('must').text == 'good'\n"}, counts={"passed": 8, "failed": 1}),
    "too few of a group": Row("test_group[balanced-…]: 0 of 3, needs 2", 1, told={"MISS": "group"},
        files={"test_group.py": "import pytest\n@pytest.mark.llm(repeat=3, min_pass=2)\n"
            "def test_group(llm): assert llm.generate('group').text == 'good'\n"},
        counts={"passed": 8, "missed": 3, "failed": 1}),
    "inconclusive may fail": Row("FAILED llmroute::gate[balanced] - balanced: INCONCLUSIVE", 1,
        knobs=('inconclusive = "fail"',)),
    "warn": Row("gate: FAIL against llmroute-baseline.json (exit status 0: --llm-gate=warn)", gate="warn",
        told={"MISS": WORSE}, counts={"passed": 3, "missed": 5}),
    "record": Row("5 missed", gate="record", told={"MISS": WORSE}, never="gate:"),
    "off": Row("5 failed, 3 passed", 1, gate="off", told={"MISS": WORSE}, never="gate:"),
}  # fmt: skip
LOST = {
    "more than may be": Row("INCOMPARABLE — 12% of the tries were lost to infrastructure or skipped (10% allowed)", 1,
        told={"LOSE": 3}, counts={"passed": 7, "errors": 1, "failed": 1}),
    "as many as may be": Row("balanced: pass — 7 of 7 cases pass now as then", 1, told={"LOSE": 3},
        knobs=("margin = 0.5", "max_lost = 0.2"), counts={"passed": 7, "errors": 1}),
    "which ones": Row("balanced, without any outcome: 1 case: test_it.py::test_a[n=3] (timeout)", 1, told={"LOSE": 3}),
    "to a bug of a backend": Row("broken (then balanced): INCOMPARABLE — no shared case gave an outcome", 1,
        files={"conftest.py": BROKEN}, args=("--llm-model=broken",)),
    "all skipped": Row("balanced: INCOMPARABLE — no shared case gave an outcome", 1,
        files={"test_it.py": marked("pytest.mark.skip")}, counts={"skipped": 8, "failed": 1}),
    "the tests are gone": Row("INCOMPARABLE against llmroute-baseline.json (exit status 1): this run has no case", 1,
        files={"test_it.py": "def test_plain(): pass\n"}),
    "no test at all": Row("this run has no case that the gate counts", 1, files={"test_it.py": ""}),
    "a task file without tasks": Row("t.llm.yaml:1: the file holds no task", 2,
        files={"test_it.py": "", "t.llm.yaml": "tasks: []\n"}),
    "a hook deselects all": Row("this run has no case that the gate counts", 1,
        files={"conftest.py": "def pytest_collection_modifyitems(items): items.clear()\n"}),
    "a marker deselects all": Row("the gate judged nothing: none of its cases was selected (-m not slow)",
        files={"test_it.py": marked("pytest.mark.slow"), "test_plain.py": "def test_plain(): pass\n",
            "pytest.ini": "[pytest]\naddopts = -m 'not slow'\nmarkers = slow\n"}),
    "a file can't be imported": Row("the run was stopped: the gate does not judge it", 2,
        files={"test_it.py": "import nothing_of_this_name\n"}, never="gate:"),
}  # fmt: skip
USAGE = {
    "a baseline is required": Row("the baseline llmroute-baseline.json is not there", 4, baseline=None,
        knobs=("require_baseline = true",), never="test_it.py"),
    "a named baseline is missing": Row("the baseline other.json is not there", 4, args=("--llm-baseline=other.json",),
        never="test_it.py"),
    "no JSON": Row("the baseline broken.json is no JSON", 4, args=("--llm-baseline=broken.json",),
        files={"broken.json": "<<<<<<< HEAD\n"}, never="test_it.py"),
    "malformed requirements, all of them": Row("sucess_rate", 4, never="test_it.py",
        args=("--llm-require=sucess_rate>=1", "--llm-require=tokens<=many")),
    "malformed requirements, the other one": Row("many", 4, never="test_it.py",
        args=("--llm-require=sucess_rate>=1", "--llm-require=tokens<=many")),
}  # fmt: skip
REQUIRED = {
    "held": Row("required: success_rate>=90% holds in balanced", args=("--llm-require=success_rate>=90%",)),
    "not held": Row("FAILED llmroute::gate[balanced: success_rate>=90%]", 1, gate="off", baseline=None,
        told={"MISS": 1}, args=("--llm-require=success_rate>=90%",), counts={"passed": 7, "failed": 2}),
    "of repeats": Row("FAILED llmroute::gate[balanced: pass^2>=90%]", 1, files={"test_it.py": REPEATED},
        told={"MISS": WORSE}, args=("--llm-require=pass^2>=90%",)),
    "of seconds": Row("FAILED llmroute::gate[balanced: seconds<=0]", 1, args=("--llm-require=seconds<=0",)),
    "of RAM": Row("FAILED llmroute::gate[balanced: peak_ram<=1KB]", 1, args=("--llm-require=peak_ram<=1KB",)),
    "that selects nothing": Row("FAILED llmroute::gate[task=nothing/tokens<=1]", 1,
        args=("--llm-require=task=nothing/tokens<=1",)),
    "of the rate against the baseline": Row("FAILED llmroute::gate[balanced: success_rate:-5pp]", 1,
        told={"MISS": WORSE}, args=("--llm-require=success_rate:-5pp",),
        counts={"passed": 3, "missed": 5, "failed": 2}),
    "against no baseline": Row("required: success_rate:-5pp is not compared in balanced: no baseline",
        baseline=None,
        args=("--llm-require=success_rate:-5pp",)),
}  # fmt: skip

FAST = {
    "everything passes on both sides", "cases added", "many removed", "none left", "an empty baseline",
    "no baseline yet", "a selection", "improvements", "one column each, whatever its name",
    "repeats at temperature 0", "a renamed column", "a must_pass miss", "too few of a group", "inconclusive may fail",
    "warn", "off", "more than may be", "to a bug of a backend", "the tests are gone", "a baseline is required",
    "malformed requirements, all of them", "held", "not held", "of the rate against the baseline",
}  # fmt: skip
"""One of each kind; what the others do besides is tested without pytest, too."""


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=name, marks=() if name in FAST else pytest.mark.slow)
        for rows in (SUITES, LOST, USAGE, REQUIRED)
        for name, row in rows.items()
    ],
)
def test_what_the_gate_makes_of_it(gated: Gated, row: Row) -> None:
    gated.knobs(*row.knobs)
    gated.baseline(row.baseline) if row.baseline is not None else (gated.path / "llmroute-baseline.json").unlink()
    for name, text in row.files.items():
        gated.write(name, text)
    ended = gated.run(*row.args, gate=row.gate, **row.told)
    assert row.says in ended.text
    assert row.never not in ended.text
    assert ended.status == row.status
    if row.counts is not None:
        kinds = {kind: count for kind, count in ended.counts.items() if kind != "deselected"}
        assert kinds == row.counts


def test_times_of_another_machine_are_not_compared(gated: Gated) -> None:
    gated.baseline(passed(), machine="Some other machine")
    ended = gated.run("--llm-require=seconds:+10%", "--llm-require=tokens:+10%")
    assert ended.status == 0
    assert "required: seconds:+10% is not compared in balanced: different machine" in ended.text
    assert "another machine: " in ended.text


def test_another_check_is_another_case(gated: Gated) -> None:
    tasks = 'tasks: [{{id: t, prompt: "9", check: {{exact: {answer}}}}}]\n'
    gated.write("t.llm.yaml", tasks.format(answer="good"))
    gated.run("--llm-save")
    gated.write("t.llm.yaml", tasks.format(answer="better"))
    ended = gated.run()
    assert (ended.status, ended.counts) == (0, {"passed": 8, "missed": 1})
    assert "balanced, checked in another way now, so not compared: 1 case: t.llm.yaml::t" in ended.text


def test_a_baseline_has_a_case_a_line_and_its_keys_in_order(gated: Gated) -> None:
    (gated.path / "llmroute-baseline.json").unlink()
    ended = gated.run("--llm-save", MISS=3)
    assert ended.status == 0
    assert "baseline llmroute-baseline.json written: 8 cases, columns: balanced" in ended.text
    text = (gated.path / "llmroute-baseline.json").read_text()
    lines = [json.loads(line.rstrip(",")) for line in text.splitlines() if line.startswith("  {")]
    assert [(line["case"], line["passes"]) for line in lines] == [(case(n), int(n != 3)) for n in ALL]
    for found in (*lines, json.loads(text)):
        assert [name for name in found if name != "cases"] == sorted({*found} - {"cases"})
    again = gated.run(MISS=3)
    assert "balanced: pass — 7 of 8 cases pass now as then" in again.text
    assert "different now" not in again.text


@pytest.mark.parametrize(
    ("args", "told", "why"),
    [
        (("-k", "balanced-0"), {}, "the run is a part of the suite (-k balanced-0)"),
        (("--lf",), {}, "the run is a part of the suite (--lf)"),
        (("test_it.py::test_a",), {}, "the run is a part of the suite (test_it.py::test_a)"),
        (("-x",), {"MISS": ALL}, "the run was stopped: the gate does not judge it, and no baseline is written"),
        ((), {"LOSE": 3}, "1 of 8 tries were lost to infrastructure"),
        ((), {"LOSE": ALL}, "no case gave an outcome"),
    ],
)
@pytest.mark.parametrize("gate", [pytest.param("off", marks=pytest.mark.slow), "record"])
def test_what_is_no_whole_run_is_no_baseline(
    gated: Gated, args: tuple[str, ...], told: dict[str, Any], why: str, gate: str
) -> None:
    before = (gated.path / "llmroute-baseline.json").read_bytes()
    assert why in gated.run("--llm-save", *args, gate=gate, **told).text
    assert (gated.path / "llmroute-baseline.json").read_bytes() == before


def test_a_server_that_answers_500_is_red(gated: Gated) -> None:
    with Rough() as rough:
        rough.plan = lambda asked: said({"data": [{"id": "house"}]}) if asked.body is None else Planned(500)
        gated.write(
            "llmroute.toml",
            f'[models.house]\nbackend = "openai"\nbase_url = "{rough.url}/v1"\nretry = {{attempts = 1}}\n',
        )
        ended = gated.run("--llm-model=house")
    assert ended.status == 1
    assert ended.counts == {"errors": 8, "failed": 1}
    assert "house (then balanced): INCOMPARABLE — no shared case gave an outcome" in ended.text
    assert set(ended.failures) >= {"gate[house]"}


def test_github_gets_summary_annotations_and_a_comment(gated: Gated) -> None:
    summary = gated.path / "summary.md"
    ended = gated.run(
        GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary), GITHUB_WORKSPACE=str(gated.path.parent), MISS=WORSE
    )
    assert ended.status == 1
    assert f"::error file={gated.path.name}/test_it.py,line=4,title=" in ended.text
    assert "::error title=LLM gate::balanced: FAIL" in ended.text
    for page in (summary.read_text(), (gated.path / ".llmroute" / "comment.md").read_text()):
        assert "3 of 8 cases pass now, 8 did" in page
        assert "test_it.py::test_a[n=0]" in html.unescape(page)


def test_a_comment_that_can_not_be_written_costs_a_line_and_nothing_else(gated: Gated) -> None:
    (gated.path / ".llmroute" / "comment.md").mkdir(parents=True)
    ended = gated.run(GITHUB_ACTIONS="true", MISS=WORSE)
    assert ended.status == 1
    assert "comment.md can't be written: Is a directory" in ended.text
    assert "gate: FAIL against llmroute-baseline.json" in ended.text
