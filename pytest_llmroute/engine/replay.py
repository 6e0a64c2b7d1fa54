"""Between the engine and the backends: replies that were recorded before, and those to requests that a run repeats."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pytest_llmroute.backends.contract import Backend, Waiting, answer
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.steps import Doing
from pytest_llmroute.errors import Cause, ModelCallError
from pytest_llmroute.store.recordings import Recording, RecordingError, Recordings, key_of

Mode = Literal["none", "auto", "only", "rewrite"]
Open = Callable[[ModelCard], Backend]


class Replay:
    """What of a session's calls is replayed, recorded or reused; its backends are asked from several threads."""

    def __init__(self, mode: Mode, recordings: Recordings, *, cache: bool = False) -> None:
        self.mode, self._recordings = mode, recordings
        self._replies: dict[str, Reply] | None = {} if cache else None
        self._taken: dict[tuple[str, str], set[int]] = {}
        """Equal requests of one item, numbered: each of them has a reply of its own."""
        self._lock = threading.Lock()
        self.missing: list[tuple[str, str, str]] = []
        """Calls that are not recorded: the item, which file it lacks, and the closest that there is."""
        self.troubles: dict[str, None] = {}
        """Recordings that can't be read or written."""

    @property
    def asks(self) -> bool:
        """Whether any model may be asked."""
        return self.mode != "only"

    @property
    def looks(self) -> bool:
        """Whether a reply may be there or not: who asks finds out."""
        return self.mode == "auto" or (self._replies is not None and self.asks)

    def knows(self, call: Call, item: str) -> bool:
        """Whether the next such call of an item would be answered without asking a model."""
        key = self._next_key(call, item)
        return (self._replies is not None and key in self._replies) or (
            self.mode == "auto" and self._recordings.has(key)
        )

    def records(self, call: Call, item: str) -> bool:
        """Whether the next such call of an item is recorded."""
        return self._recordings.has(self._next_key(call, item))

    def _next_key(self, call: Call, item: str) -> str:
        request = self._recordings.request(call)
        with self._lock:
            number = _free(self._taken.get((item, key_of(request)), set()))
        return key_of(request if number == 1 else {**request, "occurrence": number})

    def over(self, open_: Open, item: str) -> Open:
        """Opens what answers the calls of an item: the model itself only when it must be asked."""
        if self.mode == "none" and self._replies is None:
            return open_
        return lambda card: open_(card) if card.scripted else _Replaying(self, card, open_, item)

    def answer(self, call: Call, item: str, ask: Callable[[Call], Doing[Reply]]) -> Doing[Reply]:
        first = self._recordings.request(call)
        place = (item, key_of(first))
        number = self._take(place)
        try:
            request = first if number == 1 else {**first, "occurrence": number}
            return (yield from self._answer(call, item, request, ask))
        except BaseException:
            with self._lock:
                self._taken[place].discard(number)  # not answered: another try is no other request
            raise

    def passed(self, call: Call, item: str) -> None:
        """A request of an item whose reply came from elsewhere: its number is taken."""
        if not call.card.scripted and (self.mode != "none" or self._replies is not None):
            self._take((item, key_of(self._recordings.request(call))))

    def _take(self, place: tuple[str, str]) -> int:
        with self._lock:
            taken = self._taken.setdefault(place, set())
            number = _free(taken)
            taken.add(number)
            return number

    def _answer(
        self, call: Call, item: str, request: Mapping[str, Any], ask: Callable[[Call], Doing[Reply]]
    ) -> Doing[Reply]:
        key = key_of(request)
        if self._replies is not None and (known := self._replies.get(key)) is not None:
            return known.with_(reused=True)
        if self.mode in ("auto", "only"):
            if (found := self._find(key, call)) is not None:
                return found.reply
            if self.mode == "only":
                raise self._missing(key, call, item, request)
        reply = (yield from ask(call)).priced(call.card)
        if self.mode != "none":
            reply = reply.with_(recording=key)
            self._keep(request, reply, call)
        if self._replies is not None:
            self._replies[key] = reply
        return reply

    def _find(self, key: str, call: Call) -> Recording | None:
        try:
            return self._recordings.find(key)
        except RecordingError as error:
            self.troubles[str(error)] = None
            raise ModelCallError(Cause.RECORDING, error.what, model=call.card.name) from error

    def _keep(self, request: Mapping[str, Any], reply: Reply, call: Call) -> None:
        try:
            self._recordings.keep(request, reply, call.case_id)
        except RecordingError as error:
            self.troubles[str(error)] = None

    def _missing(self, key: str, call: Call, item: str, request: Mapping[str, Any]) -> ModelCallError:
        from pytest_llmroute.store.closest import closest, difference

        near = closest(request, call.case_id, self._all)
        file = self._recordings.name(key)
        why = (
            f"the closest, {near.key[:8]}…, differs: {difference(request, near.request)}"
            if near
            else f"{self._recordings.folder} holds nothing"
        )
        self.missing.append((item, f"{call.card.name}: {file}", why))
        return ModelCallError(Cause.RECORDING, f"not recorded: {file}; {why}", model=call.card.name)

    @cached_property
    def _all(self) -> list[Recording]:
        return list(self._recordings.all())


def _free(taken: set[int]) -> int:
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


@dataclass(frozen=True, slots=True)
class _Replaying(Waiting):
    """A model that is opened only when it must be asked."""

    replay: Replay
    card: ModelCard
    open: Open
    item: str

    def answering(self, call: Call) -> Doing[Reply]:
        return self.replay.answer(call, self.item, lambda asked: answer(self.open(self.card), asked))

    def close(self) -> None:
        """What was opened belongs to the pool."""
