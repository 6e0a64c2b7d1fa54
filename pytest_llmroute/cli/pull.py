"""`llmroute pull`: fetches models when somebody asks for it, tries them, and writes the settings that use them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from pytest_llmroute.backends.contract import BackendType
from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by
from pytest_llmroute.codes import Code
from pytest_llmroute.config.dotenv import read_env_file
from pytest_llmroute.config.situation import Situation
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Message, Request, Sampling
from pytest_llmroute.engine.setup import catalog_of, make_engine, make_router, surroundings
from pytest_llmroute.errors import ModelCallError, UserError, printable
from pytest_llmroute.extensions import Extensions

EVERY = 0.5
"""Seconds between two lines of progress on a terminal."""
HELLO = "Say hello in one short sentence."
FILE = ".env"


def pull(ctx: click.Context, names: tuple[str, ...], profile: str | None, try_: bool, write: bool) -> None:
    """Fetch models; what is there already is not fetched again."""
    found = found_by(ctx)
    extensions = Extensions(surroundings(found.settings, found.env))
    cards = _cards(found, extensions, names, profile)
    types = extensions.backends()
    for card in cards:
        _fetch(types, card)
    if try_ or write:
        for card in cards:
            _try(found, extensions, card)
    if write:
        _write(found.project.root / FILE, cards[0])


def _cards(found: Situation, extensions: Extensions, names: Sequence[str], profile: str | None) -> list[ModelCard]:
    catalog = catalog_of(found.project, extensions)
    if profile is not None:
        roles = catalog.profile(profile, "--profile").roles
        names = [*names, *(model for role, model in roles.items() if role != "remote")]
    if not names:
        raise UserError(
            "nothing to pull: no model and no profile is named",
            code=Code.OPTION,
            fix="llmroute pull gemma2:2b, or llmroute pull --profile ollama",
        )
    return list({card.name: card for card in map(catalog.model, names)}.values())


def _fetch(types: dict[str, BackendType], card: ModelCard) -> None:
    kind = types.get(card.backend)
    if kind is None or kind.pull is None:
        output.line(f"{output.mark('ok')} {card.name}: nothing to fetch for the backend {card.backend}")
        return
    shown = _Shown(card.name)
    started = time.monotonic()
    try:
        kind.pull(card, shown.tell)
    except ModelCallError as error:
        raise UserError(
            f'model "{card.name}": {error.text}', code=Code.MODEL_MISSING, fix="llmroute doctor tells what is missing"
        ) from None
    finally:
        shown.end()
    size = f" ({shown.total / 1e9:.2f} GB, {time.monotonic() - started:.0f} s)" if shown.total else ""
    output.line(f"{output.mark('ok')} {card.name} is here{size}")


class _Shown:
    """Progress on one line of a terminal; elsewhere nothing is written until the end."""

    def __init__(self, name: str) -> None:
        self._name, self._at = name, 0.0
        self._live = sys.stderr.isatty()
        self.total = 0

    def tell(self, status: str, done: int, total: int) -> None:
        self.total = max(self.total, total)
        if not self._live or time.monotonic() - self._at < EVERY:
            return
        self._at = time.monotonic()
        share = f"{100 * done / total:3.0f} %  {done / 1e9:.2f}/{total / 1e9:.2f} GB" if total else ""
        sys.stderr.write(f"\r\x1b[K{self._name}  {printable(status, 40)}  {share}")
        sys.stderr.flush()

    def end(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _try(found: Situation, extensions: Extensions, card: ModelCard) -> None:
    """One short call: whether the model really answers here."""
    router = make_router(found.project, extensions, found.settings["profile"], found.env)
    engine = make_engine(router, extensions, lambda call: None, limit=found.settings["timeout"])
    request = Request((Message("user", HELLO),), sampling=Sampling(max_tokens=40))
    try:
        reply = engine.ask(request, Column("model", card.name))
    except ModelCallError as error:
        raise UserError(
            f'model "{card.name}" does not answer: {error}', code=Code.SERVER, fix="llmroute doctor"
        ) from None
    finally:
        engine.pool.close()
    text = printable(" ".join(reply.text.split()), 60)
    output.line(
        f"{output.mark('ok')} {card.name} answers after {reply.timings.total:.1f} s"
        f" ({reply.tokens.completion} tokens): {text}"
    )


def _write(path: Path, card: ModelCard) -> None:
    """The settings of the provider router; a line that is there stays as it is."""
    wanted = {"LLM_STRATEGY": "hybrid", "LOCAL_LLM_ENABLED": "true", "LOCAL_MODEL_NAME": card.name}
    there = read_env_file(path, FILE) if path.exists() else {}
    new = {name: value for name, value in wanted.items() if name not in there}
    for name, value in there.items():
        if wanted.get(name, value) != value:
            output.note(f"{FILE} says {name}={printable(value, 60)}: left as it is, {wanted[name]} would be new")
    if new:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        gap = "" if not before or before.endswith("\n") else "\n"
        path.write_text(before + gap + "".join(f"{k}={v}\n" for k, v in new.items()), encoding="utf-8")
    output.line(f"{output.mark('ok')} {FILE}: {', '.join(new) or 'nothing new'}")
    output.note(f'it is read where the configuration says env_file = "{FILE}"')
