"""How a conversation is written down for a model whose tokenizer brings no template of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_llmroute.core.requests import Message
from pytest_llmroute.errors import UnknownName

BEGIN, END = "{begin}", "{end}"
"""The tokenizer's own marks, where a format has a place for them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What stands around the text of one message."""

    before: str = ""
    after: str = ""


BLANK_LINE = Turn(after="\n\n")


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """One way to write a conversation down."""

    name: str
    turns: Mapping[str, Turn]
    """By role. Where `system` has none, its text stands within the first turn of the user."""
    within: Turn = BLANK_LINE
    start: str = ""
    opening: str = ""
    """What the reply follows."""
    ends: tuple[str, ...] = ()
    """What ends a reply, beside the tokenizer's own mark."""
    between: str = ""

    def write(self, messages: Sequence[Message], begin: str = "", end: str = "") -> str:
        """The text that the model continues; `begin` and `end` are the marks of its tokenizer."""
        if "system" not in self.turns:
            messages = folded(messages, self.within)
        turns = [self._written(message, begin, end) for message in messages]
        return _marked(self.start, begin, end) + self.between.join(turns) + _marked(self.opening, begin, end)

    def _written(self, message: Message, begin: str, end: str) -> str:
        turn = self.turns.get(message.role, self.turns["user"])
        return _marked(turn.before, begin, end) + message.content + _marked(turn.after, begin, end)


def folded(messages: Sequence[Message], within: Turn = BLANK_LINE) -> list[Message]:
    """The messages with every system text moved into the first turn of the user."""
    systems = [message.content for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    if not systems:
        return rest
    text = "\n\n".join(systems)
    place = next((number for number, message in enumerate(rest) if message.role == "user"), None)
    if place is None:
        return [Message("user", text), *rest]
    rest[place] = Message("user", within.before + text + within.after + rest[place].content)
    return rest


def _marked(text: str, begin: str, end: str) -> str:
    return text.replace(BEGIN, begin).replace(END, end)


def _two(user: Turn, assistant: Turn) -> dict[str, Turn]:
    return {"user": user, "assistant": assistant}


def _alike(before: str, after: str) -> dict[str, Turn]:
    """Turns that differ in the role's name only."""
    return {role: Turn(before.replace("ROLE", role), after) for role in ("user", "assistant", "system")}


FORMATS: dict[str, PromptFormat] = {
    form.name: form
    for form in (
        PromptFormat(
            "chatml", _alike("<|im_start|>ROLE\n", "<|im_end|>\n"),
            opening="<|im_start|>assistant\n", ends=("<|im_end|>",),
        ),
        PromptFormat("zephyr", _alike("<|ROLE|>\n", "{end}\n"), opening="<|assistant|>\n"),
        PromptFormat(
            "llama2", _two(Turn("{begin}[INST] ", " [/INST]"), Turn(" ", " {end}")),
            within=Turn("<<SYS>>\n", "\n<</SYS>>\n\n"),
        ),
        PromptFormat(
            "llama3", _alike("<|start_header_id|>ROLE<|end_header_id|>\n\n", "<|eot_id|>"), start=BEGIN,
            opening="<|start_header_id|>assistant<|end_header_id|>\n\n", ends=("<|eot_id|>",),
        ),
        PromptFormat(
            "llama4", _alike("<|header_start|>ROLE<|header_end|>\n\n", "<|eot|>"), start=BEGIN,
            opening="<|header_start|>assistant<|header_end|>\n\n", ends=("<|eot|>",),
        ),
        PromptFormat(
            "gemma",
            _two(Turn("<start_of_turn>user\n", "<end_of_turn>\n"), Turn("<start_of_turn>model\n", "<end_of_turn>\n")),
            start=BEGIN, opening="<start_of_turn>model\n", ends=("<end_of_turn>",),
        ),
        PromptFormat("mistral", _two(Turn("[INST] ", " [/INST]"), Turn(" ", END)), start=BEGIN),
        PromptFormat(
            "phi", _two(Turn("Instruct: ", "\n"), Turn("Output: ", "\n")), opening="Output:", ends=("\nInstruct:",)
        ),
        PromptFormat("dialogpt", _two(Turn(after=END), Turn(after=END)), within=Turn(after="\n")),
        PromptFormat("t5", _two(Turn(), Turn()), within=Turn(after="\n"), between="\n", opening=END),
        PromptFormat("plain", _two(Turn(), Turn()), between="\n\n"),
    )
}  # fmt: skip
"""By the name on cards; `phi` is that of phi-1.5 and phi-2, later ones bring a template."""


def find_format(name: str, where: str = "") -> PromptFormat:
    """The format of this name; a card that names none gets the bare texts."""
    found = FORMATS.get(name or "plain")
    if found is None:
        raise UnknownName("prompt format", name, FORMATS, where=where)
    return found
