"""Blocks of a reply: between fences of backticks or tildes, or between tags as `<code>`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

MOST = 64
"""Blocks of one reply; a model that repeats itself for ever says nothing new after these."""
FENCES = 400
"""Lines with a fence; what comes after these is text."""
ENDS = 8
"""Fences that are tried as the end of one block: so many on lines of their own, so many behind text."""
DEPTH = 3
"""Blocks in blocks."""
ALIASES = {"python": frozenset({"python", "py", "python3", "py3", "ipython", "ipython3", "pycon"})}
"""Names of a language behind a fence."""

Rule = Literal["bare", "body", "fence", "tag", "joined", "statements", "doctest", "inline", "whole"]
"""How code was found."""

LIST_MARK = re.compile(r"(?:[-*+]|\d{1,3}[.)])[ \t]+(?=```|~~~)")
INFO = re.compile(r"[\w+#.{}=\-:,/\"' \t]{0,80}")
TAG = re.compile(r"[\w+#-]+")
OPENING_TAG = re.compile(r"<(code|answer|solution|python)\b([^<>\n]{0,200})>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Block:
    """One block, and the lines of the text that it takes."""

    tag: str
    """What the opening says of its language, in small letters; often empty, often wrong."""
    text: str
    first: int
    stop: int
    """The line after its last."""
    open: bool = False
    """Whether the text ended before it did."""
    rule: Rule = "fence"

    def is_of(self, language: str) -> bool:
        return self.tag in ALIASES.get(language, {language})


@dataclass(frozen=True, slots=True)
class _Fence:
    before: str
    """Text on the same line; a proper fence has none."""
    mark: str
    info: str

    def ends(self, opening: _Fence) -> bool:
        return not self.info and self.mark.startswith(opening.mark)

    def interrupts(self, opening: _Fence) -> bool:
        """The next block begins: the first was never closed, or holds it."""
        return bool(self.info) and not self.before and self.mark.startswith(opening.mark)


@dataclass(frozen=True, slots=True)
class _End:
    at: int
    """The first line that is not in the block."""
    stop: int
    """The first line behind it."""
    before: str = ""
    """What line `at` holds of it all the same."""


def fenced(text: str, is_code: Callable[[str], bool], depth: int = 0) -> list[Block]:
    """The blocks between fences, in order.

    A block ends at the first fence before which it is code, so that a fence in a docstring ends nothing; where it is
    code before none, at the first fence.
    """
    lines = text.split("\n")
    all_fences = ((at, fence) for at, line in enumerate(lines) if (fence := _fence(line)))
    fences = dict(islice(all_fences, FENCES))
    places = list(fences)
    found: list[Block] = []
    line = 0
    for nth, at in enumerate(places):
        if at < line or not _opens(fences[at]) or len(found) >= MOST:
            continue
        block = _block(lines, fences, places[nth:], is_code)
        line = block.stop
        inner = fenced(block.text, is_code, depth + 1) if depth < DEPTH and not is_code(block.text) else []
        found += [Block(b.tag, b.text, block.first, block.stop, b.open and block.open) for b in inner] or [block]
    return found


def tagged(text: str) -> list[Block]:
    """The blocks between `<code>` and `</code>` and the like; they begin and end within lines."""
    found: list[Block] = []
    at = 0
    while len(found) < MOST and (opening := OPENING_TAG.search(text, at)):
        closing = re.compile(f"</{opening[1]}>", re.IGNORECASE).search(text, opening.end())
        at = closing.start() if closing else len(text)
        first = text.count("\n", 0, opening.start())
        stop = first + 1 + text.count("\n", opening.start(), at)
        found.append(Block(_tag(opening[2]), text[opening.end() : at], first, stop, closing is None, "tag"))
    return found


def outside(text: str, blocks: Sequence[Block]) -> list[str]:
    """The lines of the text with those of its blocks left empty."""
    lines = text.split("\n")
    for block in blocks:
        lines[block.first : block.stop] = [""] * (min(block.stop, len(lines)) - block.first)
    return lines


def _block(lines: list[str], fences: dict[int, _Fence], places: list[int], is_code: Callable[[str], bool]) -> Block:
    """The block that begins at the first of these places."""
    begin, opening = places[0], fences[places[0]]

    def until(end: _End) -> Block:
        text = "\n".join(lines[begin + 1 : end.at] + ([end.before] if end.before else []))
        return Block(_tag(opening.info), text, begin, end.stop, open=end.at == len(lines))

    ends = list(_ends(fences, places, opening))
    ends.append(_End(len(lines), len(lines)))
    in_order = sorted(ends, key=lambda end: bool(end.before))  # behind code it may be part of a comment
    found = (block for end in in_order if is_code((block := until(end)).text))
    return next(found, None) or until(ends[0])


def _ends(fences: dict[int, _Fence], places: list[int], opening: _Fence) -> Iterator[_End]:
    """The first fences that may end the block; the begin of another one does so if nothing else came before."""
    proper = glued = 0
    for at in places[1:]:
        fence = fences[at]
        if fence.before and glued < ENDS and fence.ends(opening):
            glued += 1
            yield _End(at, at + 1, fence.before)
        elif not fence.before and proper < ENDS and fence.ends(opening):
            proper += 1
            yield _End(at, at + 1)
        elif proper == 0 and fence.interrupts(opening):
            proper += 1
            yield _End(at, at)


def _fence(line: str) -> _Fence | None:
    """The fence that is all of a line, or ends it."""
    if "```" not in line and "~~~" not in line:
        return None
    bare = line.strip()
    bare = bare[mark.end() :] if (mark := LIST_MARK.match(bare)) else bare
    if bare[:3] in ("```", "~~~"):
        info = bare.lstrip(bare[0])
        fence = bare[: len(bare) - len(info)]
        return _Fence("", fence, info.strip()) if "`" not in info and INFO.fullmatch(info) else _glued(line)
    return _glued(line)


def _glued(line: str) -> _Fence | None:
    """A fence at the end of a line of text: `Here it is: ```python`, or `return x```` ."""
    before, fence, info = line.rstrip().rpartition("```")
    if not fence or "```" in before or not before.strip() or (info and not TAG.fullmatch(info)):
        return None
    return _Fence(before, fence, info)


def _opens(fence: _Fence) -> bool:
    return not fence.before or fence.before.rstrip().endswith(":") or any(fence.info in a for a in ALIASES.values())


def _tag(info: str) -> str:
    """`python`, `{.python title=x}`, `class="language-python"` → python."""
    low = info.lower()
    if "language-" in low:
        low = low.partition("language-")[2]
    found = TAG.search(low)
    return found[0] if found else ""
