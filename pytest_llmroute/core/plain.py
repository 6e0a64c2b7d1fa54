"""Plain data as JSON, in the form in which everything is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

Redact = Callable[[str], str]
_ENCODER = json.JSONEncoder(ensure_ascii=True, default=repr, allow_nan=False, separators=(",", ":"))


def as_json(value: Any) -> str:
    """ASCII JSON in one line; a number that JSON has no word for becomes null."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def plain(value: Any, redact: Redact) -> Any:
    """What JSON has, every text through the redactor; a whole number is one, however it was written."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): plain(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, redact) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, bool | int | float) else redact(repr(value))
