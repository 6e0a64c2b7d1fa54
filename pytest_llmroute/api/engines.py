"""The engine behind the faces outside pytest: the configuration of the project that they are called in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_llmroute.config.files import project_root
from pytest_llmroute.config.situation import Situation, situation
from pytest_llmroute.core.profiles import Profile
from pytest_llmroute.core.replies import Call
from pytest_llmroute.engine import setup
from pytest_llmroute.engine.engine import Engine
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.routing.classify import Rule

NOT_CALLED = 'scripted: no model was called, since {model} is not to be had from the backend "{backend}" here'


def here() -> Situation:
    """What is configured where the program runs."""
    return situation(project_root(Path.cwd()), os.environ)


def make_engine(
    profile: Profile | str, *, rules: tuple[Rule, ...] | None = None,
    user_rules: Mapping[str, tuple[Rule, ...]] | None = None, found: Situation | None = None,
) -> Engine:  # fmt: skip
    """Router and models over the project's tables and installed extensions.

    A card whose backend or files are missing is answered by a scripted stand-in, and the reply says so.
    """
    found = found or here()
    extensions = Extensions(setup.surroundings(found.settings, found.env))
    router = setup.make_router(found.project, extensions, profile, found.env, rules=rules, user_rules=user_rules)

    def scripted(call: Call) -> Any:
        answer = extensions.scripted(call)
        return NOT_CALLED.format(backend=call.card.backend, model=call.card.name) if answer is None else answer

    return setup.make_engine(router, extensions, scripted, stand_in="scripted")
