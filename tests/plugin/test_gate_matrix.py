"""The gate says and does the same in every mode of pytest, and beside other plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from .gated import ALL, PLAIN, WORSE, Gated, passed
from .test_records import stored

XDIST = ("xdist", "xdist.looponfail")
ASYNC = """
    import pytest

    @pytest.mark.asyncio
    @pytest.mark.parametrize("n", range(8))
    async def test_a(llm, n): assert (await llm.agenerate(str(n))).text == "good"
"""
ABSENT = """
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("xdist", "execnet"):
                raise ModuleNotFoundError(name)

    sys.meta_path.insert(0, Absent())
"""


@dataclass(frozen=True)
class Row:
    """A way to run pytest."""

    args: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    again: int = 0
    """How often each test that does not pass is tried once more."""


ROWS = {
    "n0": Row(("-n0",), XDIST),
    "n1": Row(("-n1",), XDIST),
    "n2": Row(("-n2",), XDIST),
    "loadgroup": Row(("-n2", "--dist=loadgroup"), XDIST),
    "no xdist": Row(),
    "xdist absent": Row(("-p", "absent"), files={"absent.py": ABSENT}),
    "html": Row(("--html=report.html",), ("html", "html_fixtures", "metadata")),
    "json-report": Row(("--json-report",), ("pytest_jsonreport", "metadata")),
    "reruns": Row(("--reruns=1",), ("rerunfailures",), again=1),
    "reruns n2": Row(("--reruns=1", "-n2"), ("rerunfailures", *XDIST), again=1),
    "timeout": Row(("--timeout=60",), ("timeout",)),
    "timeout n2": Row(("--timeout=60", "-n2"), ("timeout", *XDIST)),
    "asyncio": Row((), ("asyncio",), {"test_it.py": ASYNC}),
    "cov": Row(("--cov=.",), ("pytest_cov",)),
    "cov n2": Row(("--cov=.", "-n2"), ("pytest_cov", *XDIST)),
}
FAST = ("n2", "xdist absent")
EVERYWHERE = pytest.mark.parametrize(
    "row", [pytest.param(row, id=name, marks=() if name in FAST else pytest.mark.slow) for name, row in ROWS.items()]
)


def laid_out(gated: Gated, row: Row) -> None:
    for name, text in row.files.items():
        gated.write(name, text)


@EVERYWHERE
def test_an_unchanged_suite_passes(gated: Gated, row: Row) -> None:
    laid_out(gated, row)
    ended = gated.run(*row.args, plugins=row.plugins)
    assert ended.status == 0
    assert ended.counts == {"passed": 8}
    assert "gate: pass against llmroute-baseline.json" in ended.text
    assert (ended.properties["llm.gate"], ended.properties["llm.gate.balanced"]) == ("pass", "pass")
    assert ended.failures == {}


@EVERYWHERE
def test_a_regression_fails_the_run_by_one_report(gated: Gated, row: Row) -> None:
    laid_out(gated, row)
    ended = gated.run(*row.args, plugins=row.plugins, MISS=WORSE)
    sentence = "balanced: FAIL — 3 of 8 cases pass now, 8 did"
    assert ended.status == 1
    assert ended.counts == {"passed": 3, "failed": 1, "missed": 5} | ({"rerun": 5 * row.again} if row.again else {})
    assert "FAILED llmroute::gate[balanced] - balanced: FAIL" in ended.text
    assert f"{sentence} (37.5% from 100.0%)" in ended.text
    assert "gate: FAIL against llmroute-baseline.json (exit status 1)" in ended.text
    assert ended.properties["llm.gate"] == "fail"
    assert ended.failures["gate[balanced]"].startswith(sentence)
    assert set(ended.failures) == {f"test_a[balanced-{n}]" for n in WORSE} | {"gate[balanced]"}


@EVERYWHERE
def test_ordinary_tests_pass_and_fail_beside_the_gate(gated: Gated, row: Row) -> None:
    laid_out(gated, row)
    gated.write("test_plain.py", PLAIN)
    ended = gated.run(*row.args, plugins=row.plugins)
    assert ended.status == 1
    assert ended.counts == {"passed": 9, "failed": 1} | ({"rerun": row.again} if row.again else {})
    assert "FAILED test_plain.py::test_fails - ValueError: an ordinary one" in ended.text
    assert "gate: pass against llmroute-baseline.json" in ended.text
    assert ended.properties["llm.gate"] == "pass"
    assert set(ended.failures) == {"test_fails"}


@pytest.mark.parametrize("args", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["alone", "n2"])
def test_misses_are_skipped_in_junit_files_where_that_is_wanted(gated: Gated, args: tuple[str, ...]) -> None:
    gated.knobs("margin = 0.5", 'junit_miss = "skipped"')
    ended = gated.run(*args, plugins=XDIST, gate="record", MISS=(1, 2))
    assert (ended.status, ended.counts) == (0, {"passed": 6, "missed": 2})
    assert ended.failures == {}
    suite = ended.junit.find("testsuite")
    assert suite is not None
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["8", "0", "2"]
    assert len(list(ended.junit.iter("skipped"))) == 2


def last_failed(gated: Gated) -> set[str]:
    path = gated.path / ".pytest_cache" / "v" / "cache" / "lastfailed"
    return set(json.loads(path.read_text())) if path.exists() else set()


WORKERS = pytest.mark.parametrize(
    "args",
    [pytest.param((), id="alone"), pytest.param(("-n2",), id="n2", marks=pytest.mark.slow)],
)


@WORKERS
def test_lf_reruns_the_misses_and_nothing_else(gated: Gated, args: tuple[str, ...]) -> None:
    misses = {f"test_it.py::test_a[balanced-{n}]" for n in WORSE}
    gated.run(*args, plugins=XDIST, MISS=WORSE)
    assert last_failed(gated) == misses
    still = gated.run("--lf", *args, plugins=XDIST, MISS=WORSE)
    assert (still.status, still.counts["missed"]) == (1, 5)
    assert "a part of the suite (--lf): compared 5 of 8 baseline cases" in still.text
    assert last_failed(gated) == misses
    mended = gated.run("--lf", "--llm-save", *args, plugins=XDIST)
    assert (mended.status, mended.counts["passed"]) == (0, 5)
    assert "no baseline is written: the run is a part of the suite (--lf)" in mended.text
    assert last_failed(gated) == set()


def test_no_report_of_the_gates_own_stays_in_the_cache(gated: Gated) -> None:
    gated.write("test_it.py", "def test_plain(): pass\n")
    ended = gated.run()
    assert (ended.status, ended.counts) == (1, {"passed": 1, "failed": 1})
    assert last_failed(gated) == set()


@pytest.mark.parametrize("mode", ["--collect-only", "--setup-plan", "--setup-only", "--llm-plan"])
def test_what_runs_no_test_is_neither_judged_nor_saved(gated: Gated, mode: str) -> None:
    before = (gated.path / "llmroute-baseline.json").read_bytes()
    gated.baseline({}, name="empty.json")
    ended = gated.run(mode, "--llm-save", "--llm-baseline=empty.json", "--llm-require=success_rate>=0.9")
    assert ended.status == 0
    assert "gate:" not in ended.text
    assert "baseline" not in ended.text.replace("--llm-baseline", "")
    assert (gated.path / "llmroute-baseline.json").read_bytes() == before
    assert not (gated.path / ".llmroute" / "results.db").exists()


@pytest.mark.parametrize(
    ("args", "status"), [((), 1), pytest.param(("-n2",), 2, marks=pytest.mark.slow)], ids=["alone", "n2"]
)
@pytest.mark.parametrize("plain", [False, True], ids=["miss", "ordinary"])
def test_a_run_that_x_stops_is_neither_judged_nor_saved(
    gated: Gated, args: tuple[str, ...], status: int, plain: bool
) -> None:
    before = (gated.path / "llmroute-baseline.json").read_bytes()
    if plain:
        gated.write("test_00.py", PLAIN)
    ended = gated.run("-x", "--llm-save", *args, plugins=XDIST, MISS=() if plain else ALL)
    assert ended.status == status
    assert "stopping after 1 failures" in ended.text
    assert "the run was stopped: the gate does not judge it, and no baseline is written" in ended.text
    assert "gate:" not in ended.text
    assert "llm.gate" not in ended.properties
    assert (gated.path / "llmroute-baseline.json").read_bytes() == before


@WORKERS
def test_x_does_not_stop_at_the_gates_own_report(gated: Gated, args: tuple[str, ...]) -> None:
    gated.baseline(passed(range(20)))
    ended = gated.run("-x", *args, plugins=XDIST)
    assert (ended.status, ended.counts) == (1, {"passed": 8, "failed": 1})
    assert "balanced: INCOMPARABLE — only 8 of the baseline's 20 cases are in this run" in ended.text
    assert "stopping after" not in ended.text
    assert "the run was stopped" not in ended.text


@pytest.mark.slow
@pytest.mark.parametrize("args", [("-n2",), ("--continue-on-collection-errors",)], ids=["n2", "alone"])
def test_a_run_without_all_of_its_files_is_incomparable_and_no_baseline(gated: Gated, args: tuple[str, ...]) -> None:
    before = (gated.path / "llmroute-baseline.json").read_bytes()
    gated.write("test_broken.py", "import nothing_of_this_name\n")
    ended = gated.run("--llm-save", *args, plugins=XDIST)
    assert (ended.status, ended.counts) == (1, {"passed": 8, "errors": 1, "failed": 1})
    assert "gate: INCOMPARABLE against llmroute-baseline.json (exit status 1): test_broken.py could not" in ended.text
    assert "no baseline is written: test_broken.py could not be collected" in ended.text
    assert (gated.path / "llmroute-baseline.json").read_bytes() == before


KILLED = """
    import os, pytest, signal

    @pytest.mark.parametrize("n", range(8))
    def test_a(llm, n):
        assert llm.generate(str(n)).text == "good"
        if n == 3:
            {how}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "args", "gate", "says"),  # not with loadgroup: it hangs, pytest-xdist issue 1323
    [
        ("os._exit(0)", ("-n2",), "fail", "INCOMPARABLE — 12% of the tries were lost to infrastructure or skipped"),
        ("os.kill(os.getpid(), signal.SIGKILL)", ("-n1",), "fail", "INCOMPARABLE — 12% of the tries were lost"),
        ("os._exit(0)", ("-n2", "--max-worker-restart=0"), "fail", " of 8 tests gave no result"),
        ("os._exit(0)", ("-n2", "--max-worker-restart=0"), "record", " of 8 tests gave no result"),
        ("os.kill(os.getpid(), signal.SIGKILL)", ("-n2",), "off", "1 failed, 7 passed"),
    ],
)  # fmt: skip
def test_a_killed_worker_never_ends_green(gated: Gated, how: str, args: tuple[str, ...], gate: str, says: str) -> None:
    gated.write("test_it.py", KILLED.format(how=how))
    ended = gated.run(*args, plugins=XDIST, gate=gate)
    assert ended.status == 1
    assert "crashed while running 'test_it.py::test_a[balanced-3]" in ended.text
    assert says in ended.text
    outcomes = dict(stored(gated.path))
    assert outcomes.pop("test_it.py::test_a[balanced-3]") == "interrupted"
    assert set(outcomes.values()) == {"passed"}
    assert len(outcomes) == ended.counts["passed"]


