"""The files between both sides, and the seal that only somebody who has the job's key can make. Standard library only.

The key comes with the job, whose file is gone before a solution starts, and is never written next to an answer: a
process that a solution leaves behind may replace the file, but can't seal another one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

JOB, ANSWER = "job-", "answer-"
"""What their names begin with."""
TAKEN = 75
"""Exit status where the job's file is gone: somebody runs it already."""
LENGTH = 64
"""Characters of the seal, before a line break and the text."""


class Broken(Exception):
    """The file was not written by whoever had the job, or not to its end."""


def sealed(key: str, told: Any) -> bytes:
    text = json.dumps(told).encode("ascii")
    return _seal(key, text) + b"\n" + text


def unsealed(key: str, data: bytes) -> Any:
    seal, text = data[:LENGTH], data[LENGTH + 1 :]
    if not hmac.compare_digest(seal, _seal(key, text)):
        raise Broken
    return json.loads(text)


def _seal(key: str, text: bytes) -> bytes:
    return hmac.new(key.encode("ascii"), text, hashlib.sha256).hexdigest().encode("ascii")
