"""The other verbs, from outside: what they print, what they end with, what they never do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_llmroute.cli.verbs import cli
from pytest_llmroute.testing.ollama_server import LoopbackOllama, Served

from .conftest import Call

TEST = """
def test_good(llm):
    assert llm.generate("say yes", task="fix").text == "yes"
def test_bad(llm):
    assert llm.generate("say \\x1b[31mno", task="fix").text == "yes"
"""
CONFTEST = """
def llmroute_scripted(call):
    return call.messages[-1].content.removeprefix("say ")
"""


@pytest.fixture
def stored(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run in its store; the run is made once."""
    made = tmp_path_factory.getbasetemp() / "stored"
    if not made.exists():
        made.mkdir()
        (made / "test_it.py").write_text(TEST)
        (made / "conftest.py").write_text(CONFTEST)
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--llm-strategy=balanced,fast", "--llm-gate=record", "-p",
             "no:asyncio", "--llm-profile=scripted"],
            cwd=made, check=False, capture_output=True,
        )  # fmt: skip
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder


# models


def test_models_are_listed_with_what_is_known(call: Call) -> None:
    ended = call("models", "list", "--family", "gemma")
    assert "gemma2:27b" in ended.out
    assert "expected, somebody's estimates" in ended.err
    data = call("models", "list", "--profile", "ollama", "--json").json
    by_name = {model["name"]: model for model in data["models"]}
    assert by_name["gemma2:2b"]["roles"] == ["small"]
    assert by_name["gemma2:2b"]["expected_ram_gb"] == 1.6
    assert by_name["claude-sonnet-5-5"]["key"] is False


