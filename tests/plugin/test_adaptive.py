"""`--llm-repeat=adaptive`: repeats in rounds, and the gate asked between them whether it needs the next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_llmroute.cli.main import main

from .gated import ALL, CONFTEST, SUITE, Ended, Gated, case
from .test_gate_matrix import XDIST

HOUSE = """
    import os
    from pytest_llmroute import BackendType, ModelCard, Reply

    class House:
        def __init__(self, card): pass
        def close(self): pass
        def generate(self, call):
            case = call.messages[-1].content
            with open("calls.txt", "a") as file: file.write(f"{case} {call.repeat}\\n")
            return Reply("bad" if case in os.environ.get("MISS", "").split() else "good", "house")

    def llmroute_backends(): return [BackendType("house", House)]
    def llmroute_models(): return [ModelCard("house", backend="house")]
"""
"""Not scripted, so that its calls are made ahead, and temperature 0 counts."""
KNOWN = """
    import pytest

    @pytest.mark.parametrize("n", range(8))
    @pytest.mark.llm(prompt="{n}", temperature=TEMPERATURE)
    def test_a(llm_reply, n): assert llm_reply.text == "good"
"""


@pytest.fixture
def project(gated: Gated) -> Gated:
    """Its baseline has five tries of each case."""
    gated.baseline({"balanced": {case(n): (1,) * 5 for n in ALL}})
    return gated


def adaptive(project: Gated, *args: str, **more: Any) -> Ended:
    return project.run("--llm-repeat=adaptive", *args, **more)


def house(project: Gated, temperature: float, **more: Any) -> tuple[Ended, Counter[str]]:
    """A run on the house's model, and how often each repeat was asked for."""
    project.write("conftest.py", HOUSE)
    project.write("test_it.py", KNOWN.replace("TEMPERATURE", str(temperature)))
    ended = adaptive(project, "--llm-model=house", **more)
    return ended, Counter(line.split()[1] for line in (project.path / "calls.txt").read_text().splitlines())


def order(ended: Ended) -> list[str]:
    return [one.get("name", "") for one in ended.junit.iter("testcase") if one.find("skipped") is None]


def reasons(ended: Ended) -> set[str]:
    return {str(one.get("message")) for one in ended.junit.iter("skipped")}


def looks(project: Gated) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((project.path / "out.json").read_text())["run"]["facts"]["looks"]
    return found


def test_an_unchanged_suite_is_tried_once_and_says_what_that_saved(project: Gated) -> None:
    """No call of a later round is made ahead."""
    ended, calls = house(project, 0.7)
    assert (ended.status, ended.counts) == (0, {"passed": 8, "skipped": 32})
    assert calls == {"1": 8}
    assert "adaptive: 32 of 40 calls saved, p = 0.5 after 1 repeat" in ended.text
    assert "gate: pass" in ended.text
    assert reasons(ended) == {f"adaptive: {some} not needed, p = 0.5 after 1 repeat" for some in ("rep2–3", "rep4–5")}
    assert ended.properties["llm.adaptive"] == "32 of 40 calls saved, p = 0.5 after 1 repeat"


