"""The command in this process, in a project folder of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_llmroute.cli.main import main
from pytest_llmroute.config.schema import published

from . import toy


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Mapping[str, Any]:
        """Its data, checked by the published schema."""
        loaded: Mapping[str, Any] = json.loads(self.out)
        name = "run" if loaded["schema"] == "llmroute.run/1" else "exports"
        jsonschema.validate(loaded, published(name))
        return loaded


Call = Callable[..., Ended]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy project with a run that its baseline was saved from, and a worse one; both are stored and in files."""
    folder = toy.project(tmp_path_factory.mktemp("whole"))
    assert toy.run(folder, "--llm-save", "--llm-gate=record", "--llm-json=then.json").returncode == 0
    demands = (f"--llm-require={one}" for one in toy.DEMANDS)
    ended = toy.run(folder, "--llm-gate=fail", "--llm-json=now.json", *demands, misses=20)
    assert ended.returncode == 1, ended.stdout
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(folder: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `llmroute …`; nothing of it may be wider than 100 columns or hold a traceback."""

    def go(*args: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        out, err = capsys.readouterr()
        if "--debug" not in args:
            assert "Traceback" not in out + err
        if not {"--json", "--print", "schema", "reference", "completion", "path"} & set(args):
            assert max((len(line) for line in out.splitlines()), default=0) <= 100
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    return go
