"""What the SDK raised, said in our words: its own errors, those of its generated clients, those of HTTP below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

LONGEST = 300


class Kind(Enum):
    """What there is to be done about it."""

    KEY = "the key is not accepted"
    REFUSED = "refused"
    GONE = "gone"
    CONFLICT = "conflict"
    BUSY = "in trouble for the moment"
    LATE = "too late"
    OTHER = "unknown"


KINDS = {
    401: Kind.KEY,
    403: Kind.REFUSED,
    404: Kind.GONE,
    408: Kind.LATE,
    409: Kind.CONFLICT,
    410: Kind.GONE,
    429: Kind.BUSY,
}
CONNECTIONS = ("httpx", "httpcore", "urllib3", "aiohttp")
"""Packages whose errors mean that no whole answer came."""

SILENT = {"DaytonaTimeoutError", "ReadTimeout", "ReadTimeoutError", "TimeoutError"}
UNREACHED = {"NewConnectionError", "ConnectTimeout", "ConnectError"}
"""Such are timeouts too, by some family trees; but nothing was asked yet."""


class TookTooLong(Exception):
    """A call that did not come back within our own limit."""


class Trouble(Exception):
    """The only thing that a call to the service raises."""

    def __init__(self, kind: Kind, text: str, *, status: int = 0, wait: float = 0.0) -> None:
        self.kind = kind
        self.status = status
        """Of the service's answer; 0 where there was none."""
        self.wait = wait
        """Seconds that the service asked to wait."""
        super().__init__(text)


def trouble_of(error: BaseException, what: str, redacted: Callable[[str], str]) -> Trouble:
    chain = list(_chain(error))
    if isinstance(error, TookTooLong):
        return Trouble(Kind.LATE, f"{what}: no answer within {error} s")
    status = next((status for link in chain if (status := _status(link))), 0)
    said = " ".join(redacted(str(getattr(error, "message", "") or error)).split())[:LONGEST]
    if status:
        kind = KINDS.get(status, Kind.BUSY if status >= 500 else Kind.REFUSED)
        return Trouble(kind, f"{what}: answered {status}: {said}", status=status, wait=max(map(_wait, chain)))
    names = {cls.__name__ for link in chain for cls in type(link).__mro__}
    if names & SILENT and not names & UNREACHED:
        return Trouble(Kind.LATE, f"{what}: {said}")
    if any(isinstance(link, OSError) or type(link).__module__.startswith(CONNECTIONS) for link in chain):
        return Trouble(Kind.BUSY, f"{what}: no connection ({type(chain[-1]).__name__})")
    return Trouble(Kind.OTHER, f"{what}: {type(error).__name__}: {said}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int:
    """Of the answer, whichever client tells it."""
    response: Any = getattr(error, "response", None)
    for value in (
        getattr(error, "status_code", None),
        getattr(error, "status", None),
        getattr(response, "status_code", None),
    ):
        if type(value) is int and value >= 400:
            return value
    return 0


def _wait(error: BaseException) -> float:
    headers: Any = getattr(error, "headers", None) or getattr(getattr(error, "response", None), "headers", None) or {}
    for name, value in dict(headers).items():
        if str(name).lower() == "retry-after":
            try:
                return max(0.0, float(value))
            except ValueError:
                return 0.0
    return 0.0
