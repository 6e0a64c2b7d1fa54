"""Attempts at one task: a small model tries, a large one rescues. What is tried, what is asked, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_llmroute.core.outcomes import CheckResult
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Message, Request

SMALL, LARGE, VERIFIER = "small", "large", "verifier"
"""What a model is on a ladder."""
OWN = "own"
"""The formulation that a task's own template, else its model's, gives it."""
HINTS = ("none", "class", "shape", "values")
"""What a hint may show at most, each with all before it: the kind of error; the call that failed, types for its
arguments; the assert itself."""
SEQUENTIAL, PARALLEL = MODES = ("sequential", "parallel")
BESIDE = "both models at the same time"
ONE_SLOT = "one after the other: the two models share one slot"
CROWDED = "one after the other: the two models may not fit into memory together"
STOPS = ("learned", "fixed")
VERIFIERS = ("check", "visible", "syntax", "model")
FEEDBACK = ("all", "visible", "challenge")


@dataclass(frozen=True, slots=True)
class Ladder:
    """How a strategy tries: the settings of its attempts, and what decides between them."""

    small: str
    """A role or a model; `large` the same."""
    large: str
    temperatures: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7)
    """Of the attempts; the last one holds for all further ones."""
    formulations: tuple[str, ...] = (OWN, "tests_first", "steps", "concise")
    """Types of templates, in turn; a task that lacks what one is made of is told as its own."""
    hints: str = "shape"
    context: tuple[float, ...] = (1.0, 1.0, 0.5)
    """Shares of the tests that templates tell; the last one holds for all further ones."""
    stop: str = "learned"
    """learned: as many attempts as earlier runs say are worth their cost. fixed: one for each temperature."""
    verifier: str = "check"
    """What accepts an answer of the small model: the task's check, its first assert, the syntax, or a model's word."""
    judge: str = "large"
    """The role or model that `verifier = "model"` asks."""
    feedback: str = "all"
    """Which tests decide on going on and feed hints, and which score: all do both; the first one decides and all
    score; all decide and the challenge scores."""
    cells: Mapping[str, str] = field(default_factory=dict)
    """The names by which profiles override `small` and `large`; empty: they don't."""
    mode: str = "sequential"
    """sequential: the large model is asked after the attempts. parallel: at the same time; the first answer that is
    accepted counts, and what is on its way then is cancelled."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder."""

    number: int
    """Counted from 1, skipped ones included; the large model's is the last."""
    role: str = SMALL
    temperature: float | None = None
    """None: as the model's card, phase and agent say."""
    formulation: str = OWN
    hint: str = "none"
    """What its hint may show at most."""
    share: float = 1.0
    how: str = ""
    """What a reason says of the ladder's mode: in parallel, or why not; empty where it is sequential."""


class Try(NamedTuple):
    """What to ask now."""

    rung: Rung
    """With what its hint does show, and the formulation that the task allows."""
    request: Request
    messages: tuple[Message, ...]
    """What the model is sent for it."""
    greedy: bool = False
    """Whether the model would give the same answer to the same messages again."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one attempt."""

    rung: int
    role: str
    model: str
    accepted: bool
    """By the verifier; of the large model, whether it passed."""
    passed: bool
    """By what scores."""
    message: str = ""
    error_class: str = ""
    """The exception that the answer's code raised, or fail, timeout, memory; empty where no code was run."""
    shape: str = ""
    """The call in the assert that failed, with types for its arguments."""
    seconds: float = 0.0
    usd: float | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Solved:
    """A task's last reply with the verdict on it, and the attempts that led there."""

    reply: Reply
    judged: CheckResult | Exception | None = None
    """None where whoever waits for it runs the check."""
    attempts: tuple[Came, ...] = ()
    """On a ladder; empty where the task was asked once."""

    @property
    def result(self) -> CheckResult | None:
        if isinstance(self.judged, Exception):
            raise self.judged
        return self.judged

    @property
    def passed(self) -> bool:
        """Whether the last reply passes the task's check."""
        return self.result is not None and self.result.passed

    @property
    def message(self) -> str:
        """Why not."""
        return self.result.message if self.result is not None else ""
