"""HTTP for backends that speak to a server: kept-alive connections, one deadline for the whole call, typed causes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import RemoteDisconnected
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pytest_llmroute.errors import Cause, ModelCallError

CONNECT_WITHIN = 5.0
"""Seconds; a server that is there takes connections at once."""
MOST_ERROR = 4_000
"""Bytes that are read of an error's body."""
PIECE = 65_536
CONNECTIONS = 64


def is_loopback(url: str) -> bool:
    """Whether an address can only mean this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a whole call has to be over."""

    at: float | None

    @staticmethod
    def within(seconds: float | None) -> Deadline:
        return Deadline(None if seconds is None else time.monotonic() + seconds)

    @property
    def left(self) -> float | None:
        return None if self.at is None else max(0.001, self.at - time.monotonic())

    @property
    def over(self) -> bool:
        return self.at is not None and time.monotonic() >= self.at


class Refusal(Exception):
    """A server's answer that is no success: what it said, parsed where it is JSON, and how long to wait."""

    def __init__(self, status: int, body: Any, retry_after: float | None = None) -> None:
        self.status, self.body, self.retry_after = status, body, retry_after
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The server's own words, short."""
        found = self.body
        if isinstance(found, Mapping):
            found = found.get("error", found)
        if isinstance(found, Mapping):
            found = found.get("message", found)
        return str(found).strip()[:300] or f"status {self.status}"

    @property
    def kind(self) -> str:
        """The server's own name for the error, where it gives one."""
        error = self.body.get("error") if isinstance(self.body, Mapping) else None
        if not isinstance(error, Mapping):
            return ""
        return " ".join(str(error[key]) for key in ("code", "type") if error.get(key))


@dataclass(frozen=True)
class Client:
    """One server. Safe to be used from many threads; each call has a connection of its own, kept for the next."""

    base: str
    model: str
    """The card's name, for messages."""
    headers: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    first_within: float | None = None
    """Seconds until the first byte of an answer; None where only the call's own limit counts."""

    @cached_property
    def _pool(self) -> Any:
        import urllib3

        return urllib3.PoolManager(num_pools=2, maxsize=CONNECTIONS, retries=False, block=False)

    def close(self) -> None:
        if "_pool" in self.__dict__:
            self._pool.clear()

    def send(self, path: str, body: Mapping[str, Any] | None, deadline: Deadline, *,
             headers: Mapping[str, str] | None = None) -> Iterator[bytes]:  # fmt: skip
        """The answer's bytes as they come; Refusal for any status but 2xx, ModelCallError where no answer comes."""
        if self.offline and not is_loopback(self.base):
            raise self.error(Cause.REFUSED, f"{self.base} is not on this machine, and --llm-offline forbids it")
        response = self._begin(path, body, deadline, {**self.headers, **(headers or {})})
        ended = False
        try:
            if not 200 <= response.status < 300:
                raise self._refusal(response, deadline)
            yield from self._pieces(response, deadline)
            ended = True
        finally:
            # A connection with an answer half read must not serve the next call.
            response.release_conn() if ended else response.close()

    def whole(self, path: str, body: Mapping[str, Any] | None, deadline: Deadline) -> Any:
        """The answer as JSON."""
        data = b"".join(self.send(path, body, deadline))
        try:
            return json.loads(data)
        except ValueError:
            raise self.error(Cause.SERVER, f"{self.base}{path} did not answer in JSON: {data[:80]!r}") from None

    def error(self, cause: Cause, text: str, retry_after: float | None = None) -> ModelCallError:
        return ModelCallError(cause, text, model=self.model, retry_after=retry_after)

    def _begin(self, path: str, body: Mapping[str, Any] | None, deadline: Deadline, headers: Mapping[str, str]) -> Any:
        import urllib3

        left = deadline.left
        connect = CONNECT_WITHIN if left is None else min(CONNECT_WITHIN, left)
        first = min((limit for limit in (left, self.first_within) if limit is not None), default=None)
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        for again in (True, False):
            try:
                return self._pool.request(
                    "GET" if body is None else "POST", self.base + path, body=data, preload_content=False,
                    redirect=False, headers={"Content-Type": "application/json", **headers},
                    timeout=urllib3.Timeout(connect=connect, read=first),
                )  # fmt: skip
            except urllib3.exceptions.HTTPError as error:
                if not (again and _was_idle(error)):
                    raise self._no_answer(error, deadline) from None
        raise AssertionError("either an answer or an error")

    def _pieces(self, response: Any, deadline: Deadline) -> Iterator[bytes]:
        import urllib3

        try:
            while True:
                if deadline.over:
                    raise self._late(response)
                _bound(response, deadline.left)
                piece = response.read1(PIECE)
                if not piece:
                    return
                yield piece
        except (urllib3.exceptions.HTTPError, OSError) as error:
            response.close()
            raise self._no_answer(error, deadline) from None

    def _late(self, response: Any) -> ModelCallError:
        response.close()
        return self.error(Cause.TIMEOUT, f"{self.base} did not end its answer within the time limit")

    def _no_answer(self, error: Exception, deadline: Deadline) -> ModelCallError:
        """Why nothing came back: what urllib3 wraps, unwrapped."""
        import urllib3

        kinds = urllib3.exceptions
        if isinstance(error, kinds.ReadTimeoutError | TimeoutError):
            what = "its answer did not end" if not deadline.over else "no answer"
            return self.error(Cause.TIMEOUT, f"{self.base}: {what} within the time limit")
        if isinstance(error, kinds.NewConnectionError | kinds.NameResolutionError):
            return self.error(Cause.REFUSED, f"nothing answers at {self.base}")
        if isinstance(error, kinds.ConnectTimeoutError):
            return self.error(Cause.TIMEOUT, f"{self.base} took no connection within {CONNECT_WITHIN:g} s")
        if isinstance(error, kinds.SSLError):
            return self.error(Cause.REFUSED, f"{self.base}: no trusted connection ({_short(error)})")
        if isinstance(error, kinds.LocationValueError | kinds.URLSchemeUnknown):
            return self.error(Cause.BACKEND, f"{self.base!r} is no address of a server")
        return self.error(Cause.SERVER, f"{self.base} broke off the connection ({_short(error)})")

    def _refusal(self, response: Any, deadline: Deadline) -> Refusal:
        data = b""
        for piece in self._pieces(response, deadline):
            data += piece
            if len(data) > MOST_ERROR:
                response.close()
                break
        text = data[:MOST_ERROR].decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        return Refusal(response.status, body, retry_after(response.headers.get("Retry-After")))


def events(pieces: Iterator[bytes]) -> Iterator[str]:
    """The data of server-sent events; comments and other fields are left out."""
    for line in lines(pieces):
        if line.startswith("data:"):
            yield line[5:].strip()


def lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Whole lines, however they were cut into pieces."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _bound(response: Any, left: float | None) -> None:
    """The next read may take no longer than what is left of the whole call."""
    sock = getattr(getattr(response, "connection", None), "sock", None)
    if sock is not None and left is not None:
        sock.settimeout(left)


def _was_idle(error: Exception) -> bool:
    """Whether a kept connection had been closed by the server before the call reached it."""
    inner = error.args[1] if len(error.args) > 1 else None
    return isinstance(inner, RemoteDisconnected | ConnectionResetError | BrokenPipeError)


def retry_after(value: str | None) -> float | None:
    """Seconds, or a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:160]
