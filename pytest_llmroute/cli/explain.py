"""`llmroute explain`: the decision for one request, without asking anybody."""

from __future__ import annotations

from dataclasses import asdict

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by
from pytest_llmroute.config.resolve import DEFAULT_STRATEGY
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.requests import Request, as_messages
from pytest_llmroute.engine.setup import make_router, surroundings
from pytest_llmroute.errors import printable
from pytest_llmroute.extensions import Extensions


def explain(
    ctx: click.Context,
    prompt: str,
    strategy: str | None,
    profile: str | None,
    model: str | None,
    task: str | None,
    phase: str | None,
    agent: str | None,
    user: str | None,
    tools: bool,
    as_json: bool,
) -> None:
    """Which model would answer PROMPT, with which settings, and why; nobody is asked."""
    found = found_by(ctx)
    settings = found.settings
    extensions = Extensions(surroundings(settings, found.env))
    router = make_router(
        found.project, extensions, profile or settings["profile"], found.env,
        where="--profile" if profile else settings.origin("profile"),
    )  # fmt: skip
    named = settings["strategy"] or (DEFAULT_STRATEGY,)
    request = Request(
        as_messages(prompt), task=task, phase=phase, agent=agent, user=user, model=model, tools=({},) if tools else ()
    )
    decisions = [router.decide(request, Column("strategy", name)) for name in ((strategy,) if strategy else named)]
    if as_json:
        output.data({"decisions": [_values(decision) for decision in decisions]}, "llmroute.explain/1")
        return
    types = extensions.backends()
    for decision in decisions:
        output.line(f"{decision.column} on profile {decision.profile}")
        for line in str(decision).splitlines():
            output.wrapped(f"  {printable(line, 300)}", indent=17)
        kind = types.get(router.catalog.model(decision.model).backend)
        missing = kind.missing(router.catalog.model(decision.model)) if kind and kind.missing else None
        if missing is not None:
            output.note(f"{printable(missing.what, 200)}; to fix it: {printable(missing.fix, 200)}")


def _values(decision: Decision) -> dict[str, object]:
    values = asdict(decision)
    for inner in ("asked", "stays_here"):
        values.pop(inner)
    return values
