"""Code out of a model's reply, by a few rules in a fixed order; nothing is ever executed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from pytest_llmroute.prompts.blocks import Block, Rule, fenced, outside, tagged
from pytest_llmroute.prompts.cleaning import cleaned
from pytest_llmroute.prompts.python_source import Source
from pytest_llmroute.prompts.python_text import BLANK, Reader, tidy, without_prompts

ROUNDS = 6
"""What was found is read again until nothing changes; what is wrapped more deeply stays as it is."""
INLINE = re.compile(r"(?<!`)(`{1,3})(?!`)([^`\n]+)\1(?!`)")
SPANS = 64
"""Spans between backticks that are looked at."""
SAYS = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Extracted:
    """The code of a reply, and how it was found."""

    code: str
    rule: Rule
    truncated: bool = False
    """Whether the reply breaks off in this code: a block without an end, or an unfinished statement."""
    blocks: int = 0
    """Blocks between fences or tags in the reply."""


def extract_code(text: str, *, names: Collection[str] = (), language: str = "python") -> Extracted:
    """The code of a reply. `names`: what the tests call; the pieces that define them win over all others.

    Extracting from what was extracted gives the same. Each line of it is a line, or the part of one, of the reply.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for start in dict.fromkeys((tidy(text), text.strip(BLANK))):
        if found := _settled(start, frozenset(names), language):
            return found
    return Extracted(text.strip(BLANK), "whole")


def _settled(text: str, names: frozenset[str], language: str) -> Extracted | None:
    """The rules, again and again until they change nothing; None where that takes too many rounds."""
    seen: list[Extracted] = []
    for _ in range(ROUNDS):
        seen.append(_of_python(text, names) if language == "python" else _of_another(text, language))
        if seen[-1].code == text:
            finder = next((found for found in seen if found.rule != "whole"), seen[0])
            return Extracted(text, finder.rule, finder.truncated, seen[0].blocks)
        text = seen[-1].code
    return None


def _of_another(text: str, language: str) -> Extracted:
    """Of a language that can't be read here, the last block that says so, or that says nothing."""
    blocks = fenced(text, lambda _: True)
    for fits in (lambda block: block.is_of(language), lambda block: not block.tag):
        if chosen := [block for block in blocks if fits(block)]:
            return Extracted(tidy(chosen[-1].text), "fence", chosen[-1].open, len(blocks))
    return Extracted(text.strip(BLANK), "whole", blocks=len(blocks))


def _of_python(text: str, names: frozenset[str]) -> Extracted:
    inner = cleaned(text)
    if inner is None:  # an unfinished thought; the drafts in it are no answer
        return Extracted(text.strip(BLANK), "whole", truncated=True)
    reply = _Reply(inner, names)
    return reply.all_of_it() or reply.by_definitions() or reply.by_doing() or reply.anything(text)


@dataclass(frozen=True, slots=True)
class _Piece:
    source: Source
    rule: Rule
    open: bool = False
    rank: int = 1
    """What the fence says: 2 Python, 1 nothing, 0 another language."""


