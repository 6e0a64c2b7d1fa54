"""A project folder, and its configuration as every part of the program finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_llmroute.config.inifile import ini_reader
from pytest_llmroute.config.situation import Situation, situation
from pytest_llmroute.engine.setup import check_names
from pytest_llmroute.errors import UserError, one
from pytest_llmroute.extensions import Extensions

Find = Callable[..., Situation]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """Writes files, and finds what is configured with them; names are checked as `config validate` does."""

    def go(
        toml: str | None = None, *, env: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None, cli: Mapping[str, str] | None = None,
    ) -> Situation:  # fmt: skip
        for name, text in {**({"llmroute.toml": toml} if toml is not None else {}), **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        home = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
        found = situation(
            tmp_path, {**home, **(env or {})}, ini=ini_reader(tmp_path), cli=lambda option: (cli or {}).get(option.name)
        )
        if wrong := check_names(found.project, Extensions()):
            raise one(wrong)
        return found

    return go


@pytest.fixture
def mistake(find: Find) -> Callable[..., str]:
    """The text of the error that files and environment lead to."""

    def go(toml: str | None = None, **more: Mapping[str, str | bytes]) -> str:
        with pytest.raises(UserError) as caught:
            find(toml, **more)
        return caught.value.text()

    return go
