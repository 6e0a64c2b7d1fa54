"""What goes on while a model writes: the clock, the stop strings, the pieces of the text, the choice of a token.

The classes have the form that transformers asks of stopping criteria and logits processors, without importing it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

UNFINISHED = "\ufffd"
"""How a character reads of which not all bytes are there yet."""


class Late(Exception):
    """A time limit is over; the text says what did not come in time."""


class Dropped(Exception):
    """Nobody waits for this reply any longer."""


class Clock:
    """Looks at the time before each layer of a model: a long prompt is ended within one layer."""

    def __init__(self) -> None:
        self._began = 0.0
        self._limit = self._first = inf
        self._gone: threading.Event | None = None

    def start(self, limit: float | None, first: float | None, gone: threading.Event) -> None:
        """Seconds for the whole reply and for its first token."""
        self._began = time.perf_counter()
        self._limit = inf if limit is None else limit
        self._first = inf if first is None else first
        self._gone = gone

    def begun(self) -> None:
        """The first token is there."""
        self._first = inf

    def stop(self) -> None:
        self._limit = self._first = inf
        self._gone = None

    def look(self, *_: Any) -> None:
        if self._gone is not None and self._gone.is_set():
            raise Dropped
        took = time.perf_counter() - self._began
        if took > self._limit:
            raise Late(f"no whole answer within {self._limit:.3g} s")
        if took > self._first:
            raise Late(f"no first token within {self._first:.3g} s")

    def hang_into(self, model: Any) -> None:
        """Before every layer: whatever stands in a list of modules."""
        for module in model.modules():
            if type(module).__name__ == "ModuleList":
                for layer in module:
                    layer.register_forward_pre_hook(self.look)


class Watch:
    """Called after each new token; says whether to end."""

    def __init__(
        self, decode: Callable[[Any], str], stops: Sequence[str], clock: Clock, say: Callable[[str], None] | None
    ) -> None:
        self._decode, self._stops, self._clock, self._say = decode, tuple(stops), clock, say
        self._skip: int | None = None
        self._said = 0
        self.first = 0.0
        """When the first token was there."""
        self.stopped = False

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        if self._skip is None:
            self._skip = ids.shape[1] - 1
            ids[0, -1].item()  # a GPU is only told what to do until somebody wants to see it
            self.first = time.perf_counter()
            self._clock.look()
            self._clock.begun()
        self._clock.look()
        if self._stops or self._say:
            self._read(self._decode(ids[0, self._skip :]))
        return ids.new_full((ids.shape[0],), int(self.stopped)).bool()

    def new(self, ids: Any) -> Any:
        """The tokens of the reply in all that came back."""
        return ids[0, ids.shape[1] if self._skip is None else self._skip :]

    def _read(self, text: str) -> None:
        text, self.stopped = cut(text, self._stops)
        if not self.stopped:
            text = text.rstrip(UNFINISHED)
            text = text[: len(text) - held_back(text, self._stops)]
        self._tell(text)

    def finish(self, text: str) -> str:
        """The whole text, cut where it stops; what was not told yet is told."""
        text, stopped = cut(text, self._stops)
        self.stopped = self.stopped or stopped
        self._tell(text)
        return text

    def _tell(self, text: str) -> None:
        if self._say is not None and len(text) > self._said:
            self._say(text[self._said :])
            self._said = len(text)


class Sampler:
    """Chooses each token by temperature and top_p, from a generator of its own that no other thread disturbs."""

    def __init__(self, temperature: float, top_p: float, seed: int) -> None:
        import torch

        self._temperature, self._top_p = temperature, top_p
        self._generator = torch.Generator().manual_seed(seed & 0x7FFF_FFFF_FFFF_FFFF)

    def __call__(self, ids: Any, scores: Any) -> Any:
        """Leaves the chosen token as the only one that is possible."""
        import torch

        shares = torch.softmax(scores.float().cpu() / self._temperature, -1)
        shares, order = shares.sort(descending=True, stable=True)
        beyond = shares.cumsum(-1) - shares >= self._top_p
        beyond[:, 0] = False
        chosen = torch.multinomial(shares.masked_fill(beyond, 0.0), 1, generator=self._generator)
        token = order.gather(-1, chosen).to(scores.device)
        return torch.full_like(scores, float("-inf")).scatter(-1, token, 0.0)


def cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there is one."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def held_back(text: str, stops: Sequence[str]) -> int:
    """How many characters of the end might be the beginning of a stop string."""
    longest = max((len(stop) for stop in stops), default=1)
    for size in range(min(longest - 1, len(text)), 0, -1):
        if any(stop.startswith(text[-size:]) for stop in stops):
            return size
    return 0
