"""HTTP over kept-alive connections, with a time limit that holds for a whole exchange: knows nothing of any server.

Any thread may ask.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

from pytest_llmroute.backends.connection import Broken, Connection, Head, Take, opened
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.steps import Doing, turns, waited
from pytest_llmroute.core.stops import Stop, telling
from pytest_llmroute.errors import Cause, ModelCallError

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
CONNECT_WITHIN = 5.0
LONGEST = 3600.0
"""Seconds of an exchange where nobody says how many."""
HEADERS = {
    "User-Agent": "pytest-llmroute",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "Accept": "application/json",
}
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


class _Way:
    """The way of one exchange: a connection, or the second one after the first was found closed."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._given_up = False

    def over(self, connection: Connection) -> Connection:
        self._connection = connection
        if self._given_up:
            connection.close()
            self.check()
        return connection

    def check(self) -> None:
        if self._given_up:
            raise Broken("nobody waits for the answer")

    def give_up(self) -> None:
        """From any thread."""
        self._given_up = True
        if self._connection is not None:
            self._connection.give_up()


class Wire:
    """One server: scheme, host and port in `base`, and a path before every path where it has one."""

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        self.base = base
        parts = urlsplit(base)
        self._prefix = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        named = {"Host": _host_header(parts), **HEADERS, **(headers or {})}
        self._headers = "".join(_header(name, value) for name, value in named.items())
        self._idle: list[Connection] = []
        """Kept-alive connections; the one that was used last is used next."""
        self._keeps = True

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, until: float) -> Any:
        """The answer's JSON; raises Refusal, or ModelCallError where there is no answer."""
        return waited(self.asking(method, path, body, until=until))

    def asking(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, until: float) -> Doing[Any]:
        """The same for those who can't wait."""
        came: list[bytes] = []
        yield from self.exchange(method, path, body, came.append, until=until)
        return _value(b"".join(came))

    def lines(
        self, path: str, body: Mapping[str, Any], take: Callable[[Any], object], *, until: float,
        first: float | None = None, stop: Stop | None = None,
    ) -> Doing[None]:  # fmt: skip
        """Gives the values of an answer that has one on each line, as they come."""
        lines = Lines(lambda line: take(_value(line)) if line.strip() else None)
        yield from self.exchange("POST", path, body, lines.feed, until=until, first=first, stop=stop)
        lines.end()

    def exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, take: Take, *, until: float,
        headers: Mapping[str, str] | None = None, first: float | None = None, stop: Stop | None = None,
    ) -> Doing[None]:  # fmt: skip
        """Gives the answer's bytes as they come; `first`: seconds until the first of them.

        `stop` closes the connection.
        """
        way = _Way()
        with telling(stop, way.give_up):
            yield from self._exchange(self._request(method, path, body, headers), take, until, first, way)

    def _exchange(self, request: bytes, take: Take, until: float, first: float | None, way: _Way) -> Doing[None]:
        began = time.monotonic()
        left = until - began
        if left <= 0:
            raise Late(Cause.TIMEOUT, "no time is left for the call")
        limit = until if first is None else min(until, began + first)
        connection: Connection | None = None

        def taken(data: bytes) -> None:
            assert connection is not None
            connection.until = until
            take(data)

        try:
            connection, head = yield from self._sent(request, limit, way)
            if head.status != 200:
                told = yield from _begin_of(connection, head)
                raise Refusal(head.status, told, seconds_of(head.headers.get("retry-after")))
            yield from connection.body(head, taken)
        except TimeoutError:
            took = time.monotonic() - began
            what = "no whole answer" if took >= left * 0.99 or first is None else "no first token"
            raise Late(Cause.TIMEOUT, f"{what} within {took:.3g} s") from None
        except (Broken, OSError) as error:
            why = str(error) if isinstance(error, Broken) else type(error).__name__
            raise ModelCallError(Cause.SERVER, f"the connection to {self.base} broke off ({why})") from None
        finally:
            if connection is not None:
                self._done_with(connection)

    def close(self) -> None:
        """Calls that are under way go on; no connection is kept any more."""
        self._keeps = False
        while (connection := self._kept()) is not None:
            connection.close()

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None
    ) -> bytes:
        data = b"" if body is None else json.dumps(body).encode()
        more = "".join(_header(name, value) for name, value in (headers or {}).items())
        length = f"Content-Length: {len(data)}\r\n" if method == "POST" or data else ""
        return f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._headers}{more}{length}\r\n".encode("latin-1") + data

    def _sent(self, request: bytes, until: float, way: _Way) -> Doing[tuple[Connection, Head]]:
        """The begin of the answer. A kept connection that the server had closed meanwhile is opened anew, once."""
        connection = self._kept()
        if connection is not None:
            try:
                return connection, (yield from _begun(way.over(connection), request, until))
            except ConnectionError:
                way.check()
        connection = yield from self._opened(until)
        return connection, (yield from _begun(way.over(connection), request, until))

    def _kept(self) -> Connection | None:
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                if (connection := self._idle.pop()).usable:
                    return connection
                connection.close()
        return None

    def _opened(self, until: float) -> Doing[Connection]:
        began = time.monotonic()
        try:
            return (yield from opened(self._host, self._port, min(CONNECT_WITHIN, until - began), self._context))
        except TimeoutError:
            took = time.monotonic() - began
            raise ModelCallError(Cause.TIMEOUT, f"no connection to {self.base} within {took:.3g} s") from None
        except OSError as error:
            if self._distrusts(error):
                raise
            raise ModelCallError(Cause.REFUSED, f"no connection to {self.base} ({str(error)[:120]})") from None

    def _distrusts(self, error: OSError) -> bool:
        """Whether there was a server, and only its certificate or its protocol would not do."""
        if not self._secure:
            return False
        import ssl

        return isinstance(error, ssl.SSLError)

    @cached_property
    def _context(self) -> ssl.SSLContext | None:
        if not self._secure:
            return None
        import ssl

        return ssl.create_default_context()

    def _done_with(self, connection: Connection) -> None:
        """Back to the idle ones where it was read to its end, else closed: the server sees that nobody listens."""
        if self._keeps and connection.usable:
            self._idle.append(connection)
        else:
            connection.close()


