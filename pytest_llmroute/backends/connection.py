"""HTTP/1.1 over one kept-alive connection: a request goes out, the answer's bytes come in, none of them too late.

It speaks what servers of models speak. Clients that can do all of HTTP take three times the CPU a call, and their
limits are of silence: a server that trickles its answer would never meet them. Nothing in here holds up a thread: what
must be waited for is yielded.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmroute.core.steps import Doing, Ready, Work

if TYPE_CHECKING:
    import ssl

R = TypeVar("R")
AT_ONCE = 65536
MOST_OF_A_HEAD = 65536
RESTED = 1.0
"""Seconds after which an idle connection is looked at before it is used again."""
WANTS = {"SSLWantReadError": False, "SSLWantWriteError": True}
"""What TLS waits for, by its error: whether the socket can be written. Its module is loaded only where it is used."""
Take = Callable[[bytes], object]
"""Is given the bytes of an answer as they come; what it raises ends the exchange."""


class Broken(Exception):
    """The answer is no HTTP, or ends before it is whole; says how."""


class NoAnswer(ConnectionResetError):
    """The server closed the connection before it answered: a kept one may have been closed long ago."""


@dataclass(frozen=True, slots=True)
class Head:
    """What comes before the body; names of headers in small letters."""

    status: int
    headers: dict[str, str]
    keeps: bool
    """Whether the server means to keep the connection."""


def opened(host: str, port: int, within: float, context: ssl.SSLContext | None = None) -> Doing[Connection]:
    """A new connection; each address of the host is given as much time."""
    made = yield from _socket(host, port, within)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return Connection(made)
        secure = made = context.wrap_socket(made, server_hostname=host, do_handshake_on_connect=False)
        connection = Connection(made, time.monotonic() + within)
        yield from connection.done(secure.do_handshake)
        return connection
    except BaseException:
        made.close()
        raise


def _socket(host: str, port: int, within: float) -> Doing[socket.socket]:
    last = OSError("no address")
    for family, kind, number, _, address in (yield from _addresses(host, port)):
        made = socket.socket(family, kind, number)
        try:
            made.setblocking(False)
            with suppress(BlockingIOError):
                made.connect(address)
            until = time.monotonic() + within
            yield Ready(made, until, writes=True)
            if error := made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, os.strerror(error))
            if time.monotonic() > until:
                raise TimeoutError("timed out")
            return made
        except OSError as error:
            made.close()
            last = error
        except BaseException:
            made.close()
            raise
    raise last


def _addresses(host: str, port: int) -> Doing[list[Any]]:
    """Of a host; a name may have to be asked for elsewhere, and that takes as long as it takes."""
    # Bytes: of a text Python makes them itself, and loads its tables of all scripts for that.
    look_up = partial(socket.getaddrinfo, host.encode("ascii") if host.isascii() else host, port, 0, socket.SOCK_STREAM)
    try:
        return look_up(0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        return look_up() if host == "localhost" else (yield Work(look_up))


class Connection:
    """For one exchange at a time: `send`, `head`, `body`. No byte is waited for after `until`."""

    def __init__(self, made: socket.socket, until: float = 0.0) -> None:
        self._socket = made
        self._secure = type(made) is not socket.socket
        self._rest = b""
        """Came and is not used yet."""
        self._left = 0
        """Bytes of a chunk that are yet to come; below 0 those of the end of its line."""
        self._whole = True
        self._given_up = False
        self._idle_since = time.monotonic()
        self.until = until

    def send(self, data: bytes) -> Doing[None]:
        self._whole = False
        while data:
            data = data[(yield from self.done(partial(self._socket.send, data), writes=True)) :]

    def head(self) -> Doing[Head]:
        """The head of the answer, after those that only say that it will come."""
        while True:
            head = yield from self._head()
            if head.status >= 200:
                return head

    def body(self, head: Head, take: Take) -> Doing[None]:
        """Gives its bytes, as they come."""
        headers = head.headers
        if head.status in (204, 304):
            pass
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            yield from self._chunks(take)
        elif (length := headers.get("content-length")) is not None:
            yield from self._sized(length, take)
        else:
            yield from self._to_the_end(take)
            return
        self._whole = head.keeps and not self._rest
        self._idle_since = time.monotonic()

    @property
    def usable(self) -> bool:
        """Whether another request may be sent: the last answer was read to its end, and nobody closed."""
        if self._given_up:
            return False
        if not self._whole or time.monotonic() - self._idle_since < RESTED:
            return self._whole
        try:
            self._socket.recv(1)
        except OSError as error:
            return isinstance(error, BlockingIOError) or type(error).__name__ in WANTS
        return False

    def close(self) -> None:
        self._socket.close()

    def give_up(self) -> None:
        """From another place than the one that waits for the answer: that one finds the connection broken off."""
        self._given_up = True
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # not TLS's own, which waits for the other side

    def done(self, do: Callable[[], R], *, writes: bool = False) -> Doing[R]:
        """Something with the socket, as soon as that may be done."""
        while True:
            if time.monotonic() > self.until:
                raise TimeoutError("timed out")
            try:
                return do()
            except BlockingIOError:
                pass
            except OSError as error:  # TLS may have to read before it can write, and the other way round
                if (wants := WANTS.get(type(error).__name__)) is None:
                    raise
                writes = wants
            yield Ready(self._socket, self.until, writes)

    def _receive(self) -> Doing[bytes]:
        if not self._secure:  # else it may have come already, and wait in there
            yield Ready(self._socket, self.until)
        return (yield from self.done(partial(self._socket.recv, AT_ONCE)))

    def _head(self) -> Doing[Head]:
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            if len(self._rest) > MOST_OF_A_HEAD:
                raise Broken("a head without end")
            if not (data := (yield from self._receive())):
                raise Broken("an answer without its head") if self._rest else NoAnswer("no answer")
            self._rest += data
        first, *lines = self._rest[:end].decode("latin-1").split("\r\n")
        self._rest = self._rest[end + 4 :]
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise Broken("no HTTP")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        told = headers.get("connection", "").lower()
        return Head(int(rest[:3]), headers, "close" not in told and (version != "HTTP/1.0" or "keep-alive" in told))

    def _sized(self, length: str, take: Take) -> Doing[None]:
        if not length.isdecimal():
            raise Broken("a length that is no number")
        left = int(length)
        while left:
            data = self._taken() or (yield from self._receive())
            if not data:
                raise Broken("an answer that is too short")
            data, self._rest = data[:left], data[left:]
            left -= len(data)
            take(data)

    def _to_the_end(self, take: Take) -> Doing[None]:
        """Of an answer that ends where the server closes the connection."""
        while data := self._taken() or (yield from self._receive()):
            take(data)

    def _taken(self) -> bytes:
        data, self._rest = self._rest, b""
        return data

    def _chunks(self, take: Take) -> Doing[None]:
        self._left = 0
        while True:
            data, ended = self._decoded()
            if data:
                take(data)
            if ended:
                return
            if not (more := (yield from self._receive())):
                raise Broken("an answer without its end")
            self._rest += more

    def _decoded(self) -> tuple[bytes, bool]:
        """The data of all chunks that are there, of the last one as far as it came; and whether that was the end."""
        found, rest, at = [], self._rest, 0
        ended = False
        while not ended:
            if self._left > 0:
                piece = rest[at : at + self._left]
                found.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._left = -2
            if self._left < 0:
                if len(rest) - at < 2:
                    break
                at, self._left = at + 2, 0
            end = rest.find(b"\r\n", at)
            if end < 0:
                break
            self._left = _size(rest[at:end])
            if self._left:
                at = end + 2
                continue
            # The last chunk; after it there may be headers, and there is an empty line.
            close = rest.find(b"\r\n\r\n", end)
            if close < 0:
                break
            at, ended = close + 4, True
        self._rest = rest[at:]
        if not ended and not self._left and len(self._rest) > MOST_OF_A_HEAD:
            raise Broken("a chunk without a size")
        return b"".join(found), ended


def _size(line: bytes) -> int:
    """Of a chunk; behind it may stand what nobody uses."""
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        size = -1
    if size < 0:
        raise Broken("a chunk without a size")
    return size
