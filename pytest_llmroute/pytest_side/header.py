"""The line that says what a run is: profile, its models, the columns; and whether real models lie ready unused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_llmroute.backends.pulled import listing
from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.config.resolve import Level, Settings
from pytest_llmroute.core.columns import Column
from pytest_llmroute.errors import UserError

MOST_NAMES = 4
ABOUT = {
    "scripted": "answers written beforehand; no model is called",
    "embedded": "{models}: small models of this package, to try things out",
}


def header(catalog: Catalog, settings: Settings, columns: Sequence[Column], env: Mapping[str, str]) -> list[str]:
    name = settings["profile"]
    models = _models(catalog, name)
    shown = ", ".join([*models[:MOST_NAMES], *(["…"] if len(models) > MOST_NAMES else [])])
    about = ABOUT.get(name, "{models}").format(models=shown)
    lines = [f"llmroute: profile {name} ({about}) · {', '.join(column.name for column in columns)}"]
    chosen = settings.level("profile") is not Level.BUILT_IN
    pulled = [] if chosen else [model for model in _models(catalog, "ollama") if listing(model, env).is_file()]
    if pulled:
        ready = ", ".join(pulled)
        lines.append(f"llmroute: Ollama has {ready}: --llm-profile=ollama runs the suite on real models")
    return lines


def _models(catalog: Catalog, profile: str) -> list[str]:
    """The local models that play its roles."""
    try:
        roles = catalog.profile(profile).roles
    except UserError:
        return []
    return list(dict.fromkeys(model for role, model in roles.items() if role != "remote"))