def _begun(connection: Connection, request: bytes, until: float) -> Doing[Head]:
    try:
        connection.until = until
        yield from connection.send(request)
        return (yield from connection.head())
    except BaseException:
        connection.close()
        raise


class _Enough(Exception):
    """More of an answer is not wanted."""


def _begin_of(connection: Connection, head: Head) -> Doing[bytes]:
    """What a server says with a refusal, as far as anybody wants to read it."""
    told = bytearray()

    def take(data: bytes) -> None:
        told.extend(data)
        if len(told) >= MOST_OF_AN_ERROR:
            raise _Enough

    with suppress(_Enough):
        yield from connection.body(head, take)
    return bytes(told[:MOST_OF_AN_ERROR])


def _host_header(parts: SplitResult) -> str:
    """As it stands in the address, without a user's name."""
    host = parts.netloc.rpartition("@")[2]
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _header(name: str, value: str) -> str:
    if "\r" in value or "\n" in value or not value.isascii():
        raise ModelCallError(Cause.BACKEND, f"the header {name} would hold what no header can")
    return f"{name}: {value}\r\n"


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


class Lines:
    """Gives whole lines, however they were cut into pieces."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._take(line)
        if len(self._rest) > LONGEST_LINE:
            raise ModelCallError(Cause.SERVER, "the server sends a line without end")

    def end(self) -> None:
        if self._rest:
            self._take(self._rest)


def coming(doing: Doing[Any], came: list[T]) -> Iterator[T]:
    """What a doing puts into a list, as it comes; whoever asks for it waits."""
    try:
        with closing(turns(doing)) as waits:
            for _ in waits:
                yield from came
                came.clear()
    except Exception:
        yield from came  # it came before
        raise
    yield from came


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
