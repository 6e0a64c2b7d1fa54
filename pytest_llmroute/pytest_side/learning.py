"""What earlier runs of a project say of its ladders."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from pytest_llmroute.errors import UserError
from pytest_llmroute.learn.ladders import Learned, Tried, learned_of
from pytest_llmroute.pytest_side.once import once_for_all
from pytest_llmroute.store.experience import read_experience
from pytest_llmroute.store.locate import store_path
from pytest_llmroute.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pytest_llmroute.pytest_side.session import LLMSession

MOST = 5000
"""Cases on ladders that are read, the newest."""


def learned(session: LLMSession) -> Learned:
    """By runs that began before this one: one that is resumed finds what it had found."""
    return Learned.from_dict(once_for_all(session, "learned", lambda: _read(session).to_dict()))


def brought() -> Tried:
    """What was measured of the package's own models: `training/ladders.py` writes it."""
    path = resources.files("pytest_llmroute") / "models" / "ladders.json"
    return Tried.from_dict(json.loads(path.read_text("utf-8")))


def _read(session: LLMSession) -> Learned:
    root, settings = session.config.rootpath, session.settings
    seconds = {name: own.call_seconds for name, own in read_experience(root).items() if own.call_seconds is not None}
    path = store_path(settings["store"], root, settings.origin("store"))
    if not path.is_file():
        return learned_of((), seconds, brought())
    try:
        store = SqliteStore(path)
    except UserError:
        return learned_of((), seconds, brought())  # what is wrong with it is told when the run is to be stored
    try:
        return learned_of(store.on_ladders(before=session.run_id, most=MOST), seconds, brought())
    finally:
        store.close()