@pytest.fixture
def command(project: Gated, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`llmroute …` in the project: its exit status and what it said, in one line."""

    def go(*args: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, " ".join((out + err).split())

    return go


def test_a_regression_is_repeated_until_it_is_sure_and_stays_what_it_was(
    project: Gated, command: Callable[..., tuple[int, str]]
) -> None:
    """The second look fails by what it may spend; so does `llmroute gate` afterwards, with other knobs too."""
    ended, calls = house(project, 0.7, MISS=(0, 1))
    sentence = "house (then balanced): FAIL — 8 cases pass 75.0% of the tries now, 100.0% then"
    assert (ended.status, ended.counts) == (1, {"passed": 18, "missed": 6, "skipped": 16, "failed": 1})
    assert calls == {"1": 8, "2": 8, "3": 8}
    assert "adaptive: 16 of 40 calls saved, the gate fails after 3 repeats already (p = 0.00016)" in ended.text
    assert sentence in ended.text
    assert "p = 0.00016 (0.005 allowed)" in ended.text
    assert "judged by look 2 of 3 (0.005 of 0.05 allowed)" in ended.text
    assert "where this is what you want: pytest … --llm-repeat=5 --llm-save" in ended.text
    again = command("gate", "last")
    assert (again[0], sentence in again[1], "p = 0.00016 (0.005 allowed)" in again[1]) == (1, True, True)
    strict = command("gate", "last", "--alpha", "0.001")
    assert (strict[0], "judged by look 2 of 3 (0.0001 of 0.001 allowed)" in strict[1]) == (0, True)
    refused = command("baseline", "save", "last")
    assert (refused[0], "its repeats were adaptive" in refused[1]) == (2, True)


def test_what_the_last_look_leaves_open_is_all_that_can_be_said(project: Gated) -> None:
    """One case of eight: p is .083, .009 and .002 at the three looks, and the last may spend .04."""
    ended = adaptive(project, "--llm-json=out.json", MISS=0)
    assert (ended.status, ended.counts) == (1, {"passed": 35, "missed": 5, "failed": 1})
    assert "adaptive: 0 of 40 calls saved" in ended.text
    assert "judged by look 3 of 3 (0.04 of 0.05 allowed)" in ended.text
    found = looks(project)
    assert [(one["repeats"], one["decision"]) for one in found["taken"]] == [(1, "go on"), (3, "go on")]
    assert [round(one["p"], 3) for one in found["taken"]] == [0.083, 0.009]
    assert (found["number"], found["of"]) == (3, 3)


def test_at_temperature_0_the_first_try_decides_with_all_of_alpha(project: Gated) -> None:
    ended, calls = house(project, 0, MISS=(0, 1))
    assert calls == {"1": 8}
    assert "adaptive: 32 of 40 calls saved, a repeat would say the same (temperature 0, or replayed)" in ended.text
    assert "p = 0.014 (0.05 allowed)" in ended.text
    assert (ended.status, "adaptive repeats: judged by look" in ended.text) == (1, False)


def test_all_reasons_against_adaptive_repeats_are_told_at_once(project: Gated) -> None:
    ended = adaptive(project, "-n2", "--llm-save", "--llm-require=pass^3>=0.5", plugins=XDIST, gate="off")
    assert ended.status == 4
    for why, fix in (
        ("the workers of pytest-xdist see a part of the results only", "-n0"),
        ("the gate is off", "--llm-gate=fail"),
        ("a baseline can't be made of them", "--llm-save --llm-repeat=5"),
        ("pass^3>=0.5 wants more than 1 try of every case", "--llm-repeat=5"),
    ):
        assert f"adaptive repeats are not possible here: {why} [LLR208]" in ended.text
        assert f"to fix it: {fix}" in ended.text


def test_without_a_baseline_the_command_that_writes_one_is_told(project: Gated) -> None:
    (project.path / "llmroute-baseline.json").unlink()
    ended = adaptive(project)
    assert ended.status == 4
    assert "there is no baseline (llmroute-baseline.json) [LLR208]" in ended.text
    assert "pytest … --llm-repeat=5 --llm-gate=record --llm-save" in ended.text


MIXED = (
    SUITE
    + """
    @pytest.mark.llm(repeat=2)
    def test_fixed(llm): assert llm.generate("f").text == "good"

    @pytest.mark.llm(min_pass=4)
    def test_counted(llm): assert llm.generate("c").text == "good"

    def test_plain(): pass
"""
)
REVERSED = """
    import pytest

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_collection_modifyitems(items):
        yield
        items.reverse()
"""


def test_a_tests_own_repeats_are_all_made(project: Gated) -> None:
    """A declared number, and those that `min_pass` counts, are no business of the gate's."""
    project.write("test_it.py", MIXED)
    ended = adaptive(project, MISS="c")
    assert (ended.status, ended.counts) == (1, {"passed": 11, "missed": 5, "skipped": 32, "failed": 1})
    assert "test_counted[balanced-…]: 0 of 5, needs 4" in ended.text
    assert "adaptive: 32 of 47 calls saved, p = 0.5 after 1 repeat" in ended.text


def test_rounds_hold_whoever_orders_the_tests(project: Gated) -> None:
    """A plugin turns the order round, and `--ff` puts the repeats that failed first."""
    project.write("test_it.py", MIXED)
    project.write("conftest.py", CONFTEST + REVERSED)
    first = ["test_it.py::test_a[balanced-rep5-0]", "test_it.py::test_a[balanced-rep1-0]"]
    cache = project.path / ".pytest_cache/v/cache/lastfailed"
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps(dict.fromkeys(first, True)))
    names = order(adaptive(project, "--ff", MISS=0))
    a = [int(name[len("test_a[balanced-rep")]) for name in names if name.startswith("test_a")]
    assert [1 + (number > 1) + (number > 3) for number in a] == [1] * 8 + [2] * 16 + [3] * 16
    assert {name.partition("[")[0] for name in names[16:-1]} == {"test_a"}
    assert names[0] == "test_a[balanced-rep1-0]"


