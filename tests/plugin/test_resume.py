"""`--llm-resume`: a run that was cut short goes on; nothing is lost, and nothing is paid for twice."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_llmroute.store.contents import alive

from .broken_off import NEEDED, House, Project, outcomes

ALL = "3 failed, 8 passed, 1 skipped, 1 xfailed"
Made = Callable[..., Project]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House() as running:
        yield running


@pytest.fixture
def made(house: House, tmp_path: Path) -> Made:
    house.prompts  # noqa: B018 - those of other tests
    return lambda *args, name="suite": Project(tmp_path / name, house.url, args)


@pytest.fixture(scope="module")
def unbroken(house: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run that nobody cuts short leaves in the store."""
    project = Project(tmp_path_factory.mktemp("unbroken"), house.url)
    status, output = project.run()
    assert (status, outcomes(output)) == (1, ALL)
    assert house.prompts == NEEDED
    return project.stored()


def resumed(project: Project, house: House, answered: Counter[str], *args: str) -> str:
    """Goes on, asks exactly what had not been answered, and gives the output."""
    house.prompts  # noqa: B018
    status, output = project.run("--llm-resume=last", *args)
    assert (status, outcomes(output)) == (1, ALL), output
    assert house.prompts == NEEDED - answered
    return output


@pytest.mark.parametrize(
    ("args", "at", "half"),
    [
        ((), 12, False),
        pytest.param(("--llm-concurrency=1",), 12, False, marks=pytest.mark.slow),
        (("--llm-concurrency=1",), 13, True),
    ],
    ids=["ahead", "a call is done, its record is not", "half a record"],
)
def test_a_killed_run_goes_on_where_it_was(
    made: Made, house: House, unbroken: dict[str, Any], args: tuple[str, ...], at: int, half: bool
) -> None:
    project = made(*args)
    project.killed(at, half=half)
    answered = project.answered
    assert answered
    output = resumed(project, house, answered)
    assert "tests are finished" in output
    assert project.stored() == unbroken
    assert project.journals == []


@pytest.mark.slow
def test_it_goes_on_also_when_another_run_has_put_it_into_the_store(
    made: Made, house: House, unbroken: dict[str, Any]
) -> None:
    """Its journals are gone then; and what is killed once more, before anything is done again, still loses nothing."""
    project = made("--llm-concurrency=1")
    project.killed(20)
    answered = project.answered
    run_id = project.journals[0].parent.name
    _, output = project.run("-k", "misses")
    assert f"run {run_id} had been interrupted" in output
    assert project.journals == []
    status, output = project.run("--llm-resume=last")
    assert status == 4
    assert f"still to be resumed: {run_id}" in output
    project.run(f"--llm-resume={run_id}", KILL_AT="3")
    assert project.journals == []  # killed while it was taken out of the store: there whole, or not at all
    project.run(f"--llm-resume={run_id}", KILL_AT="20")
    assert len(project.journals) == 2
    assert project.answered >= answered
    answered = project.answered
    resumed(project, house, answered)
    assert project.stored()["records"] == unbroken["records"]


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["parent", "self"], ids=["controller", "worker"])
def test_under_xdist(made: Made, house: House, unbroken: dict[str, Any], whom: str) -> None:
    """A controller that is killed leaves workers behind, which end by themselves: who resumes waits for them."""
    project = made("-n2")
    if whom == "parent":
        project.killed(8, whom=whom)
    else:
        status, output = project.run(KILL_AT="8")
        assert status == 1
        assert "crashed" in output
        assert project.journals == []
    house.prompts  # noqa: B018
    status, output = project.run("--llm-resume=last")
    assert (status, outcomes(output)) == (1, ALL), output
    again = house.prompts
    assert max(again.values(), default=0) <= 1
    assert sum(again.values()) < sum(NEEDED.values())
    assert project.stored() == unbroken
    assert "results are of before" in output


def test_what_was_changed_since_runs_again_and_the_header_says_why(made: Made, house: House) -> None:
    """The command that goes on is printed without what stopped the run; no call is made again that still fits."""
    project = made()
    status, output = project.run("-x")
    assert status == 1
    assert "goes on: pytest --llm-profile=house -p no:cacheprovider --llm-resume=last\n" in output
    answered = Counter({"task right": 1, "task wrong": 1})
    edited = {
        "tasks.llm.yaml": ("contains: said", "contains: task"),
        "test_it.py": ('f"said: declared {n}"', 'f"said: asked {n}"'),
    }
    for name, (old, new) in edited.items():
        text = (project.path / name).read_text()
        (project.path / name).write_text(text.replace(old, new).replace("declared {n}", "asked {n}"))
    house.prompts  # noqa: B018
    status, output = project.run("--llm-resume=last", "-v")
    assert outcomes(output) == ALL
    assert "resumes run" in output
    assert "1 of 13 tests are finished" in output
    assert re.search(r"run again: .*1 with a test or check that was changed", output)
    assert "tasks.llm.yaml::wrong[balanced] FAILED (resumed)" in output
    asked = Counter({name.replace("declared", "asked"): count for name, count in NEEDED.items()})
    assert house.prompts == asked - answered


