"""Asks each server of some cards, once and all at the same time, what it has and what it holds in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pytest_llmroute.backends.contract import Surroundings, Survey
from pytest_llmroute.backends.ollama.address import Address, read_address
from pytest_llmroute.backends.ollama.backend import address_of
from pytest_llmroute.backends.ollama.facts import looks_remote
from pytest_llmroute.backends.ollama.server import OllamaServer
from pytest_llmroute.core.at_once import at_once
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.steps import waited
from pytest_llmroute.errors import Cause, ModelCallError, UserError

START = "ollama serve   (elsewhere: OLLAMA_HOST)"


def survey_ollama(cards: Sequence[ModelCard], within: float, *, around: Surroundings) -> list[Survey]:
    """One survey for each server; a server that can't be asked has one that says why."""
    asked: dict[Address, list[ModelCard]] = {}
    wrong: dict[str, Survey] = {}
    for card in cards:
        try:
            asked.setdefault(address_of(card, around), []).append(card)
        except UserError as error:
            place = card.base_url or around.ollama_host
            wrong[place] = Survey(place.rpartition("@")[2], up=False, text=error.what, fix=error.fix)
    until = time.monotonic() + within
    found = at_once(lambda item: _survey(*item, around=around, until=until), asked.items())
    return [*found, *wrong.values()]


def _survey(address: Address, cards: Sequence[ModelCard], *, around: Surroundings, until: float) -> Survey:
    if around.offline and not address.loopback:
        return Survey(address.url, up=False, text="offline: nothing but this machine is asked", fix="leave offline out")
    names = (card.api_key_env for card in cards if card.api_key_env)
    server = OllamaServer(address, key=next((key for name in names if (key := around.env.get(name, ""))), ""))
    try:
        version = waited(server.version(until - time.monotonic()))
        installed = waited(server.installed(until - time.monotonic()))
        resident = waited(server.resident(until - time.monotonic()))
    except ModelCallError as error:
        return Survey(address.url, up=False, text=error.text, fix=_fix(error.cause, address))
    finally:
        server.close()
    wanted = {card.served_as for card in cards}
    return Survey(
        address.url,
        up=True,
        text=version,
        installed=frozenset(name for model in installed for name in _both(model.name)),
        resident={name: model.size for model in resident for name in _both(model.name)},
        files={name: model.size for model in installed if model.size for name in _both(model.name)},
        elsewhere=frozenset(
            [name for model in installed if model.elsewhere for name in _both(model.name)]
            + [name for name in wanted if looks_remote(name)]
        ),
    )


def _both(name: str) -> tuple[str, ...]:
    """`llama3.2:latest` is `llama3.2` too; cards say either."""
    short = name.removesuffix(":latest")
    return (name, short) if short != name else (name,)


def _fix(cause: Cause, address: Address) -> str:
    if cause is Cause.AUTH:
        return "api_key_env on the model's card names the variable that holds the key"
    if cause in (Cause.REFUSED, Cause.TIMEOUT) and address == read_address(""):
        return START
    return f"curl {address.url}/api/version   (set OLLAMA_HOST where the server is elsewhere)"