class _Reply:
    """One reply, and the pieces of code that each rule sees in it."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self._text, self._names = text, names
        self._reader = Reader()

    def all_of_it(self) -> Extracted | None:
        """Nothing but code, perhaps indented, typed into a console, or the body of a function."""
        source = self._reader.source(self._text)
        if not source or not source.does:
            source = self._reader.body(self._text)
        if not source:
            return None
        typed = self._text.lstrip().startswith(">>>")
        return Extracted(source.code, "body" if source.is_body else "doctest" if typed else "bare")

    def by_definitions(self) -> Extracted | None:
        """Pieces that define what is wanted; then those that define anything."""
        for wanted in dict.fromkeys((self._names, frozenset[str]())):
            for pieces in self._sights():
                if chosen := _picked(pieces, wanted):
                    return self._joined(chosen)
            if broken := [block for block in self._unreadable if _says(block.text, wanted)]:
                return self._raw(broken[-1])
        return None

    def by_doing(self) -> Extracted | None:
        """A program without definitions: the longest piece, of two the later; what is tagged as Python first."""
        ranks = [[piece for piece in self._in_blocks if piece.rank == rank] for rank in (2, 1, 0)]
        loose = [] if _says(self._text) else self._loose
        for pieces in (*ranks[:2], loose, self._typed, ranks[2]):
            if doing := [piece for piece in pieces if piece.source.does]:
                return self._joined([max(reversed(doing), key=lambda piece: len(piece.source.code))])
        return None

    def anything(self, whole: str) -> Extracted:
        """A block that can't be read as Python, or all of the reply."""
        if self._unreadable:
            return self._raw(self._unreadable[-1])
        lines = self._text.split("\n")
        begin = next((at for at, line in enumerate(lines) if _says(line)), 0)
        unfinished = any(piece.source.cut for piece in self._loose) or self._reader.unfinished(lines[begin:])
        return Extracted(whole.strip(BLANK), "whole", unfinished, len(self._found))

    def _sights(self) -> Iterator[list[_Piece]]:
        """Where code is looked for, in this order; each only if those before it had none."""
        yield self._in_blocks
        yield self._loose
        yield self._typed
        yield self._inline

    @cached_property
    def _found(self) -> list[Block]:
        return fenced(self._text, self._is_code) or tagged(self._text)

    @cached_property
    def _unreadable(self) -> list[Block]:
        """Blocks that should be Python and are not, or that do nothing."""
        blocks = [block for block in self._found if block.text.strip(BLANK) and _rank(block)]
        return [block for block in blocks if not self._is_code(block.text)]

    @cached_property
    def _in_blocks(self) -> list[_Piece]:
        """Each block; of one that can't be read, the statements that define something."""
        pieces: list[_Piece] = []
        for block in self._found:
            source, rank = self._reader.source(block.text), _rank(block)
            if source:
                pieces.append(_Piece(source, block.rule, block.open, rank))
                continue
            parts = self._reader.statements(tidy(block.text).split("\n"))
            pieces += [
                _Piece(part, "statements", block.open or part.cut, rank) for part in parts if part.defines or part.stubs
            ]
        return pieces

    @cached_property
    def _loose(self) -> list[_Piece]:
        """Statements between lines of prose."""
        sources = self._reader.statements(outside(self._text, self._found))
        return [_Piece(source, "statements", source.cut) for source in sources]

    @cached_property
    def _typed(self) -> list[_Piece]:
        """What was typed into a console that prose shows."""
        source = self._reader.source(without_prompts(self._text))
        return [_Piece(source, "doctest")] if source else []

    @cached_property
    def _inline(self) -> list[_Piece]:
        """Definitions between backticks in the lines of prose."""
        if _says(self._text):
            return []
        spans = islice(INLINE.finditer(self._text), SPANS)
        sources = (self._reader.source(re.sub(r"^python3?\s+", "", span[2])) for span in spans)
        return [_Piece(source, "inline") for source in sources if source and (source.defines or source.assigns)]

    def _is_code(self, text: str) -> bool:
        source = self._reader.source(text)
        return source is not None and source.does

    def _joined(self, pieces: Sequence[_Piece]) -> Extracted:
        rule = pieces[0].rule if len(pieces) == 1 else "joined"
        code = "\n\n\n".join(piece.source.code for piece in pieces)
        return Extracted(code, rule, any(piece.open for piece in pieces), len(self._found))

    def _raw(self, block: Block) -> Extracted:
        return Extracted(tidy(block.text), block.rule, block.open, len(self._found))


def _picked(pieces: Sequence[_Piece], wanted: frozenset[str]) -> list[_Piece]:
    """The last piece that defines each wanted name, those that bring what these lack, in the order of the text."""
    sources = [piece.source for piece in pieces]
    lacking = set(wanted) or {name for source in sources for name in source.defines | source.stubs}
    chosen: set[int] = set()
    for brought in ([source.defines | source.assigns for source in sources], [source.stubs for source in sources]):
        for place in reversed(range(len(sources))):
            if new := brought[place] & lacking:
                chosen.add(place)
                lacking -= new
    return [pieces[place] for place in sorted(_with_helpers(sources, chosen))]


def _with_helpers(sources: Sequence[Source], chosen: set[int]) -> set[int]:
    """For each name that is used and not bound: the nearest piece before its user that binds it, or the next after."""
    waiting = sorted(chosen)
    while waiting:
        user = waiting.pop()
        bound = {name for place in chosen for name in sources[place].binds}
        for name in sorted(sources[user].needs - bound):
            places = [place for place, source in enumerate(sources) if name in source.binds]
            if places:
                helper = max((place for place in places if place < user), default=places[0])
                if helper not in chosen:
                    chosen.add(helper)
                    waiting.append(helper)
    return chosen


def _says(text: str, names: frozenset[str] = frozenset()) -> bool:
    """Whether the text has the first line of a function or class, of one of these names if there are any."""
    return any(not names or found[1] in names for found in SAYS.finditer(text))


def _rank(block: Block) -> int:
    return 2 if block.is_of("python") else int(not block.tag)
