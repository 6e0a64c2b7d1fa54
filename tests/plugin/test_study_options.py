"""`--llm-small`, `--llm-large` and `--llm-limit`: what a study is made of, for any run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run

TOML = """
[profiles.own]
extends = "scripted"
overrides = { "branching.small" = "tiny", "branching.large" = "tiny" }
[strategies.mine]
extends = "branching"
small = "medium"
[models.pup]
backend = "scripted"
[models.dog]
backend = "scripted"
"""
TASKS = "".join(f"- {{id: t-{n}, task: fix, prompt: say {n}, check: {{exact: never}}}}\n" for n in (10, 9, 100, 1, 11))
TESTS = """
import pytest
@pytest.mark.parametrize("n", [3, 20, 1])
def test_asks(llm, n): assert llm.generate(f"ask {n}")
def test_other(): pass
"""
SHUFFLE = """
import os, random
def pytest_collection_modifyitems(items): random.Random(int(os.environ["SEED"])).shuffle(items)
"""


@pytest.fixture
def project(suite: pytest.Pytester) -> pytest.Pytester:
    (suite.path / "llmroute.toml").write_text(TOML)
    (suite.path / "t.llm.yaml").write_text(TASKS)
    return suite


def asked(text: str, column: str) -> str:
    """The models that a column's calls were made to, as the summary names them."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{column} ") and " used " in line]
    return line.split(" used ")[1]


def test_the_models_of_ladders_stand_above_profile_and_strategy(project: pytest.Pytester, run: Run) -> None:
    """Both outrank overrides and an own strategy's model; where one is given, the other stays as it was."""
    args = ("--llm-strategy=branching,mine,cascade", "--llm-profile=own", "-k", "t-1 or t-9", "--llm-gate=record")
    text = run(*args, "--llm-small=pup", "--llm-large=dog", "--llm-limit=1").stdout.str()
    assert {asked(text, column) for column in ("branching", "mine")} == {"pup ×4, dog ×1"}
    assert asked(text, "cascade") == "dog ×1, pup ×1"
    text = run(*args, "--llm-small=pup", "--llm-limit=1").stdout.str()
    assert {asked(text, column) for column in ("branching", "mine")} == {"pup ×4, scripted-tiny ×1"}
    result = run(*args, "--llm-large=nobody")
    assert 'ERROR: --llm-large: no model "nobody"' in result.stderr.str()


def test_the_first_tests_by_name_are_the_same_however_they_are_ordered(
    project: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers count as numbers; all columns and repeats of a test stay, and so do tests that ask nobody."""
    project.makepyfile(shuffle=SHUFFLE, test_it=TESTS)
    ran: set[frozenset[str]] = set()
    for seed, more in (("1", ()), ("2", ("-n2",))):
        monkeypatch.setenv("SEED", seed)
        output = run("-v", "-p", "shuffle", "--llm-strategy=fast,quality", "--llm-limit=6", "--llm-gate=record", *more)
        found = {word for line in output.outlines for word in line.split() if "::" in word and "[" in word}
        ran.add(frozenset(found))
        assert "test_other" in output.stdout.str()
    (names,) = ran
    wanted = [*(f"t.llm.yaml::t-{n}" for n in (1, 9, 10, 11, 100)), "test_it.py::test_asks"]
    assert names == {f"{name}[{column}]" if "t-" in name else f"{name}[{column}-1]" for name in wanted
                     for column in ("fast", "quality")}  # fmt: skip


def test_a_limited_run_is_a_part_of_the_suite(project: pytest.Pytester, run: Run) -> None:
    result = run("--llm-limit=2", "--llm-gate=record", "--llm-save")
    assert "--llm-limit=2" in result.stdout.str() + result.stderr.str()
    assert not Path(project.path / "llmroute-baseline.json").exists()
