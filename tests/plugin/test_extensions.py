"""Extensions from a conftest and from an installed package are equal to the built-in parts."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from .conftest import Run

ROOT = Path(__file__).parents[2]


def howtos(name: str) -> list[str]:
    """The Python blocks of the how-to section with this title in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.split(f"### Add a {name}", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_the_documented_strategy_works_in_ten_lines(suite: pytest.Pytester, run: Run) -> None:
    (code,) = howtos("strategy")
    assert len(code.strip().splitlines()) <= 10
    suite.makeconftest("def llmroute_scripted(call): return call.role\n" + code)
    suite.makepyfile(
        test_it="""
        def test_short(llm): assert llm.generate("x").text == "small"
        def test_long(llm): assert llm.generate("x" * 200).text == "large"
        """
    )
    run("--llm-strategy=coin").assert_outcomes(passed=2)
    result = run("--llm-strategy=con")
    result.stderr.fnmatch_lines(['*no strategy "con" (did you mean "coin"?)*'])
    run("--llm-strategy=coin", "--llm-plan").stdout.fnmatch_lines(["coin (strategy, 2 items)"])


def test_the_documented_backend_works_in_ten_lines(suite: pytest.Pytester, run: Run) -> None:
    (code,) = howtos("backend")
    assert len(code.strip().splitlines()) <= 10
    suite.makeconftest(code)
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('say this').text == 'say this'\n")
    result = run("--llm-model=parrot")
    result.assert_outcomes(passed=1)
    assert "scripted" not in result.stdout.str().partition("- llmroute -")[2]


def test_the_documented_check_works_in_ten_lines(suite: pytest.Pytester, run: Run) -> None:
    (code,) = howtos("check")
    assert len(code.strip().splitlines()) <= 10
    suite.makeconftest(code)
    task = "  - {{id: {0}, prompt: p, check: {{longest: {1}}}, scripted: four}}\n"
    suite.path.joinpath("t.llm.yaml").write_text(
        "tasks:\n" + task.format("ok", 4) + task.format("long", 3) + task.format("bad", "x")
    )
    result = run("--continue-on-collection-errors", "--llm-gate=record")
    result.stdout.fnmatch_lines(["*4 characters, at most 3 were wanted*", "*1 passed, 1 error, 1 missed*"])
    result.stdout.fnmatch_lines(['t.llm.yaml:4: check.longest: must be a whole number, not "x" (task "bad")*'])


def test_an_installed_package_brings_its_parts_by_an_entry_point(
    suite: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = howtos("strategy")
    suite.mkdir("site")
    suite.path.joinpath("site", "theirs.py").write_text(code)
    info = suite.mkdir("site/theirs-1.0.dist-info")
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[llmroute]\ntheirs = theirs\n")
    suite.makepyfile(test_it="def test_a(llm): assert llm.explain('x').model == 'scripted-small'\n")
    monkeypatch.setenv("PYTHONPATH", str(suite.path / "site"))
    run("--llm-strategy=coin,fast").assert_outcomes(passed=2)


def test_a_conftest_deeper_down_is_heard_too(suite: pytest.Pytester, run: Run) -> None:
    (code,) = howtos("strategy")
    suite.mkdir("deep")
    suite.path.joinpath("deep", "conftest.py").write_text(code)
    suite.path.joinpath("deep", "test_it.py").write_text("def test_a(llm): assert llm.generate('x').text\n")
    suite.makepyfile(test_top="def test_b(llm): assert llm.generate('x').text\n")
    run("--llm-strategy=coin").assert_outcomes(passed=2)


def test_two_parts_of_one_name_are_refused_and_both_named(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest(
        textwrap.dedent(
            """
            class Mine:
                name, about = "balanced", ""
                def route(self, query): ...
            def llmroute_strategies(): return [Mine()]
            """
        )
    )
    suite.makepyfile(test_it="def test_a(llm): pass\n")
    result = run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(['*"balanced" is registered twice by llmroute_strategies: in pytest_llmroute.rout*'])


def test_users_and_conftests_can_classify(suite: pytest.Pytester, run: Run) -> None:
    suite.makeconftest(
        """
        def llmroute_scripted(call): return call.task
        def llmroute_classify(text, user): return "tool_use" if user == "ops" else None
        """
    )
    suite.makepyfile(
        test_it="""
        def test_a(llm):
            assert llm.generate("Hello!").text == "simple_chat"
            assert llm.generate("Hello!", user="ops").text == "tool_use"
        """
    )
    run("--llm-strategy=hybrid").assert_outcomes(passed=1)


def test_the_documented_live_view_works_in_ten_lines(suite: pytest.Pytester, run: Run) -> None:
    (code,) = howtos("live view")
    assert len(code.strip().splitlines()) <= 10
    suite.makeconftest("def llmroute_scripted(call): return call.role\n" + code)
    suite.makepyfile(
        test_it="def test_a(llm): llm.generate('x')\ndef test_b(llm): assert llm.generate('x').text == 1\n"
    )
    run("--llm-gate=record").assert_outcomes(passed=1)
    text = (suite.path / "live.txt").read_text()
    assert (
        text == "test_it.py::test_a[balanced] passed: 1 of 1 calls\ntest_it.py::test_b[balanced] missed: 2 of 2 calls\n"
    )


HOOKS = ("strategies", "backends", "models", "classify", "event")


@pytest.mark.parametrize("hook", [f"llmroute_{name}" for name in HOOKS])
def test_the_example_of_each_hook_runs(suite: pytest.Pytester, run: Run, hook: str) -> None:
    from pytest_llmroute import hookspecs

    doc = textwrap.dedent(getattr(hookspecs, hook).__doc__.partition("\n")[2])
    (code,) = re.findall(r"```python\n(.*?)```", doc, re.DOTALL)
    suite.makeconftest(code + "\ndef llmroute_scripted(call): return 'x'\n")
    suite.makepyfile(test_it="def test_a(llm): assert llm.generate('deploy', user='ops').text\n")
    run("--llm-strategy=balanced,hybrid").assert_outcomes(passed=2)
