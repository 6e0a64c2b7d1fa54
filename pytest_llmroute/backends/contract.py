"""What a backend is: it opens one model and answers calls to it, from several threads at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.steps import Doing, waited
from pytest_llmroute.errors import Cause, ModelCallError, UserError

MOST_TOKENS = 512
"""Tokens of a reply of a model that this machine runs, where nobody says how many."""


class Backend(Protocol):
    """One opened model. A call that can't be answered raises ModelCallError with its cause."""

    def generate(self, call: Call) -> Reply: ...

    def close(self) -> None: ...


class Waiting(Backend, Protocol):
    """A backend whose calls hold nobody up while their server thinks: one thread makes as many as there are slots."""

    def generate(self, call: Call) -> Reply:
        return waited(self.answering(call))

    def answering(self, call: Call) -> Doing[Reply]: ...


def answer(backend: Backend, call: Call) -> Doing[Reply]:
    """A call to either kind of backend."""
    answering: Callable[[Call], Doing[Reply]] | None = getattr(backend, "answering", None)
    return backend.generate(call) if answering is None else (yield from answering(call))


@runtime_checkable
class Streams(Protocol):
    """A backend that can also give the text piece by piece."""

    def stream(self, call: Call) -> Iterator[str]: ...


@runtime_checkable
class Resident(Protocol):
    """A backend whose model takes memory of this machine only while it is loaded; nothing of it runs meanwhile."""

    def load(self) -> object:
        """Brings it into memory, if it is not there; raises ModelCallError."""
        ...

    def unload(self) -> object: ...

    def resident(self) -> int:
        """Bytes that it takes now; 0 where it is not in memory."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a backend may know of where it runs. The environment is read per call: a key may come or go."""

    env: Mapping[str, str] = field(default_factory=dict)
    """The live environment; behind it the .env file, where one was asked for."""
    ollama_host: str = "http://127.0.0.1:11434"
    cache_dir: str = "./.cache/models"
    """Where downloaded models are kept."""
    offline: bool = False
    """Nothing but loopback may be reached."""

    def refuse(self, url: str, model: str) -> None:
        """Raises where an address is another machine's, and nothing but this one may be reached."""
        if self.offline and not is_loopback(url):
            text = f"{url} is not on this machine, and --llm-offline forbids it"
            raise ModelCallError(Cause.REFUSED, text, model=model)


MOST_TOKENS = 512
"""Of a reply of the engines in our own processes, where nobody says how many."""
CLAUDE_MOST_TOKENS = 4096
"""The same of Claude, whose API wants a number."""
Progress = Callable[[str, int, int], None]
"""Is told what goes on, and how many bytes of how many are there; 0 of 0 where nobody knows."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one server or library said when it was asked before any test."""

    endpoint: str
    up: bool
    text: str = ""
    """Its version, or why it can't be used."""
    fix: str = ""
    """The command that mends it."""
    installed: frozenset[str] | None = None
    """Its models by their ids; None where it can't say."""
    resident: Mapping[str, int] = field(default_factory=dict)
    """Loaded models by id, with their bytes."""
    files: Mapping[str, int] = field(default_factory=dict)
    """Bytes of its models on disk, by id."""
    elsewhere: frozenset[str] = frozenset()
    """Models that a local server runs on somebody else's machine."""
    parallel: int | None = None
    """Calls that it answers at once; None where it does not say."""


@dataclass(frozen=True, slots=True)
class BackendType:
    """A kind of backend: its name on model cards, and how one model is opened."""

    name: str
    open: Callable[[ModelCard], Backend]
    missing: Callable[[ModelCard], UserError | None] | None = None
    """Says before any test what keeps a model from being opened, without asking a server; None where nothing does."""
    endpoint: Callable[[ModelCard], str] | None = None
    """The server behind a card; models of one server fail and rest together."""
    pull: Callable[[ModelCard, Progress], object] | None = None
    """Fetches a model, when somebody asks for it."""
    slots: Callable[[ModelCard], int] | None = None
    """The most calls at once of such models together, where no server is behind them; 0: they answer without slots."""
    parallel: Callable[[ModelCard], int | None] | None = None
    """How many calls the card's server answers at once; None where nobody knows without asking it."""
    memory: Callable[[ModelCard], int | None] | None = None
    """Bytes that a model will take of its machine's memory, None where only its server knows.

    Where a backend has this, its models are loaded and unloaded as there is room.
    """
    survey: Callable[[Sequence[ModelCard], float], Sequence[Survey]] | None = None
    """Asks the servers of these cards, each once and all within so many seconds."""
    waits: bool = False
    """Whether what it opens is `Waiting`."""
    most: int | None = None
    """Tokens of a reply where nobody says how many; None: what its card allows."""
