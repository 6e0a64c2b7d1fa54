"""Opened models: each one once per session, whoever asks first."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from pytest_llmroute.backends.breaker import Breaker
from pytest_llmroute.backends.contract import Backend, BackendType, Resident
from pytest_llmroute.codes import Code
from pytest_llmroute.core.budget import Amount, expected_amount
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.core.requests import Sampling
from pytest_llmroute.errors import ModelCallError, UserError, guarded

log = logging.getLogger("pytest_llmroute.backends")


class BackendMissing(UserError):
    """A card names a backend that is not there."""


class BackendPool:
    """Opens models on first need and closes them together."""

    def __init__(
        self, types: Mapping[str, BackendType], *, stand_in: str | None = None,
        loading: Callable[[ModelCard], None] | None = None,
    ) -> None:  # fmt: skip
        self._types = types
        self._stand_in = stand_in
        """The backend that answers for cards whose own is missing; its replies say so."""
        self._loading = loading
        self._opened: dict[str, Backend] = {}
        self._breakers: dict[str, Breaker] = {}
        self._endpoints: dict[str, str] = {}
        """By model: asked for several times a call."""
        self._fresh: dict[str, float] = {}
        """Models that were loaded and have not answered since, with the seconds that it took."""
        self._lock = threading.Lock()

    @property
    def types(self) -> Mapping[str, BackendType]:
        return self._types

    def has(self, card: ModelCard) -> bool:
        """Whether the card's own backend is there."""
        return card.backend in self._types

    def missing(self, card: ModelCard) -> UserError | None:
        """The error for a card that can't be asked; None where somebody answers for it."""
        if self._stand_in is not None or card.name in self._opened:
            return None  # asked for every call: what is open lacks nothing
        return self.lacking(card)

    def lacking(self, card: ModelCard) -> UserError | None:
        """What keeps the card's own backend from being used: it is not there, or says what it needs."""
        if self.has(card):
            asked = self._types[card.backend].missing
            return None if asked is None else guarded(f"backend {card.backend}: missing", lambda: asked(card))
        return BackendMissing(
            f'model "{card.name}" needs the backend "{card.backend}", which is not here',
            code=Code.BACKEND,
            means=f"backends here: {', '.join(sorted(self._types))}",
            fix="choose another profile, or bring the backend by the hook llmroute_backends",
            instead="--llm-profile=embedded (small models of this package), or --llm-plan (asks nobody)",
        )

    def get(self, card: ModelCard) -> Backend:
        """The opened model; the first one who asks waits for it to open."""
        backend = self._opened.get(card.name)
        if backend is not None:
            return backend  # without the lock, which is held as long as another one is opened
        with self._lock:
            backend = self._opened.get(card.name)
            if backend is None:
                backend = self._opened[card.name] = self._open(card)
            return backend

    def endpoint(self, card: ModelCard) -> str:
        """The address of the card's server; empty where it has none."""
        if card.name not in self._endpoints:
            self._endpoints[card.name] = self._endpoint(card)
        return self._endpoints[card.name]

    def _endpoint(self, card: ModelCard) -> str:
        kind = self._types.get(card.backend)
        if kind is None or (asked := kind.endpoint) is None:
            return card.base_url
        return guarded(f"backend {card.backend}: endpoint", lambda: asked(card))

    def lane(self, card: ModelCard) -> str:
        """What a card shares its slots with: its server, or all models that are run by this process's own engine."""
        return self.endpoint(card) or (card.backend if self.slots(card) is not None else card.name)

    def slots(self, card: ModelCard) -> int | None:
        """The most calls that the card's backend takes at once; None where a server is behind it."""
        kind = self._types.get(card.backend)
        if kind is None or (asked := kind.slots) is None:
            return None
        return guarded(f"backend {card.backend}: slots", lambda: asked(card))

    def may_take(self, card: ModelCard, settings: Sampling, characters: int, factor: float = 1.0) -> Amount:
        """The most that a call may take; a model on this machine costs nothing, unless its card has a price."""
        kind, endpoint = self._types.get(card.backend), self.endpoint(card)
        here = card.scripted or not (card.remote or (endpoint and not is_loopback(endpoint)))
        most = kind.most if kind is not None else None
        return expected_amount(card, settings, characters, here=here, most=most, factor=factor)

    def waits(self, card: ModelCard) -> bool:
        """Whether a call to the card's model holds up no thread while its server thinks."""
        kind = self._types.get(card.backend)
        return kind is not None and kind.waits and (self._stand_in is None or self.lacking(card) is None)

    def parallel(self, card: ModelCard) -> int | None:
        """How many calls the card's server answers at once, where that is known."""
        kind = self._types.get(card.backend)
        return kind.parallel(card) if kind is not None and kind.parallel is not None else None

    def takes_memory(self, card: ModelCard) -> bool:
        """Whether the model is in memory only while somebody has it there, and it is for us to say when."""
        kind = self._types.get(card.backend)
        return kind is not None and kind.memory is not None and not card.remote and self._stand_in is None

    def expected(self, card: ModelCard) -> int | None:
        """Bytes that the model will take, as its file or its card says; None where neither does."""
        kind = self._types.get(card.backend)
        told = kind.memory(card) if kind is not None and kind.memory is not None else None
        if told is None and card.expected.ram_gb is not None:
            return int(card.expected.ram_gb * 1e9)
        return told

    def load(self, card: ModelCard) -> int:
        """Brings a model into memory; the bytes that it takes there, 0 where nobody can tell."""
        new = card.name not in self._opened
        backend = self.get(card)
        if not isinstance(backend, Resident):
            return 0
        started = time.perf_counter()
        if not backend.resident():
            if not new:
                self.loading(card)
            backend.load()
            self._fresh[card.name] = time.perf_counter() - started
        return backend.resident()

    def unload(self, card: ModelCard) -> None:
        self._fresh.pop(card.name, None)
        if (backend := self._resident(card)) is not None:
            backend.unload()

    def resident(self, card: ModelCard) -> bool:
        """Whether a model that was loaded is still in memory; where its server can't say, it is."""
        backend = self._resident(card)
        try:
            return backend is None or backend.resident() > 0
        except ModelCallError:
            return True

    def _resident(self, card: ModelCard) -> Resident | None:
        backend: object = self._opened.get(card.name)
        return backend if isinstance(backend, Resident) else None

    def taken_load(self, model: str) -> float | None:
        """The seconds that loading a model took, told once: to the first call after it."""
        return self._fresh.pop(model, None)

    def breaker(self, card: ModelCard) -> Breaker:
        """That of the card's endpoint: its server, or the model itself where it has none."""
        endpoint = self.endpoint(card) or card.name
        with self._lock:
            if endpoint not in self._breakers:
                self._breakers[endpoint] = Breaker(endpoint)
            return self._breakers[endpoint]

    def loading(self, card: ModelCard) -> None:
        """Before a model is opened or loaded: those who watch the run are told."""
        if self._loading is not None:
            self._loading(card)

    def close(self) -> None:
        with self._lock:
            for backend in self._opened.values():
                backend.close()
            self._opened.clear()

    def _open(self, card: ModelCard) -> Backend:
        if missing := self.missing(card):
            raise missing
        kind = self._types.get(card.backend)
        if kind is None or (self._stand_in is not None and self.lacking(card)):
            kind = self._types[self._stand_in or ""]
        self.loading(card)
        started = time.perf_counter()
        backend = kind.open(card)
        if not card.remote:
            took = (time.perf_counter() - started) * 1000
            log.info("[LocalLLM] Model initialized successfully model=%s initTime=%.0fms", card.name, took)
        return backend