STRANGE = """
    import dataclasses, enum, logging, pytest, warnings
    from pytest_llmroute import BackendType, ModelCard, Reply

    class Text(str): pass
    class Colour(enum.Enum): RED = 1
    @dataclasses.dataclass
    class Point: x: int

    VALUES = [Colour.RED, Text("t"), Point(1), Point(2), "\\ud800", b"\\xff", object, {"a": Text("b")}]

    class Strange:
        def __init__(self, card): pass
        def generate(self, call): return Reply(Text("half \\ud800 a pair"), Text("strange"), finish=Text("stop"))
        def close(self): pass

    def llmroute_backends(): return [BackendType("strange", Strange)]
    def llmroute_models(): return [ModelCard("strange", backend="strange")]
"""
STRANGE_TESTS = """
    import logging, pytest, warnings
    from conftest import VALUES

    @pytest.mark.parametrize("value", VALUES)
    @pytest.mark.llm(repeat=2)
    def test_passes(llm, value): assert llm.generate("x").text
    def test_misses(llm): assert llm.generate("x").text == "good"
    def test_says_so(llm): pytest.fail(llm.generate("x").text)
    def test_raises(llm): raise ValueError(llm.generate("x").text)
    def test_skips(llm): pytest.skip(llm.generate("x").text)
    def test_expected(llm): pytest.xfail(llm.generate("x").text)
    def test_prints(llm): print(llm.generate("x").text); logging.warning(llm.generate("x").text); assert False
    def test_warns(llm): warnings.warn(llm.generate("x").text)
    def test_keeps(llm, record_property): record_property("reply", llm.generate("x").text)
    @pytest.fixture
    def torn(llm): yield; raise ValueError(llm.generate("x").text)
    def test_tears(torn): pass
"""


