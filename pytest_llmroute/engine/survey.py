"""Whether the servers and models that somebody needs can be had: every server asked once, all at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_llmroute.backends.contract import BackendType, Survey
from pytest_llmroute.codes import Code
from pytest_llmroute.core.at_once import at_once
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.errors import UserError, guarded, nearest

WITHIN = 2.0
"""Seconds; a server that is slower than that to say what it has is taken for not there."""
RESERVE = 500_000_000
"""Bytes that stay free for everything else."""
EMBEDDED = "--llm-profile=embedded (small models of this package)"
SHOWN = 5


class Need(NamedTuple):
    """A model and how many tests want it."""

    card: ModelCard
    tests: int = 0


class Server(NamedTuple):
    """One server, what it said, and the models that are wanted from it."""

    survey: Survey
    needs: tuple[Need, ...]


def look(types: Mapping[str, BackendType], needs: Sequence[Need], within: float = WITHIN) -> list[Server]:
    """Asks the servers behind these models; models without a server are left out."""
    groups: dict[str, list[Need]] = {}
    for need in needs:
        kind = types.get(need.card.backend)
        if kind is not None and kind.survey is not None and kind.endpoint is not None:
            groups.setdefault(kind.name, []).append(need)
    found = at_once(lambda group: _asked(types[group[0]], group[1], within), groups.items())
    return [server for servers in found for server in servers]


def _asked(kind: BackendType, needs: Sequence[Need], within: float) -> list[Server]:
    assert kind.survey is not None
    assert kind.endpoint is not None
    survey, endpoint = kind.survey, kind.endpoint
    surveys = guarded(f"backend {kind.name}: survey", lambda: survey([need.card for need in needs], within))
    return [Server(each, tuple(need for need in needs if endpoint(need.card) == each.endpoint)) for each in surveys]


def installed(survey: Survey, card: ModelCard) -> bool | None:
    """Whether the server has the model; None where it does not say."""
    if survey.installed is None:
        return None
    return bool({card.served_as, f"{card.served_as}:latest"} & survey.installed)


def troubles(servers: Iterable[Server], free: int | None = None, *, of: int = 0) -> list[UserError]:
    """What would make tests fail for want of a server or a model, or of memory where it is said how much is free.

    `of`: how many tests there are.
    """
    return [error for server in servers for error in _troubles(server, free, of)]


def _troubles(server: Server, free: int | None, of: int) -> Iterator[UserError]:
    survey = server.survey
    if not survey.up:
        yield UserError(
            f"{survey.endpoint} can't be used: {survey.text}",
            code=Code.SERVER,
            means=_wanted(server.needs, of),
            fix=survey.fix or "start the server, or base_url of the cards",
            instead=EMBEDDED,
        )
        return
    for need in server.needs:
        card = need.card
        if card.served_as in survey.elsewhere and not card.remote:
            yield UserError(
                f'model "{card.name}" is not run by {survey.endpoint} itself but by somebody else\'s server',
                code=Code.SERVER,
                means=f"prompts would leave this machine; {_wanted([need], of)}",
                fix=f'a model that is pulled: llmroute models list; or remote = true on the card of "{card.name}"',
                instead=EMBEDDED,
            )
        elif installed(survey, card) is False:
            yield _absent(survey, need, of)
        elif free is not None and (error := _too_large(survey, need, free, of)):
            yield error


def _absent(survey: Survey, need: Need, of: int) -> UserError:
    known = sorted(survey.installed or ())
    near = nearest(need.card.served_as, known)
    here = ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "") if known else "none"
    return UserError(
        f'model "{need.card.name}" is not installed at {survey.endpoint}',
        code=Code.MODEL_MISSING,
        means=f"{_wanted([need], of)}; installed: {here}",
        fix=f"llmroute pull {need.card.name}" if need.card.backend == "ollama" else f'id = "{near or "…"}" on its card',
        instead=f"--llm-model={near}" if near else EMBEDDED,
    )


def _too_large(survey: Survey, need: Need, free: int, of: int) -> UserError | None:
    """By the expected size, which is somebody's estimate; what is loaded already could make room."""
    expected = need.card.expected.ram_gb
    if expected is None or need.card.remote or need.card.served_as in survey.resident:
        return None
    room = free + sum(survey.resident.values()) - RESERVE
    if expected * 1e9 <= room:
        return None
    loaded = ", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in survey.resident.items())
    return UserError(
        f'model "{need.card.name}" is expected to need {expected:g} GB of RAM, {max(0, room) / 1e9:.1f} GB can be had',
        code=Code.MEMORY,
        means=_wanted([need], of) + (f"; loaded: {loaded}" if loaded else ""),
        fix=f"free some memory, or a smaller model; run anyway: --llm-ram-budget={expected + 1:.0f}GB",
        instead=EMBEDDED,
    )


def _wanted(needs: Sequence[Need], of: int) -> str:
    models = ", ".join(need.card.name for need in needs[:SHOWN]) + (", …" if len(needs) > SHOWN else "")
    count = sum(need.tests for need in needs)
    return f"{count} of {of} tests need it ({models})" if count else f"wanted: {models}"
