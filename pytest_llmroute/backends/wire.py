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
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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


class Refusal(Exception):
    """The server answered, and said no."""

    def __init__(self, status: int, body: bytes, retry_after: float | None = None) -> None:
        self.status, self.body, self.retry_after = status, body, retry_after
        super().__init__(f"status {status}")


class Late(ModelCallError):
    """The server took the request, and its answer was not whole in time."""


class _Reader(io.RawIOBase):
    """A socket's bytes, none of them later than `until`."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, until: float) -> None:
        self._sock, self._raw, self._until = sock, raw, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
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

    def lines(self, path: str, body: Mapping[str, Any], *, until: float) -> Iterator[Any]:
        """The values of an answer that has one on each line, as they come."""
        with self._exchange("POST", path, body, until) as response:
            rest = b""
            while data := response.read1(65536):
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield _value(line)
                if len(rest) > LONGEST_LINE:
                    raise ModelCallError(Cause.SERVER, "the server sends a line without end")
            if rest.strip():
                yield _value(rest)

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
    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None, until: float) -> Iterator[Any]:
        from urllib3 import exceptions as wrong
        from urllib3.util import Timeout

        began = time.monotonic()
        left = until - began
        if left <= 0:
            raise Late(Cause.TIMEOUT, "no time is left for the call")
        try:
            response = self._connected().urlopen(
                method, self._prefix + path,
                body=None if body is None else json.dumps(body).encode(), headers=self._headers,
                timeout=Timeout(connect=min(CONNECT_WITHIN, left), total=left), retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip
            try:
                if response.status != 200:
                    raise Refusal(response.status, response.read(MOST_OF_AN_ERROR), _seconds(response.headers))
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
            raise Late(Cause.TIMEOUT, f"no whole answer within {left:.3g} s") from None
        except (wrong.HTTPError, OSError) as error:
            why = type(error).__name__
            raise ModelCallError(Cause.SERVER, f"the connection to {self.base} broke off ({why})") from None


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


def _seconds(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None