@WORKERS
def test_values_that_no_pipe_takes_break_no_run(gated: Gated, args: tuple[str, ...]) -> None:
    gated.write("conftest.py", STRANGE)
    gated.write("test_it.py", STRANGE_TESTS)
    gated.knobs("margin = 0.5", "max_lost = 0.2")
    saved = gated.run("--llm-model=strange", "--llm-save", "-rA", *args, plugins=XDIST, gate="record")
    assert saved.status == 1
    assert saved.counts == {"passed": 19, "missed": 3, "failed": 1, "skipped": 1, "xfailed": 1, "errors": 1}
    names = [line["case"] for line in json.loads((gated.path / "llmroute-baseline.json").read_text())["cases"]]
    assert len([name for name in names if "test_passes" in name]) == 8
    ended = gated.run("--llm-model=strange", *args, plugins=XDIST)
    assert (ended.status, ended.counts["missed"]) == (1, 3)
    assert "gate: pass against llmroute-baseline.json" in ended.text


@pytest.mark.slow
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["alone", "n2"])
def test_the_last_try_of_a_rerun_counts_once(gated: Gated, args: tuple[str, ...]) -> None:
    gated.write("test_it.py", """
        import pathlib, pytest
        @pytest.mark.parametrize("n", range(8))
        def test_a(llm, n):
            assert llm.generate(str(n)).text == "good"
            before = pathlib.Path(f"tried{n}")
            tried, _ = before.exists(), before.touch()
            assert tried or n > 4
    """)  # fmt: skip
    ended = gated.run("--reruns=1", *args, plugins=("rerunfailures", *XDIST))
    assert (ended.status, ended.counts) == (0, {"passed": 8, "rerun": 5})
    assert "balanced: pass — 8 of 8 cases pass now as then" in ended.text
    assert last_failed(gated) == set()
    assert [outcome for _, outcome in stored(gated.path)] == ["passed"] * 8


