"""`llmroute config`: what holds, where it is from, whether it is right."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pytest_llmroute.config.schema import PUBLISHED

from .conftest import Call

TOML = """strategy = ["fast", "mine"]
[strategies.mine]
extends = "balanced"
tasks = { fix = "large" }
[machine]
ram_budget = "6GB"
"""


def test_every_value_in_force_is_shown_with_the_place_that_set_it(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "llmroute.toml").write_text(TOML)
    (folder / "pytest.ini").write_text("[pytest]\nllm_repeat = 3\n")
    monkeypatch.setenv("LLMROUTE_GATE", "record")
    shown = call("config", "show", "--origin")
    rows = {line.split()[0]: line.split() for line in shown.out.splitlines()}
    assert rows["strategy"] == ["strategy", "llmroute.toml:1", "fast,", "mine"]
    assert rows["gate"][1:] == ["LLMROUTE_GATE", "record"]
    assert rows["repeat"][1:] == ["ini", "llm_repeat", "3"]
    assert rows["strategies.mine.tasks.fix"][1:] == ["llmroute.toml:4", "large"]
    assert rows["ram_budget"][1:] == ["llmroute.toml:6", "6000000000"]
    assert rows["profile"][1:] == ["built", "in", "embedded"]
    assert "gate_alpha" not in rows
    assert "gate_alpha" in call("config", "show", "--all").out
    data = call("config", "show", "--json").json
    assert {"name": "gate", "value": "record", "origin": "LLMROUTE_GATE"} in data["options"]
    assert {"key": "strategies.mine.extends", "value": "balanced", "origin": "llmroute.toml:3"} in data["entries"]


def test_a_folder_below_finds_the_projects_file(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "llmroute.toml").write_text(TOML)
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")
    assert "fast, mine" in call("config", "show").out
    assert "fast, mine" not in call("-C", str(folder / "a"), "config", "show").out
    wrong = call("-C", "nowhere", "config", "show")
    assert (wrong.code, "no such folder" in wrong.err) == (2, True)


def test_a_sound_configuration_is_called_so(call: Call, folder: Path) -> None:
    assert call("config", "validate").out == "✓ no configuration file: built-in values only\n"
    (folder / "llmroute.toml").write_text(TOML)
    assert call("config", "validate").out == "✓ llmroute.toml\n"
    assert call("config", "validate", "--json").json["valid"] is True


def test_a_broken_one_is_told_with_all_mistakes_and_exit_status_2(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "llmroute.toml").write_text('stratgy = "x"\n[strategies.s]\nextends = "ballanced"\n')
    ended = call("config", "validate")
    assert (ended.code, ended.out) == (2, "")
    assert "llmroute.toml:1: stratgy" in ended.err
    assert '(did you mean "balanced"?)' in ended.err
    data = call("config", "validate", "--json")
    assert data.code == 2
    assert [error["code"] for error in data.json["errors"]] == ["LLR103", "LLR105"]
    (folder / "llmroute.toml").write_text(
        'strategy = "fats"\nprofile = "olama"\nphase = ["plan"]\nmodel = "gema2:2b"\n'
    )
    ended = call("config", "validate")
    for part in ('"fats" (did you mean "fast"?)', '"olama" (did you mean "ollama"?)', '"plan"', '"gemma2:2b"'):
        assert part in ended.err
    (folder / "llmroute.toml").write_text('[strategies.hybrid]\ndefault = "small"\n')
    assert 'the strategy "hybrid" is code, not a table' in call("config", "validate").err


def test_variables_of_ours_that_nothing_reads_are_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMROUTE_STRATEGYY", "x")
    ended = call("config", "validate")
    assert ended.code == 0
    assert "nothing reads the variable LLMROUTE_STRATEGYY (did you mean LLMROUTE_STRATEGY?)" in ended.err


def test_the_files_that_are_looked_for_are_listed(call: Call, folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.llmroute]\nrepeat = 2\n")
    files = {Path(file["path"]).name: file for file in call("config", "path", "--json").json["files"]}
    assert (files["pyproject.toml"]["read"], files["llmroute.toml"]["exists"]) == (True, False)
    assert "(read)" in call("config", "path").out


@pytest.mark.parametrize("name", PUBLISHED)
def test_schemas_are_printed_and_written(call: Call, folder: Path, name: str) -> None:
    printed = json.loads(call("config", "schema", name).out)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert call("config", "schema", name, "-o", "s.json").code == 0
    assert json.loads((folder / "s.json").read_text()) == printed


def test_a_secret_in_a_value_is_not_shown(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_API_KEY", "hunter2hunter2")
    (folder / "llmroute.toml").write_text('[models.a]\nbackend = "openai"\nid = "hunter2hunter2"\n')
    assert "hunter2" not in call("config", "show", "--origin").out