def test_what_does_not_fit_is_said_and_what_is_unknown_is_not_claimed(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMROUTE_RAM_BUDGET", "6GB")
    fits = {model["name"]: model["fits"] for model in call("models", "list", "--json").json["models"]}
    assert (fits["gemma2:2b"], fits["gemma2:27b"], fits["qwen3:8b"], fits["gpt-5.5"]) == (True, False, None, None)


def test_one_model_is_shown_with_the_source_of_each_figure(call: Call, folder: Path) -> None:
    ended = call("models", "show", "claude")
    assert "claude-sonnet-5-5" in ended.out
    assert "2026-11-21" in ended.out
    assert "planning         temperature=0.3, max_tokens=3000, top_p=0.9" in ended.out
    data = call("models", "show", "gemma2:2b", "--json").json
    assert data["figures"]["expected RAM"]["source"].startswith("system E")
    wrong = call("models", "show", "gemma2:2bb")
    assert (wrong.code, '(did you mean "gemma2:2b"?)' in wrong.err) == (2, True)
    (folder / "llmroute.toml").write_text('[models.house]\nextends = "gemma2:2b"\ncontext = 5000\n')
    assert call("models", "show", "house", "--json").json["context"] == 5000


# explain


def test_a_decision_is_explained_and_nobody_is_asked(call: Call) -> None:
    ended = call("explain", "--strategy", "balanced", "--profile", "ollama", "--task", "fix", "--phase", "planning")
    assert "qwen2.5-coder:14b: balanced: fix → coder" in ended.out
    assert "rejected   gemma2:2b: plays small; not the role for fix" in ended.out
    (decision,) = call("explain", "--strategy", "hybrid", "--json", "Hello!").json["decisions"]
    assert (decision["task"], decision["model"], decision["log_line"]) == (
        "simple_chat", "nano", "[Router] Using local model (hybrid: simple task) taskType=simple_chat",
    )  # fmt: skip
    forced = call("explain", "--model", "gemma2:2b").out
    assert "the strategy's choice was overruled" in forced
    assert call("explain", "--strategy", "hybird").code == 2


# runs and show


def test_runs_and_one_run_are_shown(call: Call, stored: Path) -> None:
    (run,) = call("runs", "--json").json["runs"]
    assert run["outcomes"] == {"passed": 2, "missed": 2}
    assert run["run_id"] in call("runs").out
    shown = call("show", "last", "--outcome", "missed")
    assert shown.out.count("test_bad") == 2
    assert "test_good" not in shown.out.split("tokens\n")[-1]
    calls = call("show", run["run_id"][:12], "test_bad[fast]", "--calls").out
    assert "user      | say \\x1b[31mno" in calls
    assert "reply     | \\x1b[31mno" in calls
    assert "\x1b" not in calls
    data = call("show", "last", "--json").json
    assert (len(data["records"]), data["run"]["run_id"]) == (4, run["run_id"])


def test_the_newest_run_is_the_one_that_was_begun_last(call: Call, folder: Path) -> None:
    """Runs of one second, too; the end of an id is drawn by chance."""
    (folder / "conftest.py").write_text("def llmroute_scripted(call): return 'x'\n")
    (folder / "test_quick.py").write_text("def test_quick(llm): llm.generate('x')\n")
    begun = []
    for _ in range(4):
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--llm-profile=scripted", "-p", "no:asyncio"],
            cwd=folder, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout
        begun.append(call("show", "last", "--json").json["run"]["run_id"])
    assert len(set(begun)) == 4
    assert [run["run_id"] for run in call("runs", "--json").json["runs"]] == begun[::-1]


def test_without_a_run_to_work_on_the_exit_status_is_3(call: Call, stored: Path) -> None:
    assert call("show", "nothing").code == 3
    assert call("-C", str(stored / ".llmroute"), "runs").code == 3
    (stored / "llmroute.toml").write_text('[store]\nurl = "sqlite:///elsewhere.db"\n')
    ended = call("runs")
    assert (ended.code, "[LLR603]" in ended.err) == (3, True)
    assert not (stored / "elsewhere.db").exists()


def test_a_store_that_can_not_be_read_is_the_environments_fault(call: Call, stored: Path) -> None:
    (stored / ".llmroute" / "results.db").write_bytes(b"no database" * 100)
    ended = call("runs")
    assert (ended.code, "[LLR601]" in ended.err) == (4, True)


# init


@pytest.mark.parametrize(
    ("more", "told"),
    [(["--llm-profile=scripted"], "8 passed"), (["--llm-gate=record"], "7 passed, 1 missed")],
    ids=["scripted", "real"],
)
def test_init_writes_a_sample_that_runs_and_never_overwrites(
    call: Call, folder: Path, more: list[str], told: str
) -> None:
    ended = call("init")
    assert ended.out.count("✓ wrote") == 4
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/llm_sample", "--llm-strategy=balanced,fast", "-p", "no:asyncio", *more],
        cwd=folder, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    assert told in result.stdout
    assert call("config", "validate").code == 0
    (folder / "llmroute.toml").write_text("repeat = 2\n")
    data = call("init", "--json").json
    assert (data["written"], len(data["kept"])) == ([], 4)
    assert (folder / "llmroute.toml").read_text() == "repeat = 2\n"


def test_every_line_of_the_sample_configuration_is_right_when_it_is_uncommented(call: Call, folder: Path) -> None:
    call("init")
    text = (folder / "llmroute.toml").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    kept = [line for line in lines if "=" in line.split("#")[0] or line.startswith("[")]
    kept = [line for line in kept if not line.startswith(("An editor", "llmroute", "A ", "Configuration"))]
    (folder / "llmroute.toml").write_text("\n".join(kept))
    (folder / ".env").write_text("")
    ended = call("config", "validate")
    assert ended.code == 0, ended.err
    assert "strategies.careful.rules" in call("config", "show").out


def test_init_makes_no_second_configuration(call: Call, folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.llmroute]\nrepeat = 2\n")
    ended = call("init")
    assert "! llmroute.toml: [tool.llmroute] in pyproject.toml is there" in ended.out
    assert not (folder / "llmroute.toml").exists()


# doctor


def test_doctor_ends_with_0_when_all_that_is_configured_can_be_used(call: Call, folder: Path) -> None:
    (folder / "llmroute.toml").write_text('profile = "scripted"\n')
    ended = call("doctor")
    assert ended.code == 0
    assert "✓ versions" in ended.out
    assert {finding["status"] for finding in call("doctor", "--json").json["findings"]} == {"ok"}


def test_doctor_ends_with_4_and_names_the_cure(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    (folder / "llmroute.toml").write_text('profile = "ollama"\n[machine]\nram_budget = "4GB"\n')
    ended = call("doctor")
    assert ended.code == 4
    assert "✗ server         http://127.0.0.1:9: no connection to http://127.0.0.1:9" in ended.out
    assert "curl http://127.0.0.1:9/api/version" in " ".join(ended.out.split())
    assert "expected not to fit 4.0 GB: gemma2:9b (5.5 GB), qwen2.5-coder:14b (8.5 GB)" in " ".join(ended.out.split())
    (folder / "llmroute.toml").write_text('profil = "ollama"\n')
    ended = call("doctor")
    assert (ended.code, '(did you mean "profile"?)' in " ".join(ended.out.split())) == (4, True)


def test_doctor_asks_the_server_what_it_has(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    with LoopbackOllama({"gemma2:2b": Served("pico")}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        (folder / "llmroute.toml").write_text(
            'profile = "house"\n[profiles.house]\nextends = "embedded"\n'
            'roles = { small = "gemma2:2b", large = "llama3.2:1b" }\n'
        )
        ended = call("doctor")
    printed = " ".join(ended.out.split())
    assert f"✓ server {server.url}: " in printed
    assert (
        f'✗ model model "llama3.2:1b" is not installed at {server.url} to fix it: llmroute pull llama3.2:1b' in printed
    )
    assert "gemma2:2b" not in printed.split("✗ model")[1]
    assert ended.code == 4


def test_servers_tell_which_models_they_have(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    with LoopbackOllama({"gemma2:2b": Served("pico")}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        models = call("models", "list", "--profile", "ollama", "--ask", "--json").json["models"]
        assert "not installed" in call("models", "list", "--profile", "ollama", "--ask").out
    told = {model["name"]: model["server"] for model in models}
    assert told["gemma2:2b"] == "installed"
    assert told["gemma2:9b"] == "not installed"
    assert told["claude-sonnet-5-5"] == "missing"
    assert {model["server"] for model in call("models", "list", "--profile", "embedded", "--json").json["models"]} == {
        None
    }


# pull


def test_a_model_is_pulled_tried_and_written_down(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    library = {"llama3.2:1b": Served("pico")}
    (folder / ".env").write_text("LLM_STRATEGY=local_only\n# mine")
    with LoopbackOllama({}, library=library) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        ended = call("pull", "llama3.2:1b", "--try", "--write")
        assert ended.code == 0, ended.err
        assert re.search(r"✓ llama3.2:1b is here \(0.00 GB, \d+ s\)", ended.out)
        assert re.search(r"✓ llama3.2:1b answers after [\d.]+ s \(\d+ tokens\): ", ended.out)
        assert "LLM_STRATEGY=local_only: left as it is, hybrid would be new" in ended.err
        asked = len(server.bodies("/api/chat"))
        assert asked == 1
        missing = call("pull", "qwen2.5:0.5b")
    lines = (folder / ".env").read_text().splitlines()
    assert lines == ["LLM_STRATEGY=local_only", "# mine", "LOCAL_LLM_ENABLED=true", "LOCAL_MODEL_NAME=llama3.2:1b"]
    assert (missing.code, "Ollama's library has no qwen2.5:0.5b" in missing.err) == (2, True)


def test_a_pull_without_a_name_or_a_server_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "llmroute pull --profile ollama" in call("pull").err
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    ended = call("pull", "--profile", "ollama")
    assert (ended.code, "no connection to http://127.0.0.1:9" in ended.err) == (2, True)
    assert "pico: nothing to fetch for the backend embedded" in call("pull", "pico").out


def test_doctors_report_holds_no_secret(call: Call, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "hunter2hunter2")
    (folder / "llmroute.toml").write_text('profile = "ollama"\n')
    ended = call("doctor", "--json")
    assert "hunter2" not in ended.out
    assert "ANTHROPIC_API_KEY is set" in ended.out


# the frame


def test_a_misspelt_command_or_option_is_answered_with_the_nearest(call: Call) -> None:
    wrong = call("confg")
    assert (wrong.code, '(did you mean "config"?)' in wrong.err) == (2, True)
    assert "pytest is the runner" in call("run").err
    assert '(did you mean "validate"?)' in call("config", "validat").err
    assert "--json" in call("runs", "--jsn").err
    assert call("show", "--outcome", "mist").code == 2
    assert call().code == 2


def test_every_verb_has_help_with_an_example(call: Call) -> None:
    for name, command in cli.commands.items():
        text = call(name, "--help").out
        if not hasattr(command, "commands"):
            assert "Example" in text, name
            assert f"llmroute {name}" in text, name


def test_a_mistake_of_ours_is_one_block_and_a_traceback_only_with_debug(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("pytest_llmroute.cli.runs.runs", broken)
    ended = call("runs")
    assert (ended.code, "ZeroDivisionError: ours [LLR901]" in ended.err) == (4, True)
    assert "Traceback" in call("--debug", "runs").err


def test_an_interruption_ends_with_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_llmroute.cli.runs.runs", interrupted)
    assert call("runs").code == 130


def command(*args: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pytest_llmroute", *args], capture_output=True, check=False, env={**os.environ, **env}
    )


def test_the_module_is_the_same_command(folder: Path) -> None:
    assert b"Companion of pytest-llmroute" in command("--help").stdout
    assert command("--version").stdout.startswith(b"llmroute, version ")
    assert command("show").returncode == 3


def test_a_poor_encoding_gets_ascii_and_no_color_means_it(folder: Path) -> None:
    plain = command("doctor", PYTHONIOENCODING="ascii")
    assert plain.stdout.startswith(b"+ versions")
    assert plain.stdout.isascii()
    assert b"\x1b" in command("doctor", FORCE_COLOR="1").stdout
    assert b"\x1b" not in command("doctor", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_narrow_terminal_gets_fewer_columns_and_is_told_which(folder: Path) -> None:
    narrow = command("models", "list", "--family", "gemma", COLUMNS="50")
    assert max(len(line) for line in narrow.stdout.decode().splitlines()) <= 50
    assert b"left out for want of width: " in narrow.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_names(folder: Path, shell: str) -> None:
    assert b"_LLMROUTE_COMPLETE" in command("completion", shell).stdout
    (folder / "llmroute.toml").write_text('[models.qhouse]\nextends = "gemma2:2b"\n')
    words = {"COMP_WORDS": "llmroute models show q", "COMP_CWORD": "q" if shell == "fish" else "3"}
    words |= {"COMP_WORDS": "llmroute models show "} if shell == "fish" else {}
    found = subprocess.run(
        [sys.executable, "-c", "from pytest_llmroute.cli.main import main; main([])"],
        env={**os.environ, "_LLMROUTE_COMPLETE": f"{shell}_complete", **words}, capture_output=True, check=False,
        cwd=folder,
    )  # fmt: skip
    assert b"qwen2.5-coder:14b" in found.stdout
    assert b"qhouse" in found.stdout


def test_help_and_completion_import_no_more_than_they_need() -> None:
    code = "import sys; import pytest_llmroute.cli.main; print(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", "import json; " + code], capture_output=True, check=True)
    loaded = set(json.loads(found.stdout))
    assert not loaded & {"jsonschema", "yaml", "psutil", "sqlite3", "pytest", "pytest_llmroute.engine.engine"}
