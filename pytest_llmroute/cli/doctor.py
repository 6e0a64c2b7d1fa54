"""`llmroute doctor`: what is here, what is missing, and the command that fixes it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click

from pytest_llmroute import __version__
from pytest_llmroute.backends.contract import BackendType
from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import root_of
from pytest_llmroute.codes import Code
from pytest_llmroute.config.inifile import ini_reader
from pytest_llmroute.config.situation import Situation, situation
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.processes import available_ram
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.engine.setup import catalog_of, check_names, surroundings
from pytest_llmroute.engine.survey import Need, Server, look, troubles
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.extensions import Extensions
from pytest_llmroute.measure.machine import machine_facts
from pytest_llmroute.sandbox.tiers import ABOUT, find_way
from pytest_llmroute.store.locate import store_path
from pytest_llmroute.store.sqlite import SqliteStore

GO_ON = "pytest --llm-profile=scripted goes on without"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ok, warn (something could be better), fail (something configured can't be used)."""

    name: str
    status: str
    text: str
    fix: str = ""


def doctor(ctx: click.Context, as_json: bool) -> None:
    """What is here, what is missing, and the command that fixes it; exit status 4 when something is unusable."""
    findings = list(_findings(root_of(ctx)))
    redact = Redactor(os.environ)
    findings = [Finding(f.name, f.status, redact(f.text), f.fix) for f in findings]
    if as_json:
        output.data({"findings": [asdict(finding) for finding in findings]}, "llmroute.doctor/1")
    else:
        for finding in findings:
            output.wrapped(
                f"{output.mark(finding.status)} {finding.name:<14} {printable(finding.text, 300)}", indent=17
            )
            if finding.fix:
                output.wrapped(f"  {'':<14} to fix it: {finding.fix}", indent=17)
    if any(finding.status == "fail" for finding in findings):
        ctx.exit(4)


def _findings(root: Path) -> Iterator[Finding]:
    yield _versions()
    yield from _machine()
    yield _sandbox()
    found: Situation | None = None
    wrong: Sequence[UserError]
    try:
        found = situation(root, os.environ, ini=ini_reader(root))
        extensions = Extensions(surroundings(found.settings, found.env))
        wrong = check_names(found.project, extensions)
    except UserError as error:
        wrong = getattr(error, "errors", (error,))
    for mistake in wrong:
        code = f" [{mistake.code.number}]" if mistake.code else ""
        yield Finding("configuration", "fail", mistake.what + code, mistake.fix or "llmroute config validate")
    if wrong or found is None:
        return
    file = found.project.file
    yield Finding("configuration", "ok", file.shown if file else "no file: built-in values (llmroute init writes one)")
    yield from _profile(found, extensions)
    yield _store(found)


def _versions() -> Finding:
    parts = [f"pytest-llmroute {__version__}", f"Python {platform.python_version()}"]
    for name in ("pytest", "pytest-xdist"):
        try:
            parts.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return Finding("versions", "ok", ", ".join(parts))


def _machine() -> Iterator[Finding]:
    facts = machine_facts()
    yield Finding(
        "machine", "ok",
        f"{facts['system']} {facts['machine']}, {facts['cores']} cores, {facts['ram_bytes'] / 1e9:.1f} GB RAM,"
        f" {available_ram() / 1e9:.1f} GB free",
    )  # fmt: skip
    free = shutil.disk_usage(Path.cwd()).free
    if free < 2e9:
        yield Finding("disk", "warn", f"{free / 1e9:.1f} GB free: too little for most models", "free some space")


def _sandbox() -> Finding:
    """Where model-written code would run: found out by an attack of our own, once for each state of the machine."""
    try:
        way = find_way()
    except UserError as error:
        return Finding("sandbox", "warn", f"{error.what}: {error.means}", error.fix)
    return Finding("sandbox", "ok" if way == "isolated" else "warn", f"{way}: {ABOUT[way]}")


def _profile(found: Situation, extensions: Extensions) -> Iterator[Finding]:
    """Whether the models of the configured profile could be asked."""
    catalog = catalog_of(found.project, extensions)
    name = found.settings["profile"]
    try:
        profile = catalog.profile(name, found.settings.origin("profile"))
    except UserError as error:
        yield Finding("profile", "fail", error.what, "llmroute config show --origin")
        return
    yield Finding("profile", "ok", f"{name} ({found.settings.origin('profile')}): {profile.about}")
    cards = list({card.name: card for card in map(catalog.model, profile.roles.values())}.values())
    types = extensions.backends()
    here = []
    for card in cards:
        if (lacking := _lacking(types, card)) is None:
            here.append(card)
        else:
            # Claude stands in every profile; a profile of local models works without it.
            yield Finding(card.backend, "warn" if card.remote else "fail", lacking.what, lacking.fix)
    yield from _keys(found, here)
    servers = look(types, [Need(card) for card in here])
    for server in servers:
        yield from _server(found, server)
    told = {need.card.name for server in servers if server.survey.up for need in server.needs}
    yield from _fit(found, [card for card in here if card.name not in told])


def _lacking(types: Mapping[str, BackendType], card: ModelCard) -> UserError | None:
    kind = types.get(card.backend)
    if kind is None:
        return UserError(f'no backend "{card.backend}" is here', code=Code.BACKEND, fix=GO_ON)
    return kind.missing(card) if kind.missing is not None else None


def _server(found: Situation, server: Server) -> Iterator[Finding]:
    """One server: whether it answers, and what it lacks."""
    survey = server.survey
    remote = all(need.card.remote for need in server.needs)
    if not survey.up:
        yield Finding("server", "warn" if remote else "fail", f"{survey.endpoint}: {survey.text}", survey.fix)
        return
    loaded = f"; loaded: {', '.join(survey.resident)}" if survey.resident else ""
    yield Finding("server", "ok", f"{survey.endpoint}: {survey.text}{loaded}")
    for error in troubles([server], found.settings["ram_budget"] or available_ram()):
        yield Finding("model", "fail", error.what, error.fix)


def _keys(found: Situation, cards: Sequence[ModelCard]) -> Iterator[Finding]:
    for name in dict.fromkeys(card.api_key_env for card in cards if card.api_key_env):
        models = ", ".join(card.name for card in cards if card.api_key_env == name)
        yield Finding("key", "ok", f"{name} is set ({models})")


def _fit(found: Situation, cards: Sequence[ModelCard]) -> Iterator[Finding]:
    budget = found.settings["ram_budget"] or available_ram()
    say: Callable[[ModelCard], str] = lambda card: f"{card.name} ({card.expected.ram_gb:g} GB)"  # noqa: E731
    big = [card for card in cards if card.expected.ram_gb is not None and card.expected.ram_gb * 1e9 > budget]
    if big:
        yield Finding(
            "RAM", "warn", f"expected not to fit {budget / 1e9:.1f} GB: {', '.join(map(say, big))}",
            "choose smaller models: llmroute models list",
        )  # fmt: skip


def _store(found: Situation) -> Finding:
    try:
        path = store_path(found.settings["store"], found.project.root, found.settings.origin("store"))
        root = found.project.root
        shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        if not path.is_file():
            return Finding("store", "ok", f"{shown}: made by the first run")
        store = SqliteStore(path)
        try:
            count = len(store.runs(10_000))
        finally:
            store.close()
    except UserError as error:
        return Finding("store", "fail", error.what, error.fix)
    return Finding("store", "ok", f"{shown}: {count} runs")
