"""HTTP/1.1 over one kept-alive connection: a request goes out, the answer's bytes come in, none of them too late.

It speaks what servers of models speak. Clients that can do all of HTTP take three times the CPU a call, and their
limits are of silence: a server that trickles its answer would never meet them.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

AT_ONCE = 65536
MOST_OF_A_HEAD = 65536
SLACK = 0.01
"""Seconds that a limit may be off: telling the socket of each change would be a system call."""
KERNEL = sys.platform == "linux"
"""Whether the kernel is told the limits of plain sockets: Python's own way is one more system call for each piece, and
each lets other threads go first."""
RESTED = 1.0
"""Seconds after which an idle connection is looked at before it is used again."""


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


class Connection:
    """For one exchange at a time: `send`, `head`, `body`. No byte is waited for after `until`."""

    def __init__(self, host: str, port: int, within: float, context: ssl.SSLContext | None = None) -> None:
        # Bytes: of a text Python makes them itself, and loads its tables of all scripts for that.
        address: Any = (host.encode("ascii") if host.isascii() else host, port)
        self._socket = socket.create_connection(address, within)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
            self._kernel = KERNEL and context is None
            if self._kernel:
                self._socket.settimeout(None)
        except BaseException:
            self._socket.close()
            raise
        self._limits = dict.fromkeys((socket.SO_SNDTIMEO, socket.SO_RCVTIMEO), 0.0 if self._kernel else within)
        """Seconds that the socket was told last, by what it is for."""
        self._rest = b""
        """Came and is not used yet."""
        self._left = 0
        """Bytes of a chunk that are yet to come; below 0 those of the end of its line."""
        self._whole = True
        self._given_up = False
        self._idle_since = time.monotonic()
        self.until = self._idle_since + within

    def send(self, data: bytes) -> None:
        self._whole = False
        self._within_limit(socket.SO_SNDTIMEO)
        try:
            self._socket.sendall(data)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def head(self) -> Head:
        """The head of the answer, after those that only say that it will come."""
        while True:
            head = self._head()
            if head.status >= 200:
                return head

    def body(self, head: Head) -> Iterator[bytes]:
        """Its bytes, as they come."""
        headers = head.headers
        if head.status in (204, 304):
            pass
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            yield from self._chunks()
        elif (length := headers.get("content-length")) is not None:
            yield from self._sized(length)
        else:
            yield from self._to_the_end()
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
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        except OSError as error:
            return type(error).__name__ == "SSLWantReadError"
        finally:
            self._socket.settimeout(None if self._kernel else self._limits[socket.SO_RCVTIMEO])
        return False

    def close(self) -> None:
        self._socket.close()

    def give_up(self) -> None:
        """From another thread than the one that waits for the answer: that one finds the connection broken off."""
        self._given_up = True
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # not TLS's own, which waits for the other side

    def _within_limit(self, doing: int) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if abs(left - self._limits[doing]) <= SLACK:
            return
        self._limits[doing] = left
        if self._kernel:
            self._socket.setsockopt(socket.SOL_SOCKET, doing, struct.pack("@ll", int(left), int(left % 1 * 1e6) or 1))
        else:
            self._limits = dict.fromkeys(self._limits, left)
            self._socket.settimeout(left)

    def _receive(self) -> bytes:
        self._within_limit(socket.SO_RCVTIMEO)
        try:
            data = self._socket.recv(AT_ONCE)
        except BlockingIOError:
            raise TimeoutError("timed out") from None
        if time.monotonic() > self.until:  # the kernel counts in milliseconds, and some of them late
            raise TimeoutError("timed out")
        return data

    def _head(self) -> Head:
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            if len(self._rest) > MOST_OF_A_HEAD:
                raise Broken("a head without end")
            if not (data := self._receive()):
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

    def _sized(self, length: str) -> Iterator[bytes]:
        if not length.isdecimal():
            raise Broken("a length that is no number")
        left = int(length)
        while left:
            data = self._taken() or self._receive()
            if not data:
                raise Broken("an answer that is too short")
            data, self._rest = data[:left], data[left:]
            left -= len(data)
            yield data

    def _to_the_end(self) -> Iterator[bytes]:
        """Of an answer that ends where the server closes the connection."""
        while data := self._taken() or self._receive():
            yield data

    def _taken(self) -> bytes:
        data, self._rest = self._rest, b""
        return data

    def _chunks(self) -> Iterator[bytes]:
        self._left = 0
        while True:
            data, ended = self._decoded()
            if data:
                yield data
            if ended:
                return
            if not (more := self._receive()):
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
