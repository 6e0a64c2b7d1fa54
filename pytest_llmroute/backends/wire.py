"""HTTP over kept-alive connections, with a time limit that holds for a whole exchange: knows nothing of any server.

Any thread may ask. urllib3's own limit is one of silence: a server that trickles its answer would never meet it.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_llmroute.core.replies import Call
from pytest_llmroute.errors import Cause, ModelCallError

if TYPE_CHECKING:
    import socket

    import urllib3

CONNECT_WITHIN = 5.0
LONGEST = 3600.0
"""Seconds of an exchange where nobody says how many."""
KEPT = 256
"""Connections that stay open when they are idle; more may be open at once."""
LONGEST_LINE = 64_000_000
MOST_OF_AN_ERROR = 64_000
LONGEST_MESSAGE = 300


class Refusal(Exception):
    """The server answered, and said no; `told` is what it said, parsed where it is JSON."""

    def __init__(self, status: int, told: Any, retry_after: float | None = None) -> None:
        self.status, self.retry_after = status, retry_after
        self.told = _parsed(told) if isinstance(told, bytes) else told
        super().__init__(f"status {status}")

    @property
    def error(self) -> Any:
        """What stands under `error`, where most servers put it; else all of it."""
        return self.told.get("error", self.told) if isinstance(self.told, Mapping) else self.told

    @property
    def message(self) -> str:
        """The server's own words, short."""
        found = self.error
        if isinstance(found, Mapping):
            found = found.get("message", found)
        return str(found).strip()[:LONGEST_MESSAGE] or f"status {self.status}"

    @property
    def kind(self) -> str:
        """The server's own names for the error, where it gives any."""
        found = self.error
        names = (found.get(key) for key in ("code", "type")) if isinstance(found, Mapping) else ()
        return " ".join(str(name) for name in names if name)


class Late(ModelCallError):
    """The server took the request, and its answer was not whole in time."""


class _Reader(io.RawIOBase):
    """A socket's bytes, none of them later than `until`."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, until: float) -> None:
        self._sock, self._raw, self.until = sock, raw, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


@cache
def _connections(base: type[Any]) -> type[Any]:
    """Connections whose read limit counts from the request to the last byte."""
    from http.client import HTTPResponse

    class Response(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, until: float, **more: Any) -> None:
            super().__init__(sock, *args, **more)
            self.fp = io.BufferedReader(_Reader(sock, self.fp.detach(), until))

    class Limited(base):  # type: ignore[misc]
        def getresponse(self) -> Any:
            self.response_class = partial(Response, until=time.monotonic() + self.timeout)
            return super().getresponse()

    return Limited


class Wire:
    """One server: scheme, host and port in `base`, and a path before every path where it has one."""

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        self.base = base
        self._prefix = urlsplit(base).path.rstrip("/")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        self._lock = threading.Lock()
        self._pool: urllib3.HTTPConnectionPool | None = None

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, until: float) -> Any:
        """The answer's JSON; raises Refusal, or ModelCallError where there is no answer."""
        with self._exchange(method, path, body, until) as response:
            return _value(response.read(LONGEST_LINE))

    def lines(self, path: str, body: Mapping[str, Any], *, until: float, first: float | None = None) -> Iterator[Any]:
        """The values of an answer that has one on each line, as they come."""
        for line in lines_of(self.pieces("POST", path, body, until=until, first=first)):
            if line.strip():
                yield _value(line)

    def pieces(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, until: float,
        headers: Mapping[str, str] | None = None, first: float | None = None,
    ) -> Iterator[bytes]:  # fmt: skip
        """The answer's bytes as they come; `first`: seconds until the first of them."""
        with self._exchange(method, path, body, until, headers, first) as response:
            reader = getattr(getattr(response._fp, "fp", None), "raw", None)
            while data := response.read1(65536):
                if isinstance(reader, _Reader):
                    reader.until = until
                yield data

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _connected(self) -> urllib3.HTTPConnectionPool:
        with self._lock:
            if self._pool is None:
                import urllib3

                pool = urllib3.connection_from_url(self.base, maxsize=KEPT, block=False)
                pool.ConnectionCls = _connections(pool.ConnectionCls)
                self._pool = pool
            return self._pool

    @contextmanager
    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, until: float,
        headers: Mapping[str, str] | None = None, first: float | None = None,
    ) -> Iterator[Any]:  # fmt: skip
        from urllib3 import exceptions as wrong

        began = time.monotonic()
        left = until - began
        if left <= 0:
            raise Late(Cause.TIMEOUT, "no time is left for the call")
        try:
            limit = left if first is None else min(left, first)
            response = self._sent(method, path, body, limit, {**self._headers, **(headers or {})})
            try:
                if response.status != 200:
                    told = response.read(MOST_OF_AN_ERROR)
                    raise Refusal(response.status, told, seconds_of(response.headers.get("Retry-After")))
                yield response
            finally:
                _done_with(response)
        except wrong.NewConnectionError as error:
            why = str(error).rpartition(": ")[2][:120]
            raise ModelCallError(Cause.REFUSED, f"no connection to {self.base} ({why})") from None
        except wrong.ConnectTimeoutError:
            took = time.monotonic() - began
            raise ModelCallError(Cause.TIMEOUT, f"no connection to {self.base} within {took:.3g} s") from None
        except (wrong.TimeoutError, TimeoutError):
            took = time.monotonic() - began
            what = "no whole answer" if took >= left * 0.99 or first is None else "no first token"
            raise Late(Cause.TIMEOUT, f"{what} within {took:.3g} s") from None
        except (wrong.HTTPError, OSError) as error:
            why = type(error).__name__
            raise ModelCallError(Cause.SERVER, f"the connection to {self.base} broke off ({why})") from None

    def _sent(
        self, method: str, path: str, body: Mapping[str, Any] | None, left: float, headers: Mapping[str, str]
    ) -> Any:
        """The begin of the answer. A kept connection that the server had closed meanwhile is opened anew, once."""
        from urllib3.exceptions import ProtocolError
        from urllib3.util import Timeout

        ask = partial(
            self._connected().urlopen, method, self._prefix + path,
            body=None if body is None else json.dumps(body).encode(), headers=headers,
            timeout=Timeout(connect=min(CONNECT_WITHIN, left), total=left), retries=False, redirect=False,
            preload_content=False,
        )  # fmt: skip
        try:
            return ask()
        except ProtocolError as error:
            if not (len(error.args) > 1 and isinstance(error.args[1], ConnectionError)):
                raise
            return ask()


def _done_with(response: Any) -> None:
    """Back to the idle ones where it was read to its end, else closed: the server sees that nobody listens any more."""
    if response.isclosed():
        response.release_conn()
    else:
        response.close()


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise ModelCallError(Cause.SERVER, "the server's answer is no JSON") from None


def _parsed(body: bytes) -> Any:
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def until_of(call: Call) -> float:
    """When a call has to be over, on the monotonic clock."""
    return time.monotonic() + (LONGEST if call.timeout is None else call.timeout)


def lines_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines, however they were cut into pieces."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            raise ModelCallError(Cause.SERVER, "the server sends a line without end")
    if rest:
        yield rest


def events_of(pieces: Iterator[bytes]) -> Iterator[str]:
    """The data of server-sent events; comments and other fields are left out."""
    for line in lines_of(pieces):
        if line.startswith(b"data:"):
            yield line[5:].strip().decode("utf-8", "replace")


def seconds_of(retry_after: str | None) -> float | None:
    """What a server wants to be waited, told in seconds or as a date."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
