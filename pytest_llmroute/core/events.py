"""What happens in a run, as it happens: for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["queued", "loading", "called", "judged", "recorded"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of one item; what is not known yet, or makes no sense for its kind, is empty."""

    kind: EventKind
    """queued: a call was handed in; loading: a model is opened; called: a call brought a reply, or failed; judged: the
    item has its verdict; recorded: its record is in the journal."""
    at: float
    """Seconds of the clock (`time.time()`)."""
    nodeid: str = ""
    """The item; empty for loading, which is done for all."""
    column: str = ""
    model: str = ""
    outcome: str = ""
    """Of judged and recorded: passed, missed, failed, error, skipped. Of called: the cause where it failed."""
    seconds: float = 0.0
    """Of called: what the call took, waiting left out; of recorded: the item's own time."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    """Of called and recorded; None where no price is known."""
    replayed: bool = False
    """Of called: no model was asked, the reply was recorded or has come before."""
