"""`{name}` in texts: the one way in which prompts and templates are filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pytest_llmroute.errors import UserError

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")


@lru_cache(maxsize=1024)
def placeholders(text: str) -> frozenset[str]:
    """The names that a text asks for."""
    return frozenset(filter(None, PLACEHOLDER.findall(text)))


def fill(text: str, values: Mapping[str, Any], missing: Callable[[str], UserError]) -> str:
    """`{name}` becomes the value's text, `{{` and `}}` single braces; other braces stay as they are.

    Values are put in as they are: braces inside them mean nothing.
    """

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group(0)[0]
        if name not in values:
            raise missing(name)
        return str(values[name])

    return PLACEHOLDER.sub(replace, text)
