"""A reply to a prompt that was a text to continue."""

from __future__ import annotations

import re

from pytest_llmroute.prompts.extraction import extract_code
from pytest_llmroute.prompts.python_text import parsed

DEFINES = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
INDENT = "    "


def continued(opening: str, text: str) -> str:
    """The reply with what it continues before it; one that says it itself, or has nothing to continue, is whole."""
    wanted = set(DEFINES.findall(opening))
    if not opening or not text.strip() or wanted & set(DEFINES.findall(text)):
        return text
    body = extract_code(text).code if "```" in text else text.strip("\n")
    if body[:1] in (" ", "\t"):
        return f"{opening}\n{body}"
    # Servers strip replies: the first line has lost its indentation, or all lines have none.
    first, *rest = body.split("\n")
    ways = ["\n".join([INDENT + first, *rest]), "\n".join(INDENT + line if line else "" for line in [first, *rest])]
    wholes = [f"{opening}\n{way}" for way in ways]
    return next((whole for whole in wholes if parsed(whole) is not None), wholes[0])
