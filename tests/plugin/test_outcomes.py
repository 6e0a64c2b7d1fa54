"""Misses, failures, errors: what shows, what counts, and which exit status comes of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from .conftest import Run

GROUP = pytest.param(("-n2", "--dist=loadgroup"), marks=pytest.mark.slow)
XDIST = pytest.param(("-n2",), marks=pytest.mark.slow)
WORKERS = pytest.mark.parametrize("workers", [(), XDIST, GROUP], ids=["n0", "n2", "group"])
MIXED = """
    import pytest

    def test_passes(llm): assert llm.generate("x").text
    def test_misses(llm): assert llm.generate("x").text == "something else"
    def test_says_so(llm):
        llm.generate("x")
        pytest.fail("not good enough")
"""


@WORKERS
def test_without_a_gate_a_miss_is_a_failed_test(suite: pytest.Pytester, run: Run, workers: tuple[str, ...]) -> None:
    suite.makepyfile(test_it=MIXED)
    result = run(*workers)
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["balanced *1/3*33%*"])


@pytest.mark.parametrize("workers", [(), ("-n2",), GROUP], ids=["n0", "n2", "group"])
def test_recorded_misses_show_as_m_and_leave_the_exit_status_alone(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    suite.makepyfile(test_it=MIXED)
    result = run("--llm-gate=record", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*- 2 missed -*", "test_it.py::test_*", "balanced *1/3*", "*1 passed, 2 missed*"])


NO_MISS = {
    "assert False  # before any reply": "1 failed",
    "llm.generate('x'); raise ValueError('mine')": "1 failed",
    "llm.generate('FAIL')": "1 error",
}


@WORKERS
@pytest.mark.parametrize(("body", "shown"), NO_MISS.items())
def test_what_is_no_miss_still_fails_the_run(
    suite: pytest.Pytester, run: Run, workers: tuple[str, ...], body: str, shown: str
) -> None:
    suite.makepyfile(test_it=f"def test_ok(llm): llm.generate('x')\ndef test_bad(llm):\n    {body}\n")
    result = run("--llm-gate=record", *workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{shown}, 1 passed*" if "failed" in shown else f"*1 passed, {shown}*"])


def test_what_is_no_miss_is_none_under_xdist_either(suite: pytest.Pytester, run: Run) -> None:
    bodies = ["llm.generate('x')", *NO_MISS]
    suite.makepyfile(test_it="".join(f"def test_{at}(llm):\n    {body}\n" for at, body in enumerate(bodies)))
    result = run("--llm-gate=record", "-n2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*2 failed, 1 passed, 1 error*"])


def test_a_must_pass_test_fails_in_every_mode(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(must_pass=True)
        def test_a(llm): assert llm.generate("x").text == "no"
        """
    )
    result = run("--llm-gate=record")
    assert result.ret == 1
    result.assert_outcomes(failed=1)


def test_infrastructure_trouble_is_an_error_and_not_part_of_the_rate(
    suite: pytest.Pytester, run_json: Callable[..., Mapping[str, Any]]
) -> None:
    suite.makepyfile(test_it="def test_ok(llm): llm.generate('x')\ndef test_bad(llm): llm.generate('FAIL')\n")
    data = run_json()
    (column,) = data["columns"]
    assert (column["total"], column["passed"], column["errors"]) == (1, 1, 1)
    (bad,) = [record for record in data["records"] if record["outcome"] == "error"]
    assert bad["error_class"] == "timeout"
    assert bad["calls"][0]["error_class"] == "timeout"


def test_a_failed_teardown_turns_the_record_into_an_error(
    suite: pytest.Pytester, run_json: Callable[..., Mapping[str, Any]]
) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.fixture
        def breaks():
            yield
            raise RuntimeError("torn")
        def test_a(llm, breaks): llm.generate("x")
        """
    )
    data = run_json()
    (record,), (column,) = data["records"], data["columns"]
    assert (record["outcome"], record["success"]) == ("error", False)
    assert (column["total"], column["errors"], column["first_attempt"]) == (0, 1, 0)
    assert "torn" in record["message"]


@WORKERS
def test_min_pass_judges_all_repeats_together(suite: pytest.Pytester, run: Run, workers: tuple[str, ...]) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(repeat=5, min_pass=3)
        def test_enough(llm): assert llm.repeat <= 3 or not llm.generate("x").text
        @pytest.mark.llm(repeat=5, min_pass=4)
        def test_too_few(llm): assert llm.generate("x").text and llm.repeat <= 3
        """
    )
    result = run(*workers)
    assert result.ret == 1
    text = result.stdout.str()
    assert "test_too_few[[]balanced-…]: 3 of 5, needs 4".replace("[[]", "[") in text
    assert "test_enough[balanced-…]" not in text
    result.stdout.fnmatch_lines(["*1 failed, 6 passed, 4 missed*"])


