"""Templates: how a prompt is told to the models that get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_llmroute.core.placeholders import placeholders

OFFERED = ("prompt", "instructions", "tools", "model", "hint")
"""What every call fills in; `hint` is empty unless an earlier attempt went wrong."""
PARTS: Mapping[str, str] = {
    "text": "what is to be done, in words",
    "tests": "tests that the model may see",
    "setup": "code that runs before the tests",
    "define": "the names to define, with their arguments",
    "start": "the first line of what is to be written, for models that continue a text",
}
"""Of a task, by the names that built-in templates use; tasks may have others."""
Parts = Mapping[str, str | Sequence[str]]
"""The texts that a prompt can be made of. One that is several texts can be told in part: the first ones."""


@dataclass(frozen=True, slots=True)
class Section:
    """A paragraph of a prompt, told as a whole or not at all."""

    text: str
    needs: tuple[str, ...] = ()
    """It is left out where one of these is missing or empty."""
    pieces: int | None = None
    """Of parts that are several texts, this many at most."""
    spare: bool = False
    """It is left out first where the prompt shall be shorter."""


@dataclass(frozen=True, slots=True)
class Template:
    """One way to tell a prompt. Without models and families it is for everybody."""

    name: str
    type: str
    text: str
    models: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    """Requests of these tasks are put into it where they name no template."""
    system: str = ""
    sections: tuple[Section, ...] = ()
    """What follows `text`, a blank line between two."""
    opening: str = ""
    """What the model is to continue: then the prompt is one text, and its reply begins with this."""
    parts: tuple[str, ...] = ()
    """Names of parts of one's own, beside the built-in ones and those that sections need."""

    @property
    def paragraphs(self) -> tuple[Section, ...]:
        return (Section(self.text), *self.sections)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is filled in."""
        return (self.system, *(section.text for section in self.paragraphs), self.opening)

    @property
    def names(self) -> frozenset[str]:
        """All placeholders."""
        return frozenset[str]().union(*map(placeholders, self.texts))

    @property
    def of_parts(self) -> bool:
        """Whether it makes the prompt of a task's parts."""
        return bool(self.names - set(OFFERED))

    @property
    def required(self) -> frozenset[str]:
        """The parts that it can't do without."""
        open_ = [placeholders(self.system)]
        open_ += [placeholders(section.text) - set(section.needs) for section in self.paragraphs]
        return frozenset[str]().union(*open_) - set(OFFERED)

    @property
    def known(self) -> frozenset[str]:
        """What its placeholders may be called."""
        needed = {name for section in self.sections for name in section.needs}
        return frozenset({*OFFERED, *PARTS, *self.parts, *needed})