@pytest.mark.slow
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["alone", "n2"])
def test_one_group_of_pytest_split_is_a_part_and_never_a_baseline(gated: Gated, args: tuple[str, ...]) -> None:
    plugins = ("pytest-split", *XDIST)
    before = (gated.path / "llmroute-baseline.json").read_bytes()
    ended = gated.run("--splits=2", "--group=1", "--llm-save", *args, plugins=plugins)
    assert (ended.status, ended.counts["passed"]) == (0, 4)
    assert "a part of the suite (--group=1): compared 4 of 8 baseline cases" in ended.text
    assert "no baseline is written: the run is a part of the suite (--group=1)" in ended.text
    assert (gated.path / "llmroute-baseline.json").read_bytes() == before
    worse = gated.run("--splits=2", "--group=1", *args, plugins=plugins, MISS=ALL)
    assert worse.status == 1
    assert "balanced: FAIL — 0 of 4 cases pass now, 4 did" in worse.text


@pytest.mark.slow
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["alone", "n2"])
def test_reports_of_other_plugins_hold_the_misses(gated: Gated, args: tuple[str, ...]) -> None:
    gated.run("--html=report.html", "--self-contained-html", "--json-report", *args, MISS=WORSE,
              plugins=("html", "html_fixtures", "metadata", "pytest_jsonreport", *XDIST))  # fmt: skip
    page = (gated.path / "report.html").read_text()
    report = json.loads((gated.path / ".report.json").read_text())
    for n in WORSE:
        assert f"test_it.py::test_a[balanced-{n}]" in page
    outcomes = {test["nodeid"]: test["outcome"] for test in report["tests"]}
    assert [outcomes[f"test_it.py::test_a[balanced-{n}]"] for n in ALL] == ["missed"] * 5 + ["passed"] * 3
    assert outcomes["llmroute::gate[balanced]"] == "failed"
    assert report["exitcode"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["alone", "n2"])
def test_a_test_that_pytest_timeout_ends_is_red(gated: Gated, args: tuple[str, ...]) -> None:
    gated.write("test_slow.py", "import time\ndef test_slow(llm): time.sleep(60)\n")
    ended = gated.run("--timeout=1", *args, plugins=("timeout", *XDIST))
    assert (ended.status, ended.counts) == (1, {"passed": 8, "failed": 1})
    assert "gate: pass against llmroute-baseline.json" in ended.text
