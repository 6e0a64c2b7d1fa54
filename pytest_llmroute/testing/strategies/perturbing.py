"""Perturbations: small changes of a prompt that should not change what is answered.

Each is a function from a text to a strategy for texts; the text as it was is always one of them, and the simplest. What
stays the same under each is said in its docstring, and tested. Whether the *answer* may stay the same depends on the
task, so nothing is chosen for the user.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Literal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError

Perturbation = Callable[[str], SearchStrategy[str]]

BETWEEN = re.compile(r"(?<=\S)[ \t]+(?=\S)")
LINE_END = re.compile(r"\r\n|\r|\n")
BLANKS = (" ", "  ", "   ", "\t")


def perturbed(text: str, *, of: Iterable[Perturbation]) -> SearchStrategy[str]:
    """The text under all of these, one after the other; each may also leave it as it is."""
    steps = tuple(of)
    if not steps or not all(callable(step) for step in steps):
        raise UserError(
            f"perturbed: of={steps!r} must be one or more functions from a text to a strategy",
            code=Code.VALUES,
            fix="perturbed(text, of=[spaces, margins])",
        )
    strategy = st.just(text)
    for step in steps:
        strategy = strategy.flatmap(step)
    return strategy


def spaces(text: str) -> SearchStrategy[str]:
    """Other blanks between the words of a line: one to three spaces, or a tab.

    The words, the lines and their indentation stay. Changes what quoted texts, tables and aligned code look like.
    """
    return _with_gaps(BETWEEN, text, BLANKS)


def margins(text: str) -> SearchStrategy[str]:
    """Blanks at the ends of lines, and blank lines before and after the text.

    The lines stay the same up to blanks at their ends. Changes Markdown (two blanks break a line), lines that end in a
    backslash, and texts that begin with their keyword.
    """
    around = st.sampled_from(("", "\n", "\n\n"))
    lines = re.split(r"(?<=\n)", text)
    ended = st.tuples(*(st.sampled_from(("", " ", "  ", "\t")) for _ in lines))
    return st.builds(_framed, around, ended.map(lambda ends: "".join(map(_ended, lines, ends))), around)


def line_ends(text: str) -> SearchStrategy[str]:
    r"""The ends of lines as `\n` or as `\r\n`, and the last line with or without one.

    The lines stay. Changes what a shell makes of a script.
    """
    whole = LINE_END.sub("\n", text)
    bare = whole if whole.endswith("\n\n") or whole == "\n" else whole.removesuffix("\n")
    ended = bare if bare.endswith("\n") or not bare else bare + "\n"
    forms = (text, bare, ended, bare.replace("\n", "\r\n"), ended.replace("\n", "\r\n"))
    return st.sampled_from(list(dict.fromkeys(forms)))


def letter_case(text: str) -> SearchStrategy[str]:
    """Other case: all letters large, all small, single words in the other case, or the first letter alone.

    The text stays the same for whom case means nothing (`casefold`). Changes names in code, acronyms, and all that
    is quoted: choose it for prose.
    """
    words = list(re.finditer(r"[^\W\d_]+", text))
    whole = [text, *dict.fromkeys(("".join(map(_small, text)), "".join(map(_large, text)), _first_turned(text)))]
    if not words:
        return st.just(text)
    some = st.lists(st.sampled_from(range(len(words))), min_size=1, max_size=5, unique=True)
    return st.sampled_from(whole) | some.map(lambda chosen: _turned(text, [words[place].span() for place in chosen]))


def unicode_form(text: str) -> SearchStrategy[str]:
    """Letters with marks as one character (NFC) or as several (NFD).

    The text stays canonically the same: it looks the same. Changes lengths, and names that are compared byte by byte.
    """
    return st.sampled_from(list(dict.fromkeys((text, *(unicodedata.normalize(form, text) for form in FORMS)))))


FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def end_punctuation(text: str) -> SearchStrategy[str]:
    """The full stop at the end of the text, or the mark of exclamation there: with, without, or the other.

    All before it stays. A text that ends otherwise than in a word, a full stop or one mark of exclamation is left as it
    is: questions, code, ellipses. Changes a text that ends in a file's name, a number or an address.
    """
    body = text.rstrip()
    blank = text[len(body) :]
    core = re.sub(r"(?<=\w)[.!]\Z", "", body)
    if not core or not core[-1].isalnum():
        return st.just(text)
    ends = ("", ".", "!") if body.endswith("!") else ("", ".")
    return st.sampled_from(list(dict.fromkeys((text, *(core + end + blank for end in ends)))))


POINTS_BACK = {
    "it", "its", "they", "them", "their", "this", "that", "these", "those", "he", "she", "his", "her", "him", "then",
    "so", "but", "and", "or", "however", "therefore", "thus", "also", "otherwise", "else", "instead", "finally", "next",
    "second", "third", "likewise", "hence", "still", "yet", "which", "who", "both", "either", "neither", "such",
    "there", "here", "because",
}  # fmt: skip
"""English words at the beginning of a sentence that speak of the one before."""
SHORT = {"e.g.", "i.e.", "etc.", "vs.", "cf.", "al.", "dr.", "mr.", "mrs.", "ms.", "prof.", "st.", "no.", "fig.", "eq.",
         "vol.", "p.", "pp.", "approx.", "ca."}  # fmt: skip
SENTENCE_END = re.compile(r"[.!?…]['\")\]”’»]*[ \t\n]+(?=['\"(\[“‘«]*[^\W_a-z])|[。！？]")


def sentence_order(text: str) -> SearchStrategy[str]:
    """The sentences of each paragraph in another order.

    Sentences, and what stands between them, stay as they are. A sentence that begins with an English word that points
    back (it, this, then, but …) stays behind the one before it; whether the others have to do with each other, only the
    user knows. A text with a fenced block stays as it is, and so do paragraphs with an indented line and an end
    without a full stop.
    """
    parts = re.split(r"(\n[ \t]*(?:\n[ \t]*)+)", text)
    if "```" in text or "~~~" in text:
        return st.just(text)
    return st.tuples(*(_reordered(part) for part in parts)).map("".join)


def _reordered(paragraph: str) -> SearchStrategy[str]:
    if re.search(r"^(?: {4}|\t)", paragraph, re.MULTILINE):
        return st.just(paragraph)
    groups, gaps, rest = _groups(paragraph)
    if len(groups) < 2:
        return st.just(paragraph)
    return st.permutations(groups).map(
        lambda order: "".join(group + gap for group, gap in zip(order, gaps, strict=True)) + rest
    )


def _groups(paragraph: str) -> tuple[list[str], list[str], str]:
    """Sentences that stay together, the blanks after each group, and an end that is no sentence."""
    groups: list[str] = []
    gaps: list[str] = []
    body = paragraph.rstrip()
    start = 0
    for end in [*_ends(body), len(body)]:
        piece = body[start:end]
        sentence = piece.rstrip()
        if end == len(body) and not re.search(r"[.!?…。！？]['\")\]”’»]*\Z", sentence):
            return groups, gaps, paragraph[start:]
        gap = piece[len(sentence) :]
        if groups and _points_back(sentence):
            groups[-1] += gaps[-1] + sentence
            gaps[-1] = gap
        elif sentence:
            groups.append(sentence)
            gaps.append(gap)
        start = end
    return groups, gaps, paragraph[len(body) :]


def _ends(body: str) -> list[int]:
    return [found.end() for found in SENTENCE_END.finditer(body) if not _short(body[: found.start() + 1])]


def _short(before: str) -> bool:
    """Whether the full stop at the end belongs to an abbreviation, an initial or a number of a list."""
    word = before.rsplit(None, 1)[-1].lstrip("('\"[")
    initial = re.fullmatch(r"(?:[A-Z]\.)+|(?:[a-z]\.){2,}", word)
    return word.lower() in SHORT or bool(initial or re.search(r"(?:^|\n)[ \t]*\d+\.\Z", before))


def _points_back(sentence: str) -> bool:
    first = re.match(r"\W*(\w+)", sentence)
    return bool(first and first[1].lower() in POINTS_BACK)


def _with_gaps(gap: re.Pattern[str], text: str, choices: tuple[str, ...]) -> SearchStrategy[str]:
    found = [match.span() for match in gap.finditer(text)]
    if not found:
        return st.just(text)
    filled = st.tuples(*(st.sampled_from(list(dict.fromkeys((text[a:b], *choices)))) for a, b in found))
    starts, ends = [0, *(b for _, b in found)], [*(a for a, _ in found), len(text)]
    kept = [text[a:b] for a, b in zip(starts, ends, strict=True)]
    return filled.map(lambda gaps: "".join(a + b for a, b in zip(kept, (*gaps, ""), strict=True)))


def _framed(before: str, body: str, after: str) -> str:
    return before + body + after


def _ended(line: str, blanks: str) -> str:
    body = line.rstrip("\r\n")
    return body + blanks + line[len(body) :]


def _small(char: str) -> str:
    return _other(char, char.lower())


def _large(char: str) -> str:
    return _other(char, char.upper())


def _other(char: str, candidate: str) -> str:
    """The candidate, where it is the same letter; a few letters have no other case of their own length."""
    return candidate if len(candidate) == 1 and candidate.casefold() == char.casefold() else char


def _first_turned(text: str) -> str:
    found = re.search(r"[^\W\d_]", text)
    return _turned(text, [found.span()]) if found else text


def _turned(text: str, spans: list[tuple[int, int]]) -> str:
    """The letters of these places in the other case; words as a whole: large ones small, others large."""
    chars = list(text)
    for start, end in spans:
        turn = _small if text[start:end].isupper() else _large
        chars[start:end] = map(turn, text[start:end])
    return "".join(chars)
