"""Broken input: each ends in a sentence that names the place, the value and the cure; never in a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Find

Mistake = Callable[..., str]

FILES = [
    # what is no TOML
    ("strategy = balanced", "llmroute.toml:1:12: no TOML"),
    ("strategy = 'a", "llmroute.toml:1"),
    ("[models\n", "no TOML"),
    ("a = 1\na = 2", "no TOML"),
    ("[a]\n[a]", "no TOML"),
    ("x = {a = 1,,}", "no TOML"),
    ("= 3", "no TOML"),
    ("strategy", "no TOML"),
    ("a = [1, 2", "no TOML"),
    ("a = 2026-99-99", "no TOML"),
    ("[" + "a." * 2000 + "b]\n" + "x" * 10, "no TOML"),
    # keys
    ('stratgy = "fast"', 'stratgy: unknown key "stratgy" (did you mean "strategy"?)'),
    ('[model.tiny]\nbackend = "ollama"', "must be a text or a list"),
    ('[modells.tiny]\nbackend = "ollama"', '(did you mean "models"?)'),
    ("[gate]\nalhpa = 0.1", 'gate.alhpa: unknown key "alhpa" (did you mean "alpha"?)'),
    ("[store]\nurll = 'x'", '(did you mean "url"?)'),
    ('[machine]\nollama = "x"', "machine.ollama: unknown key"),
    ('[models.a]\nbackend = "ollama"\nram_gb = 3', '(did you mean "expected.ram_gb"?)'),
    ('[models.a]\nbackend = "ollama"\ntemprature = 1', '(did you mean "temperature"?)'),
    ('[models.a]\nbackend = "ollama"\ncontext = {value = 1, sorce = "x"}', '(did you mean "source"?)'),
    ('[models.a]\nbackend = "ollama"\nprice = {input = 1}', "models.a.price: output missing"),
    ('[models.a]\nbackend = "ollama"\n[models.a.retry]\ntries = 3', "models.a.retry.tries: unknown key"),
    ('[profiles.p]\nextends = "ollama"\nrolls = {}', '(did you mean "roles"?)'),
    ('[profiles.p]\nextends = "ollama"\nroles = {huge = "gemma2:2b"}', 'unknown key "huge"'),
    ('[strategies.s]\nextends = "fast"\nrule = []', '(did you mean "rules"?)'),
    ('[strategies.s]\nextends = "fast"\nrules = [{agnt = "a", use = "small"}]', '(did you mean "agent"?)'),
    ('[strategies.s]\nextends = "fast"\nrules = [{agent = "fixer_agent"}]', "use missing"),
    ('[strategies.s]\nextends = "branching"\ntemperature = [1]', '(did you mean "temperatures"?)'),
    ('[strategies.s]\nextends = "branching"\nverifier = "modle"', '(did you mean "model"?)'),
    ('[strategies.s]\nextends = "branching"\nlarge = "micor"', '(did you mean "micro"?)'),
    ('[strategies.s]\nextends = "branching"\nformulations = ["tests_frist"]', '(did you mean "tests_first"?)'),
    ('[strategies.s]\nextends = "branching"\ndefault = "small"', "a ladder (small, then large) has no default"),
    ('[strategies.s]\nextends = "fast"\nsmall = "tiny"\nlarge = "large"', "a ladder (small, then large) has no default"),
    ('[strategies.s]\nsmall = "tiny"', "strategies.s: large missing"),
    ("[phases.planning]\ntemp = 1", 'unknown key "temp"'),
    ("[agents.fixer_agent]\nmax_token = 3", '(did you mean "max_tokens"?)'),
    ('[templates.t]\ntype = "react"', "text missing"),
    ('[templates.t]\ntype = "react"\ntext = "x"\nmodel = "y"', '(did you mean "models"?)'),
    # values
    ("strategy = 3", "strategy: must be a text or a list, not 3"),
    ('strategy = ["a", 3]', "must be a text, not 3"),
    ("strategy = []", "strategy"),
    ("profile = true", "profile: must be a text, not true"),
    ('repeat = "3"', 'repeat: "3" won\'t do: run every case this many times'),
    ("repeat = 0", "repeat: 0 won't do"),
    ("repeat = 1.5", "repeat: must be a whole number or a text, not 1.5"),
    ("repeat = 2026-01-01", 'repeat: "2026-01-01" won\'t do'),
    ('[gate]\nmode = "recrod"', '(did you mean "record"?)'),
    ("[gate]\nalpha = 2", "(from 0.0001 to 0.5)"),
    ("[gate]\nmargin = -1", "(from 0 to 1)"),
    ("[gate]\nmax_lost = nan", "gate.max_lost"),
    ("[gate]\nrequire_baseline = 1", "must be true or false, not 1"),
    ('[gate]\nscope = "all"', "is not one of suite, population"),
    ("gate = 3", "gate: must be a mapping, not 3"),
    ("tasks = 'x'", 'tasks: must be a list, not "x"'),
    ("models = []", "models: must be a mapping, not an empty list"),
    ("[models]\na = 1", "models.a: must be a mapping, not 1"),
    ('[models.a]\nbackend = "ollama"\ntemperature = 3', "3 won't do: a number from 0 to 2"),
    ('[models.a]\nbackend = "ollama"\ntemperature = "hot"', 'must be a number, not "hot"'),
    ('[models.a]\nbackend = "ollama"\ntemperature = nan', "temperature"),
    ('[models.a]\nbackend = "ollama"\nmax_tokens = 0', "0 won't do"),
    ('[models.a]\nbackend = "ollama"\ncontext = "8k"', "must be a whole number or a mapping"),
    ('[models.a]\nbackend = "ollama"\ncapabilities = ["tool_caling"]', '(did you mean "tool_calling"?)'),
    ('[models.a]\nbackend = "ollama"\nthinking = "sometimes"', "is not one of none, optional, always"),
    ('[models.a]\nbackend = "ollama"\nremote = "yes"', 'must be true or false, not "yes"'),
    ('[models.a]\nbackend = "openai"\nbase_url = "localhost:1"', "http://… or https://…"),
    ('[models.a]\nbackend = "openai"\napi_key_env = "MY KEY"', "never the key"),
    ('[models.a]\nbackend = "ollama"\n[models.a.retry]\nattempts = 99', "99 won't do"),
    ('[models.a]\nbackend = "ollama"\n[models.a.retry]\ncauses = ["timout"]', '(did you mean "timeout"?)'),
    ('[models.a]\nbackend = "ollama"\nexpected = {ram_gb = -1}', "-1 won't do: gigabytes of RAM"),
    ('[models.a]\nbackend = "ollama"\nprice = {input = 1, output = 2, date = "today"}', '"today" won\'t do'),
    ("[agents.planner]\nmodel = 2000-01-01", 'no role or model "2000-01-01"'),
    ("[models.a]\nbackend = nan", 'no backend "nan"'),
    ('[models.""]\nbackend = "ollama"', "models"),
    ('[models."a,b"]\nbackend = "ollama"', "models"),
    ('[profiles.p]\nextends = "ollama"\noverrides = {fix = "large"}', "overrides"),
    ('[agents.a]\nmodel = ""', "agents.a.model"),
    ("[phases.planning]\ntop_p = 2", "2 won't do: a number from 0 to 1"),
    # names that lead nowhere
    ('[models.a]\nbackend = "olama"', 'no backend "olama" (did you mean "ollama"?)'),
    ('[models.a]\nextends = "gemma2:2bb"', 'models.a.extends: no model "gemma2:2bb" (did you mean "gemma2:2b"?)'),
    ('[models.a]\nextends = "b"\n[models.b]\nextends = "a"', "extend each other: "),
    ("[models.a]\ntemperature = 1", "models.a: backend missing"),
    ('[models.a]\nbackend = "ollama"\n[models.a.phases.plannin]\ntemperature = 0.1', '(did you mean "planning"?)'),
    ('[profiles.p]\nroles = {small = "gemma2:2b"}', "no model for the roles tiny, medium, large, coder, remote"),
    ('[profiles.p]\nextends = "olama"', '(did you mean "ollama"?)'),
    ('[profiles.p]\nextends = "ollama"\nroles = {small = "gema2:2b"}', '(did you mean "gemma2:2b"?)'),
    ('[profiles.p]\nextends = "ollama"\n[profiles.p.overrides]\n"balansed.fix" = "large"', '(did you mean "balanced"?)'),
    ('[profiles.p]\nextends = "ollama"\n[profiles.p.overrides]\n"balanced.fxi" = "large"', '(did you mean "fix"?)'),
    ('[profiles.p]\nextends = "ollama"\n[profiles.p.overrides]\n"balanced.fix" = "larg"', '(did you mean "large"?)'),
    ('[strategies.s]\nextends = "ballanced"', '(did you mean "balanced"?)'),
    ('[strategies.s]\nextends = "hybrid"', 'no strategy table "hybrid"'),
    ('[strategies.s]\ntasks = {fix = "large"}', "strategies.s: default missing"),
    ('[strategies.s]\nextends = "fast"\ntasks = {fxi = "large"}', 'task_names = ["fxi"]'),
    ('[strategies.s]\nextends = "fast"\ntasks = {fix = "larg"}', '(did you mean "large"?)'),
    ('[strategies.s]\nextends = "fast"\ndefault = "coderr"', '(did you mean "coder"?)'),
    ('[strategies.s]\nextends = "fast"\nfallback = ["smal"]', '(did you mean "small"?)'),
    ('[strategies.s]\nextends = "fast"\nrules = [{phase = "plan", use = "small"}]', 'no phase "plan"'),
    ('[strategies.s]\nextends = "fast"\nrules = [{agent = "fixr_agent", use = "small"}]', '(did you mean "fixer_agent"?)'),
    ('[strategies.s]\nextends = "fast"\nrules = [{task = ["fix", "fxi"], use = "small"}]', '(did you mean "fix"?)'),
    ('[agents.reviewer]\nmodel = "lrge"', '(did you mean "large"?)'),
    ("[agents.reviewer]\ntemperature = 0.1", "agents.reviewer: model missing"),
    ("[phases.thinking]\ntemperature = 0.1", "phases.thinking: max_tokens missing"),
    ('[templates.t]\ntype = "react"\ntext = "x"\nmodels = ["gemma2:2bb"]', '(did you mean "gemma2:2b"?)'),
    ('[templates.t]\ntext = "x"\ntasks = ["fxi"]', 'templates.t.tasks.0: no task "fxi" (did you mean "fix"?)'),
    ('[templates.t]\ntext = "{promt}"', 'llmroute.toml:1: templates.t: nothing fills in {promt} (did you mean "prompt"?)'),
    ('[templates.t]\ntext = "x"\nsystem = "{mood}"', 'parts = ["mood"] declares a part of your own'),
    ('[templates.t]\ntext = "x"\nsections = [{text = "{a} {b}", needs = ["a"]}]', "nothing fills in {b}"),
    ('[templates.t]\nextends = "conciss"', '(did you mean "concise"?)'),
    ('[templates.t]\nfile = "gone.txt"', "llmroute.toml:2: templates.t.file: gone.txt can't be read: No such file"),
    ('[templates.t]\nfile = "gone.txt"\ntext = "x"', "templates.t.file: the template has a text already"),
    ('[templates.t]\ntext = "x"\nsections = [{text = "x", need = ["a"]}]', '(did you mean "needs"?)'),
    ('[templates.t]\ntext = "x"\nsections = [{needs = ["a"]}]', "text missing"),
    ('[models.a]\nbackend = "ollama"\ntemplate = "conciss"', 'models.a.template: no template "conciss" (did you mean "concise"?)'),
    ('[strategies.hybrid]\ndefault = "small"', "hybrid"),
    # secrets
    ('[models.a]\nbackend = "openai"\nid = "sk-abcdefghijklmnopqrstuv"', "a secret stands in the file"),
    ('[store]\nurl = "mongodb://me:hunter22@host/db"', "a secret stands in the file"),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "told"), FILES, ids=[f"{n}" for n in range(len(FILES))])
def test_a_broken_file_is_told_with_place_and_cure(mistake: Mistake, toml: str, told: str) -> None:
    text = mistake(toml)
    assert told in text
    assert "llmroute.toml" in text
    assert "[LLR" in text
    assert "hunter22" not in text
    assert "sk-abc" not in text


ENVIRONMENT = [
    ("LLMROUTE_REPEAT", "many", "is not a whole number"),
    ("LLMROUTE_REPEAT", "0", "from 1 to 1000"),
    ("LLMROUTE_REPEAT", "99999999999999999999", "from 1 to 1000"),
    ("LLMROUTE_GATE", "recrod", '(did you mean "record"?)'),
    ("LLMROUTE_PLAN", "perhaps", "neither true nor false"),
    ("LLMROUTE_DEBUG", "2", "neither true nor false"),
    ("LLMROUTE_STRATEGY", "a,,b", "an empty name"),
    ("LLM_STRATEGY", ",", "an empty name"),
    ("LLMROUTE_MODEL", "a, ,b", "an empty name"),
    ("LLMROUTE_RAM_BUDGET", "lots", "write it as 6GB"),
    ("LLMROUTE_RAM_BUDGET", "0GB", "write it as 6GB"),
    ("LLMROUTE_RAM_BUDGET", "-3", "write it as 6GB"),
    ("LLMROUTE_CONFIG", "nowhere.toml", "nowhere.toml is not there"),
    ("LLMROUTE_ENV_FILE", "nowhere.env", "nowhere.env can't be read"),
    ("LLMROUTE_PROFILE", " ", "empty value"),
]


@pytest.mark.parametrize(("name", "value", "told"), ENVIRONMENT)
def test_a_broken_variable_is_told_by_its_name(mistake: Mistake, name: str, value: str, told: str) -> None:
    text = mistake(env={name: value})
    assert told in text
    assert name in text or "nowhere" in text


INI = [
    ("llm_repeat = many", "ini llm_repeat"),
    ("llm_gate = recrod", '(did you mean "record"?)'),
    ("llm_plan = perhaps", "neither true nor false"),
    ("llm_strategy = a,,b", "an empty name"),
    ("llm_ram_budget = much", "write it as 6GB"),
    ("llm_config = nowhere.toml", "nowhere.toml is not there"),
]


@pytest.mark.parametrize(("line", "told"), INI)
@pytest.mark.parametrize("file", ["pytest.ini", "pyproject.toml"])
def test_a_broken_ini_key_is_told(mistake: Mistake, line: str, told: str, file: str) -> None:
    key, _, value = line.partition(" = ")
    body = f"[pytest]\n{line}\n" if file == "pytest.ini" else f'[tool.pytest.ini_options]\n{key} = "{value}"\n'
    assert told in mistake(files={file: body})


def test_an_env_file_with_mistakes_tells_all_of_them_and_no_value(mistake: Mistake) -> None:
    text = mistake('env_file = ".env"', files={".env": "A=1\nsecret value here\n1B=2\n# fine\nexport C='x'\n"})
    assert ".env:2" in text
    assert ".env:3" in text
    assert "value here" not in text.replace("NAME=value", "")[:200] or "secret value here…" in text


def test_what_is_not_utf8_is_told_with_its_line(mistake: Mistake) -> None:
    assert "llmroute.toml:2: not UTF-8 (byte 0xff)" in mistake(files={"llmroute.toml": b"# a\nx = '\xff'"})


def test_a_huge_file_is_no_configuration(mistake: Mistake) -> None:
    assert "that is no configuration" in mistake("#" * 5_000_001)


def test_two_configurations_are_an_error_that_names_both(mistake: Mistake) -> None:
    text = mistake("repeat = 2", files={"pyproject.toml": "[project]\nname = 'x'\n\n[tool.llmroute]\nrepeat = 3\n"})
    assert "two configurations: llmroute.toml and [tool.llmroute] in pyproject.toml:4" in text
    assert "[LLR102]" in text


def test_a_pyproject_table_is_told_with_its_own_lines(mistake: Mistake) -> None:
    text = mistake(files={"pyproject.toml": "[project]\nname = 'x'\n[tool.llmroute]\nrepeet = 3\n"})
    assert 'pyproject.toml:4: repeet: unknown key "repeet" (did you mean "repeat"?)' in text


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_their_lines(mistake: Mistake) -> None:
    text = mistake(
        'stratgy = "x"\nrepeat = 0\n[models.a]\nbackend = "ollama"\ntemperature = 3\n'
        '[strategies.s]\nextends = "fast"\ntasks = {fxi = "small"}\n[profiles.p]\nextends = "olama"\n'
    )
    lines = [line.split(":")[1] for line in text.splitlines() if line.startswith("llmroute.toml:")]
    assert lines[:3] == ["1", "2", "5"]
    for told in ('unknown key "stratgy"', "repeat: 0", "temperature: 3", 'no task "fxi"', 'no profile "olama"'):
        assert told in text


def test_the_user_file_holds_machine_facts_only(mistake: Mistake, find: Find, tmp_path: Path) -> None:
    text = mistake(files={"home/llmroute/config.toml": 'strategy = "fast"\n[machine]\nram_budget = "6GB"\n'})
    assert "machine facts only" in text
    assert "config.toml:1: strategy" in text
    assert "[LLR106]" in text
    found = find(files={"home/llmroute/config.toml": '[machine]\nram_budget = "6GB"\n'})
    assert found.settings["ram_budget"] == 6_000_000_000
    assert found.settings.origin("ram_budget").endswith("config.toml:2")
