"""TEMPORARY: the real module comes with another branch; same signature, one rule."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_FENCE = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Extracted:
    """The code of a reply, and how it was found."""

    code: str
    rule: str
    truncated: bool = False
    blocks: int = 0


def extract_code(text: str, *, names: Collection[str] = ()) -> Extracted:  # noqa: ARG001
    """The last fenced block, else the whole text."""
    blocks = _FENCE.findall(text)
    return Extracted(blocks[-1], "fence", blocks=len(blocks)) if blocks else Extracted(text, "whole")
