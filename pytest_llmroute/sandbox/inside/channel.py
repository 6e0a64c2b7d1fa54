"""Messages between two processes: a length, then JSON. The other side may be hostile."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

LONGEST = 32 * 1024 * 1024
"""Bytes of one message."""
PIECE = 1 << 20


class Gone(Exception):
    """The other side has ended."""


class Garbled(Exception):
    """What came is no message."""


class Channel:
    """Reads from one descriptor, writes to another; they may be the same."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self.incoming, self.outgoing = incoming, outgoing

    def send(self, message: Any) -> None:
        data = json.dumps(message, separators=(",", ":")).encode("ascii")
        if len(data) > LONGEST:
            raise OverflowError(f"a message of {len(data)} bytes")
        rest = memoryview(struct.pack(">I", len(data)) + data)
        try:
            while rest:
                rest = rest[os.write(self.outgoing, rest[:PIECE]) :]
        except OSError:
            raise Gone from None

    def receive(self) -> Any:
        (length,) = struct.unpack(">I", self._exactly(4))
        if length > LONGEST:
            raise Garbled(f"a message of {length} bytes")
        try:
            return json.loads(self._exactly(length))
        except (ValueError, RecursionError):
            raise Garbled("no JSON") from None

    def _exactly(self, count: int) -> bytes:
        pieces = []
        while count:
            try:
                piece = os.read(self.incoming, min(count, PIECE))
            except OSError:
                raise Gone from None
            if not piece:
                raise Gone
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)