def test_another_selection_goes_on_as_a_run_of_its_own(made: Made, house: House) -> None:
    """The run that was cut short stays what it is, and can still be resumed as it was begun."""
    project = made("--llm-concurrency=1")
    project.killed(14)
    first = project.journals[0].parent.name
    status, output = project.run("--llm-resume=last", "-k", "task or declared")
    assert status == 1, output
    assert "as a run of its own: its selection were none, now -k task or declared" in output
    assert f"run {first} had been interrupted" in output
    house.prompts  # noqa: B018
    for looks in ("--co", "--llm-plan"):
        status, output = project.run(f"--llm-resume={first}", looks)
        assert status == 0
        done = re.search(r"(\d+) of 13 tests are finished", output)
        assert done
        assert int(done[1]) > 0
        assert not house.prompts


def test_what_is_not_there_is_told_before_any_test(made: Made) -> None:
    project = made()
    for wanted, text in (("last", "there is no run to resume"), ("2020", 'no run "2020"')):
        status, output = project.run(f"--llm-resume={wanted}")
        assert status == 4
        assert text in output
        assert "[LLR603]" in output
        project.killed(3)


ASYNC = """
import pytest

@pytest.mark.asyncio
async def test_async(llm): assert (await llm.agenerate("async")).text == "said: async"
"""


@pytest.mark.parametrize(
    ("args", "to"),
    [
        ((), os.kill),
        pytest.param(("-n2",), os.kill, marks=pytest.mark.slow),
        pytest.param(("-n2",), os.killpg, marks=pytest.mark.slow),
        pytest.param(("test_async.py",), os.kill, marks=pytest.mark.slow),
    ],
    ids=["n0", "n2, the controller", "n2, all", "async"],
)
def test_ctrl_c_ends_at_once_and_says_how_to_go_on(
    tmp_path: Path, request: pytest.FixtureRequest, args: tuple[str, ...], to: Callable[[int, int], None]
) -> None:
    """Whatever the server does: a call may take 300 s here. A living run can't be resumed by another process."""
    with House() as house:
        house.never = never = "async" if "test_async.py" in args else "declared 2"
        project = Project(tmp_path / "suite", house.url, args)
        (project.path / "test_async.py").write_text(ASYNC)
        process = project.start()
        request.addfinalizer(lambda: process.kill() if process.poll() is None else None)
        until = time.monotonic() + 60
        while not any(asked.body and asked.body["messages"][-1]["content"] == house.never for asked in house.asked):
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(0.5)
        if not args:
            status, output = project.run("--llm-resume=last")
            assert (status, f"still runs: process {process.pid}" in output) == (4, True), output
        began = time.monotonic()
        to(process.pid, signal.SIGINT)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 2
        assert time.monotonic() - began < 30
        shown = " ".join(("pytest --llm-profile=house -p no:cacheprovider", *args, "--llm-resume=last"))
        assert f"this goes on: {shown}\n" in output
        house.never = ""
        house.prompts  # noqa: B018
        status, output = project.run("--llm-resume=last")
        again = house.prompts
        assert max(again.values()) == 1
        assert again[never]
        if not args:
            assert "task right" not in again


def test_a_full_disk_stops_the_run_and_half_a_line_is_not_believed(made: Made, house: House) -> None:
    """Nobody goes on paying for what can't be kept; with room again the run goes on where it was."""
    project = made("--llm-concurrency=2")
    status, output = project.run(ROOM="18000")
    assert status == 2, output
    assert "the journal main.jsonl can't be written: no space left on the device" in output
    assert "the run stops: what its next calls bring could not be kept" in output
    assert "--llm-resume=last" in output
    answered, asked = project.answered, house.prompts
    assert answered
    assert sum((asked - answered).values()) <= 3  # those on their way, and the one that found the disk full
    (journal,) = project.journals
    assert not journal.read_bytes().endswith(b"\n")
    resumed(project, house, answered)


@pytest.mark.slow
def test_fifty_kills_at_random(
    made: Made, house: House, unbroken: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    """Whenever it falls: nothing that was answered is asked again, and the store is that of an unbroken run."""
    fallen: list[str] = []
    chance = random.Random(8)
    ways: list[tuple[str, ...]] = [(), ("--llm-concurrency=1",), (), ("--llm-concurrency=1",), ("-n2",)]
    for number in range(50):
        project = made(*ways[number % 5], name=f"suite{number}")
        if number % 2:
            where = killed_after(project, chance.uniform(0.3, 2.5))
        else:
            whom = "parent" if "-n2" in project.args else "self"
            half = whom == "self" and chance.random() < 0.3
            where = project.killed(chance.randint(1, 20), half=half, whom=whom)
        settled(project)
        answered = project.answered
        fallen.append(f"{number} {' '.join(project.args)}: {where}; {sum(answered.values())} calls answered")
        print(fallen[-1])
        house.prompts  # noqa: B018
        if not project.journals:
            continue  # before the first line: there is nothing to resume
        status, output = project.run("--llm-resume=last")
        assert (status, outcomes(output)) == (1, ALL), (fallen[-1], output)
        assert house.prompts == NEEDED - answered, fallen[-1]
        assert project.stored() == unbroken, fallen[-1]
    record_property("kills", fallen)


def killed_after(project: Project, seconds: float) -> str:
    """A kill -9 from outside, at any instant from the first line of the journal on; gives where it fell."""
    process = project.start()
    while not project.journals and process.poll() is None:
        time.sleep(0.001)
    time.sleep(seconds / 4)
    process.kill()
    process.communicate()
    return project.last


def settled(project: Project) -> None:
    """Workers of a killed controller end by themselves, and may get an answer until then."""
    until = time.monotonic() + 30
    while time.monotonic() < until and any(map(alive, headers(project))):
        time.sleep(0.05)


def headers(project: Project) -> list[dict[str, Any]]:
    return [line for line in project.lines if line["kind"] == "run"]