def test_a_part_of_the_repeats_is_not_judged_while_it_could_still_be_enough(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(repeat=3, min_pass=2)
        def test_a(llm): assert llm.generate("x").text and llm.repeat != 1
        """
    )
    result = run("-k", "rep1")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*0 of 3, needs 2, 2 not run: not judged*"])


def test_lf_reruns_exactly_the_misses_and_all_repeats_of_a_group(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        def test_ok(llm): llm.generate("x")
        def test_misses(llm): assert llm.generate("x").text == "no"
        @pytest.mark.llm(repeat=3, min_pass=3)
        def test_group(llm): assert llm.generate("x").text and llm.repeat != 2
        """
    )
    first = suite.runpytest_subprocess("--llm-gate=record")
    first.stdout.fnmatch_lines(["*1 failed, 3 passed, 2 missed*"])
    again = suite.runpytest_subprocess("--llm-gate=record", "--lf", "-v")
    again.stdout.fnmatch_lines(["*run-last-failure: rerun previous 4 failures*"])
    again.stdout.fnmatch_lines_random(["*test_misses?balanced? MISS*", "*test_group?balanced-rep2? MISS*"])
    again.stdout.no_fnmatch_line("*test_ok*")


@pytest.mark.parametrize(
    ("args", "status"), [((), 1), pytest.param(("-n2",), 2, marks=pytest.mark.slow)], ids=["n0", "n2"]
)
def test_x_counts_misses_and_keeps_pytests_own_status(
    suite: pytest.Pytester, run: Run, args: tuple[str, ...], status: int
) -> None:
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('x').text == 'no'\n")
    result = run("--llm-gate=record", "-x", "--llm-repeat=40", *args)
    assert result.ret == status
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


def test_junit_has_the_miss_and_plain_properties(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(test_it=MIXED)
    run("--llm-gate=record", "--junitxml=out.xml")
    root = ET.parse(suite.path / "out.xml").getroot()
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["test_misses[balanced]"].find("failure") is not None
    properties = {p.get("name"): p.get("value") for p in cases["test_passes[balanced]"].iter("property")}
    assert properties["llm.model"] == "scripted-coder"
    assert properties["llm.scripted"] == "True"
    assert properties["llm.outcome"] == "passed"


@WORKERS
def test_a_canned_text_is_never_a_success(suite: pytest.Pytester, run: Run, workers: tuple[str, ...]) -> None:
    suite.makepyfile(test_it="def test_a(llm): assert 'canned' in llm.generate('FAIL').text\n")
    result = run("--llm-strategy=agents", *workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*passed on a canned text: no model answered*", "*scripted-medium: scripted failure ?timeout?*"]
    )
    result.stdout.fnmatch_lines(["agents *0/0*canned*", "canned: every model failed*"])


def test_a_skip_and_an_expected_failure_are_not_scored(
    suite: pytest.Pytester, run_json: Callable[..., Mapping[str, Any]]
) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        def test_skips(llm): pytest.skip("not today")
        @pytest.mark.xfail
        def test_x(llm): assert llm.generate("x").text == "no"
        """
    )
    (column,) = run_json("--llm-gate=record")["columns"]
    assert (column["total"], column["skipped"]) == (0, 2)


def test_control_characters_of_a_reply_never_reach_the_terminal(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest("def llmroute_scripted(call): return 'bad \\x1b[2J\\x1b]0;title\\x07 \\u202etxet'")
    suite.makepyfile(
        test_it="""
        import pytest
        def test_fails(llm): pytest.fail(llm.generate("x").text)
        def test_misses(llm): assert llm.generate("x").text == "fine", llm.generate("x").text
        def test_skips(llm): pytest.skip(llm.generate("x").text)
        def test_expected(llm): pytest.xfail(llm.generate("x").text)
        """
    )
    suite.path.joinpath("t.llm.yaml").write_text("tasks: [{id: a, prompt: p, check: {exact: fine}}]\n")
    for gate in ("off", "record"):
        result = run(f"--llm-gate={gate}", "--color=no", "-v", "-ra")
        text = result.stdout.str()
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\u202e" not in text


def test_repeats_at_temperature_zero_warn_once(suite: pytest.Pytester, run: Run) -> None:
    suite.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.llm(temperature=0)
        def test_a(llm): llm.generate("x")
        def test_b(llm): llm.generate("x")
        """
    )
    result = run("--llm-repeat=3")
    result.stdout.fnmatch_lines(["*3 repeats at temperature 0 get identical replies*", "*6 passed, 1 warning*"])
