"""`llmroute models`: the cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by
from pytest_llmroute.config.catalog import Catalog
from pytest_llmroute.config.situation import Situation
from pytest_llmroute.core.models import ModelCard, Source
from pytest_llmroute.core.processes import available_ram
from pytest_llmroute.core.requests import Request, Sampling
from pytest_llmroute.engine.setup import catalog_of, make_router, surroundings
from pytest_llmroute.engine.survey import Need, installed, look
from pytest_llmroute.extensions import Extensions


def list_models(
    ctx: click.Context, profile: str | None, family: str | None, backend: str | None, ask: bool, as_json: bool
) -> None:
    """All models by name."""
    found = found_by(ctx)
    extensions = Extensions(surroundings(found.settings, found.env))
    catalog = catalog_of(found.project, extensions)
    names = set(catalog.models)
    if profile is not None:
        chosen = catalog.profile(profile, "--profile")
        agents = [chosen.roles.get(agent.model, agent.model) for agent in chosen.agents.values()]
        names = {catalog.model(name).name for name in (*chosen.roles.values(), *agents)}
    cards = [
        card for name, card in sorted(catalog.models.items())
        if name in names and family in (None, card.family) and backend in (None, card.backend)
        and (backend or not card.scripted or profile)
    ]  # fmt: skip
    budget = found.settings["ram_budget"] or available_ram()
    roles = _roles(catalog, profile or found.settings["profile"])
    told = _told(extensions, cards) if ask else {}
    if as_json:
        output.data(
            {
                "ram_budget": budget,
                "models": [
                    {**_values(card, budget, found.env, roles), "server": told.get(card.name)} for card in cards
                ],
            },
            "llmroute.models/1",
        )
        return
    output.table(
        ("model", "backend", "context", "RAM GB", "tok/s", "$ in/out", "here", "family", "best for"),
        [_row(card, told.get(card.name) or _here(card, budget, found.env)) for card in cards],
        right=(2, 3, 4, 5),
    )
    output.note(
        f"{len(cards)} models; RAM, tok/s are expected, somebody's estimates; empty: not known; here: whether it fits"
        f" {budget / 1e9:.1f} GB, or its key is set"
    )


def _roles(catalog: Catalog, profile: str) -> Mapping[str, list[str]]:
    played: dict[str, list[str]] = {}
    for role, name in catalog.profile(profile).roles.items():
        played.setdefault(catalog.model(name).name if catalog.find(name) else name, []).append(role)
    return played


def _told(extensions: Extensions, cards: Sequence[ModelCard]) -> dict[str, str]:
    """What each model's server or backend says of it."""
    types = extensions.backends()
    told: dict[str, str] = {}
    for card in cards:
        kind = types.get(card.backend)
        if kind is None or (kind.missing is not None and kind.missing(card) is not None):
            told[card.name] = "missing"
        elif kind.survey is None:
            told[card.name] = "there"
    for server in look(types, [Need(card) for card in cards if card.name not in told]):
        for need in server.needs:
            loaded = need.card.served_as in server.survey.resident
            states = {True: "loaded" if loaded else "installed", False: "not installed", None: "server up"}
            told[need.card.name] = states[installed(server.survey, need.card)] if server.survey.up else "server down"
    return told


def _row(card: ModelCard, here: str) -> tuple[str, ...]:
    expected, price = card.expected, card.price
    return (
        card.name,
        card.backend,
        _tokens(card.context),
        f"{expected.ram_gb:g}" if expected.ram_gb else "",
        f"{expected.tokens_per_second:g}" if expected.tokens_per_second else "",
        f"{price.input:g}/{price.output:g}" if price else "",
        here,
        card.family,
        card.best_for,
    )


def _here(card: ModelCard, budget: int, env: Mapping[str, str]) -> str:
    """Whether it could be used here, as far as a card can tell; what is not known is not claimed."""
    if card.api_key_env:
        return "key set" if env.get(card.api_key_env) else "no key"
    fits = _fits(card, budget)
    return "" if fits is None else "fits" if fits else "too big"


def _fits(card: ModelCard, budget: int) -> bool | None:
    if card.remote or card.expected.ram_gb is None:
        return None
    return card.expected.ram_gb * 1e9 <= budget


def _tokens(count: int | None) -> str:
    return "" if count is None else f"{count:,}".replace(",", " ")


