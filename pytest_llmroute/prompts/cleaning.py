"""What stands around an answer: thoughts, tokens of chat formats, marks that prompts ask for."""

from __future__ import annotations

import re

from pytest_llmroute.prompts.blocks import ALIASES

THOUGHT = re.compile(r"\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
CLOSING = {name: re.compile(f"</{name}>", re.IGNORECASE) for name in ("think", "thinking", "thought", "reasoning")}
THOUGHT_ENDS = re.compile(
    r"^[ \t]*</(?:think|thinking|thought|reasoning)>|</(?:think|thinking|thought|reasoning)>[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
CHANNEL, FINAL = "<|channel|>", "<|channel|>final<|message|>"
TOKEN = re.compile(
    r"<\|[\w:. -]{1,40}\|>|<｜[\w▁:. -]{1,40}｜>"
    r"|^[ \t]*(?:</?s>|<eos>|<bos>|<(?:start|end)_of_turn>)|(?:</s>|<eos>|<end_of_turn>)[ \t]*$",
    re.MULTILINE,
)
ROLE = re.compile(r"\s*(?:assistant|model)?\s*(?=<\||\n|$)")
NEAR = 500
"""Characters of a line that are looked at for quotes."""
BEGINS = ("[BEGIN]", "[PYTHON]")
ENDS = ("[DONE]", "[END]", "[/PYTHON]")


def cleaned(text: str) -> str | None:
    """The answer without what stands around it; None where the reply is an unfinished thought."""
    answer = _after_thoughts(text)
    return None if answer is None else _after_language(_between_marks(_up_to_token(answer)))


def _after_thoughts(text: str) -> str | None:
    if CHANNEL in text:
        return text.rpartition(FINAL)[2] if FINAL in text else None
    begin = 0
    while opening := THOUGHT.match(text, begin):
        closing = CLOSING[opening[1].lower()].search(text, opening.end())
        if not closing:
            return None
        begin = closing.end()
    for found in THOUGHT_ENDS.finditer(text, begin):  # the opening stood in the prompt
        begin = found.end()
    return text[begin:] if text[begin:].strip() or not begin else None


def _up_to_token(text: str) -> str:
    """The first document: tokens before it are skipped with the role they name, the next token ends it."""
    begin = 0
    for token in TOKEN.finditer(text):
        if ROLE.fullmatch(text, begin, token.start()):
            begin = token.end()
        elif not _is_quoted(text, token.start(), token.end()):
            return text[_after_role(text, begin) : token.start()]
    return text[_after_role(text, begin) :] if begin else text


def _is_quoted(text: str, begin: int, end: int) -> bool:
    """Whether a string is open on this line, so that code speaks of the token."""
    before = text[max(begin - NEAR, 0) : begin].rpartition("\n")[2]
    after = text[end : end + NEAR].partition("\n")[0]
    return any(before.count(quote) % 2 and quote in after for quote in "\"'")


def _after_role(text: str, begin: int) -> int:
    role = ROLE.match(text, begin) if begin else None
    return role.end() if role else begin


def _between_marks(text: str) -> str:
    """What stands before `[DONE]`, and behind `[BEGIN]` where that comes first."""
    lines = text.split("\n")
    begin = next((at for at, line in enumerate(lines) if line.lstrip().startswith(BEGINS)), len(lines))
    done = next((at for at, line in enumerate(lines) if _is_end(line)), len(lines))
    if begin < done or not "".join(lines[:done]).strip():
        done = next((at for at in range(begin + 1, len(lines)) if _is_end(lines[at])), len(lines))
        first = lines[begin].lstrip() if begin < len(lines) else ""
        mark = next((mark for mark in BEGINS if first.startswith(mark)), "")
        lines[begin : begin + 1] = [first.removeprefix(mark).lstrip()]
        lines, done = lines[begin:], done - begin
    inside = "\n".join(lines[:done])
    return inside if inside.strip() else text


def _is_end(line: str) -> bool:
    return line.startswith(ENDS) or line.strip() in ENDS


def _after_language(text: str) -> str:
    """Without a first line that names the language: a fence whose backticks stood in the prompt."""
    first, _, rest = text.lstrip().partition("\n")
    return rest if first.strip().lower() in ALIASES["python"] and rest.strip() else text
