"""What host and zygote say to each other: packets, each whole or not at all."""

from __future__ import annotations

import struct

HEADER = struct.Struct(">ddQ")
"""Of a job: seconds of CPU, seconds by the clock, bytes of memory."""
LENGTH = struct.Struct(">I")
PIECE = 60_000
"""Bytes of one packet of a longer text."""
MORE, VERDICT, END = b"M", b"V", b"E"
"""What a packet to the host begins with: a part of the verdict, its last part, the end of the job."""
GRACE = 1.0
"""Seconds in which the judge may say what it knows, after the solver was ended."""
