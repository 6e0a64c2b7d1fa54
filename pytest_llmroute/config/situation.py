"""Everything that is configured, from one place: the project's tables, the settings, the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_llmroute.config.dotenv import layered, read_env_file
from pytest_llmroute.config.options import BY_NAME
from pytest_llmroute.config.project import Project, load_project
from pytest_llmroute.config.resolve import Given, Settings, nothing, resolve, resolve_one


class Situation(NamedTuple):
    """What a session starts from."""

    project: Project
    settings: Settings
    env: Mapping[str, str]
    """The live environment; behind it the .env file, where one was asked for."""


def nothing_configured(root: Path, env: Mapping[str, str]) -> Situation:
    """Built-in values only: what is left to stand on where the configuration can't be used."""
    project = Project(root)
    return Situation(project, resolve(nothing, nothing, {}, project), env)


def situation(root: Path, env: Mapping[str, str], *, cli: Given = nothing, ini: Given = nothing) -> Situation:
    """Reads the files of `root` and resolves every option."""
    named = resolve_one(BY_NAME["config"], cli, ini, env, None).value
    project = load_project(root, env, named)
    env_file = resolve_one(BY_NAME["env_file"], cli, ini, env, project).value
    if env_file:
        env = layered(env, read_env_file(root / env_file, env_file))
    return Situation(project, resolve(cli, ini, env, project), env)