DISTURBED = """
    def pytest_runtestloop(session):
        session.items.reverse()
"""


def test_an_order_that_was_disturbed_gives_no_verdict(project: Gated) -> None:
    """One that is known beforehand makes no call."""
    project.write("conftest.py", CONFTEST + DISTURBED)
    ended = adaptive(project)
    assert ended.status == 1
    assert "INCOMPARABLE" in ended.text
    assert "tests with adaptive repeats ran in another order than that of their rounds" in ended.text
    project.write("conftest.py", CONFTEST + DISTURBED.replace("runtestloop", "collection_finish"))
    ended = adaptive(project)
    assert (ended.status, ended.counts.get("passed", 0)) == (4, 0)
    assert "another plugin has put the tests into an order of its own [LLR208]" in ended.text


@pytest.mark.parametrize(
    ("args", "rounds"), [(("-k", "rep1 or rep5"), 2), (("test_it.py::test_a[balanced-rep2-3]",), 1)], ids=["k", "id"]
)
@pytest.mark.slow
def test_alpha_is_divided_among_the_rounds_that_were_selected(
    project: Gated, args: tuple[str, ...], rounds: int
) -> None:
    ended = adaptive(project, *args, "--llm-json=out.json", MISS=3)
    assert looks(project)["of"] == rounds
    assert ("judged by look 2 of 2 (0.045 of 0.05 allowed)" in ended.text) == (rounds == 2)


@pytest.mark.slow
def test_x_ends_a_run_that_nobody_judges(project: Gated) -> None:
    ended = adaptive(project, "-x", MISS=3)
    assert (ended.status, ended.counts) == (1, {"passed": 3, "missed": 1})
    assert "the gate does not judge it" in ended.text


@pytest.mark.slow
@pytest.mark.parametrize("args", [("-n0",), ("-p", "no:cacheprovider"), ("--reruns=1",)], ids=" ".join)
def test_other_modes_look_as_often(project: Gated, args: tuple[str, ...]) -> None:
    ended = adaptive(project, *args, plugins=(*XDIST, "rerunfailures"), MISS=(0, 1))
    assert "judged by look 2 of 3" in ended.text
    assert (ended.counts["skipped"], ended.counts["missed"]) == (16, 6)


@pytest.mark.slow
def test_several_columns_stop_together(project: Gated) -> None:
    """The p-values of all are seen before a round; one that stays open keeps the others going."""
    project.baseline({name: {case(n): (1,) * 5 for n in ALL} for name in ("balanced", "fast")})
    project.write("conftest.py", CONFTEST.replace('told("MISS", case)', 'told("MISS", call.card.name + case)'))
    ended = adaptive(project, "--llm-strategy=balanced,fast", "--llm-json=out.json", MISS="scripted-small3")
    assert ended.counts == {"passed": 75, "missed": 5, "failed": 2}
    assert [one["decision"] for one in looks(project)["taken"]] == ["go on", "go on"]
    assert "fast: FAIL" in ended.text
    assert "balanced: pass" in ended.text


@pytest.mark.slow
def test_a_recorded_run_is_judged_later_by_its_looks(project: Gated) -> None:
    ended = adaptive(project, gate="record", MISS=(0, 1))
    assert (ended.status, ended.counts) == (0, {"passed": 18, "missed": 6, "skipped": 16})
    assert "llmroute gate" not in ended.text


def test_a_plan_tells_which_items_are_sure(project: Gated) -> None:
    project.write("llmroute.toml", 'repeat = "adaptive"\n')
    ended = project.run("--llm-plan")
    assert "adaptive repeats: 8 items, and of 32 more those that the gate asks for" in ended.text
