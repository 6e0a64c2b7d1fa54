"""The engine behind the faces outside pytest."""

from __future__ import annotations

import os
from typing import Any

from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.config.catalog import builtin_catalog
from pytest_llmroute.core.profiles import Profile
from pytest_llmroute.core.replies import Call
from pytest_llmroute.engine.engine import Engine
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.routing.classify import Classifier, Rule
from pytest_llmroute.routing.router import Router

NOT_CALLED = 'scripted: no model was called, since this version has no backend "{backend}" for {model}'


def make_engine(
    profile: Profile | str, *, rules: tuple[Rule, ...] | None = None,
    user_rules: dict[str, tuple[Rule, ...]] | None = None,
) -> Engine:  # fmt: skip
    """Router and models over the built-in tables and installed extensions.

    A card whose backend is missing is answered by a scripted stand-in, and the reply says so.
    """
    extensions = Extensions()
    catalog = builtin_catalog()
    chosen = catalog.profile(profile) if isinstance(profile, str) else profile
    hook = extensions.hook
    classifier = Classifier(
        *([rules] if rules is not None else []),
        user_rules=user_rules or {},
        override=lambda text, user: hook.llmroute_classify(text=text, user=user),
    )
    router = Router(catalog, extensions.strategies(), chosen, os.environ, classifier)

    def scripted(call: Call) -> Any:
        answer = hook.llmroute_scripted(call=call)
        return NOT_CALLED.format(backend=call.card.backend, model=call.card.name) if answer is None else answer

    return Engine(router, BackendPool(extensions.backends(), stand_in="scripted"), scripted)
