"""What the sandbox says of one execution of a solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "fail", "error", "timeout", "memory", "infra"]
"""fail: a test did not hold. error: the solution raised, died or lacks a name. infra: never the solution's doing."""
Inside = Literal["", "isolated", "restricted", "pair"]
Tier = Literal["", "isolated", "restricted", "remote", "unsafe-local"]


@dataclass(frozen=True, slots=True)
class SolutionVerdict:
    """One planned execution has exactly one of these."""

    status: Status
    message: str = ""
    """Why it is no pass; text of the solution's making may stand in it."""
    held: tuple[bool, ...] = ()
    """For each test whether it held; tests that were never reached did not."""
    output: str = ""
    """The first part of what the solution printed."""
    output_bytes: int = 0
    """All that it printed."""
    cpu_seconds: float = 0.0
    rss_peak: int = 0
    """Bytes: the highest of the process that ran the solution, its interpreter included; 0 where nobody told."""
    seconds: float = 0.0
    tier: Tier = ""
    retried: bool = False
    """Whether a first try was lost with its jail."""
    inside: Inside = ""
    """What held within a remote sandbox; `pair`: no jail did."""

    @property
    def passed(self) -> bool:
        return self.status == "pass"

    @property
    def share(self) -> float:
        """Of the tests, how many held."""
        return sum(self.held) / len(self.held) if self.held else 0.0
