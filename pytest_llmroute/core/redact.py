"""Takes secrets out of texts before anything is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECRET_NAMES = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
SHORTEST = 8
"""Shorter values are left alone: they would hit ordinary words."""
_PATTERNS = re.compile(
    r"\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAKIA[0-9A-Z]{16}\b"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{16,}"
)


def looks_secret(text: str) -> bool:
    """Whether a text has the shape of a common key."""
    return _PATTERNS.search(text) is not None


def masked(text: str) -> str:
    """The text without what has the shape of a key."""
    return _PATTERNS.sub("[redacted]", text)


class Redactor:
    """Knows the values of variables whose names say that they are secret, and the shapes of common keys."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._values = sorted(
            (
                (value, name)
                for name, value in env.items()
                if name.upper().endswith(SECRET_NAMES) and len(value) >= SHORTEST
            ),
            key=lambda pair: -len(pair[0]),
        )

    def __call__(self, text: str) -> str:
        for value, name in self._values:
            if value in text:
                text = text.replace(value, f"[{name}]")
            if "..." in text or "…" in text:
                text = _without_halves(text, value, name)
        return masked(text)


def _without_halves(text: str, value: str, name: str) -> str:
    """Pytest shortens what it shows in the middle: a secret may stand there by half."""
    for dots in ("...", "…"):
        for length in range(len(value) - 1, SHORTEST // 2, -1):
            head, tail = value[:length] + dots, dots + value[-length:]
            if head in text:
                text = text.replace(head, f"[{name}]{dots}")
            if tail in text:
                text = text.replace(tail, f"{dots}[{name}]")
    return text
