"""`--llm-resume`: a run that was cut short goes on; nothing is lost, and nothing is paid for twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
        (("--llm-concurrency=1",), 12, False),
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
    assert project.answered == answered
    resumed(project, house, answered)
    assert project.stored()["records"] == unbroken["records"]


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
