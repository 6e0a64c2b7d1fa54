"""The project that a verb works on."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pytest_llmroute.codes import Code
from pytest_llmroute.config.files import project_root
from pytest_llmroute.config.inifile import ini_reader
from pytest_llmroute.config.situation import Situation, situation
from pytest_llmroute.errors import UserError
from pytest_llmroute.report.sources import LAST, StoredRun, is_file, run_of_file, stored
from pytest_llmroute.store.locate import store_path
from pytest_llmroute.store.sqlite import SqliteStore


def root_of(ctx: click.Context) -> Path:
    """The folder of `-C`, else the nearest one upwards that is configured."""
    named = ctx.find_root().obj
    if named is None:
        return project_root(Path.cwd())
    if not Path(named).is_dir():
        raise UserError(f"-C {named}: no such folder", code=Code.OPTION)
    return Path(named)


def found_by(ctx: click.Context) -> Situation:
    """Everything that is configured there, as pytest would find it."""
    root = root_of(ctx)
    return situation(root, os.environ, ini=ini_reader(root))


def store_of(found: Situation) -> Path:
    return store_path(found.settings["store"], found.project.root, found.settings.origin("store"))


def open_store(found: Situation) -> SqliteStore:
    """The store of the project; one that is not there yet is no reason to make it."""
    path = store_of(found)
    if not path.is_file():
        raise UserError(
            f"no run is stored yet: {path} is not there",
            code=Code.NO_RUN,
            fix="pytest --llm-strategy=balanced",
            instead="-C FOLDER, or LLMROUTE_STORE=sqlite:///FILE, where runs are kept elsewhere",
        )
    return SqliteStore(path)


def load_run(found: Situation, wanted: str) -> StoredRun:
    """A run with its records: `last`, an id or its beginning, or a file."""
    if wanted != LAST and is_file(wanted):
        return run_of_file(Path(wanted))
    store = open_store(found)
    try:
        return stored(store, wanted)
    finally:
        store.close()