def _values(card: ModelCard, budget: int, env: Mapping[str, str], roles: Mapping[str, list[str]]) -> dict[str, Any]:
    expected, price = card.expected, card.price
    return {
        "name": card.name,
        "backend": card.backend,
        "family": card.family,
        "remote": card.remote,
        "aliases": list(card.aliases),
        "context": card.context,
        "expected_ram_gb": expected.ram_gb,
        "expected_tokens_per_second": expected.tokens_per_second,
        "usd_per_million_in": price.input if price else None,
        "usd_per_million_out": price.output if price else None,
        "capabilities": sorted(card.capabilities),
        "roles": roles.get(card.name, []),
        "fits": _fits(card, budget),
        "key": bool(env.get(card.api_key_env)) if card.api_key_env else None,
        "best_for": card.best_for,
    }


def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Everything that is known of one model, each figure with its source."""
    found = found_by(ctx)
    extensions = Extensions()
    catalog = catalog_of(found.project, extensions)
    card = catalog.model(name)
    phases = _phases(found, extensions, card)
    budget = found.settings["ram_budget"] or available_ram()
    if as_json:
        values = _values(card, budget, found.env, _roles(catalog, found.settings["profile"]))
        figures = {title: {"value": value, "source": s.source, "date": s.date} for title, value, s in _figures(card)}
        output.data({**values, "figures": figures, "phases": phases, "tips": list(card.tips)}, "llmroute.model/1")
        return
    output.line(f"{card.name}  {card.display_name}".rstrip())
    for title, text in _facts(card):
        if text:
            output.wrapped(f"  {title:<14} {text}", indent=17)
    for title, value, source in _figures(card):
        where = ", ".join(part for part in (source.source, source.date) if part)
        output.wrapped(f"  {title:<14} {value}" + (f"   ({where})" if where else ""), indent=17)
    output.line("  phases")
    for phase, settings in phases.items():
        parts = ", ".join(f"{key}={value}" for key, value in settings.items() if value is not None)
        output.line(f"    {phase:<16} {parts}")
    for tip in card.tips:
        output.wrapped(f"  tip            {tip}", indent=17)


def _phases(found: Situation, extensions: Extensions, card: ModelCard) -> dict[str, dict[str, Any]]:
    """The settings that the router would send, by phase."""
    router = make_router(found.project, extensions, found.settings["profile"], found.env)
    settings = {
        phase: router.settings(Request((), phase=phase), card, Sampling(), 0, 0)[0] for phase in router.catalog.phases
    }
    return {
        phase: {"temperature": s.temperature, "max_tokens": s.max_tokens, "top_p": s.top_p, "reasoning": s.reasoning}
        for phase, s in settings.items()
    }


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    retry = card.retry
    return [
        ("backend", card.backend + (f" at {card.base_url}" if card.base_url else "")),
        ("served as", card.id),
        ("aliases", ", ".join(card.aliases)),
        ("family", card.family),
        ("parameters", card.parameters),
        ("best for", card.best_for),
        ("capabilities", ", ".join(sorted(card.capabilities))),
        ("thinking", card.thinking),
        ("prompt format", card.prompt_format),
        ("template", card.template),
        ("instructions", card.instructions),
        ("key", f"in {card.api_key_env}" if card.api_key_env else ""),
        ("steps", f"at most {card.max_iterations}" if card.max_iterations else ""),
        ("parallel calls", f"at most {card.max_parallel_calls}" if card.max_parallel_calls else ""),
        ("tries", f"{retry.attempts} on {', '.join(retry.causes)}" if retry.attempts > 1 else "1"),
    ]


def _figures(card: ModelCard) -> list[tuple[str, Any, Source]]:
    expected, price = card.expected, card.price
    source = Source(expected.source, expected.date)
    figures: list[tuple[str, Any, Source]] = [
        ("context", card.context, card.sources.get("context", Source())),
        ("max output", card.max_output, card.sources.get("max_output", Source())),
        ("expected RAM", f"{expected.ram_gb:g} GB" if expected.ram_gb else None, source),
        ("expected speed", f"{expected.tokens_per_second:g} tokens/s" if expected.tokens_per_second else None, source),
        ("expected rate", expected.requests_per_second and f"{expected.requests_per_second} requests/s", source),
        ("expected level", expected.accuracy, source),
        ("download", f"{expected.download_gb:g} GB" if expected.download_gb else None, source),
    ]
    if price:
        text = f"${price.input:g} in, ${price.output:g} out per million tokens"
        figures.append(("price", text, Source(price.source, price.date)))
    return [(title, value, where) for title, value, where in figures if value]
