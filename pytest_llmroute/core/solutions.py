"""What came of the code of one reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Solution:
    """The code that was found in a reply, and what its execution said and used."""

    status: str
    """pass, fail, error, timeout, memory; infra: it could not be run, which is no fault of the model's."""
    rule: str = ""
    """How the code was found in the reply."""
    truncated: bool = False
    """Whether the reply breaks off in the code."""
    held: tuple[bool, ...] = ()
    """For each test, then for each case, whether it held."""
    challenge: float | None = None
    """Of the challenge tests, the share that held; None where there are none, or they were not run."""
    efficiency: float | None = None
    """Against the task's reference, 1 at best; None where there is none, or one of the two did not pass."""
    readability: float | None = None
    """From 0 to 1; None without the extra `quality`, and for what is no Python."""
    cpu_seconds: float = 0.0
    """Of the tests and cases together, as all figures here: the challenge is apart."""
    rss_peak: int | None = None
    """Bytes: the highest of the process that ran the code, its interpreter included; None where nobody told."""
    seconds: float = 0.0
    tier: str = ""
    """The kind of sandbox that it ran in."""
    retried: bool = False
    output_bytes: int = 0
    """All that it printed."""
    output: str = ""
    """The first part of what it printed."""
    code: str = ""

    @property
    def score(self) -> float:
        """Of the tests and cases, the share that held."""
        return sum(self.held) / len(self.held) if self.held else 0.0

    def without_texts(self) -> Solution:
        """What may travel in a report."""
        return replace(self, code="", output="")

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _FIELDS}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Solution:
        """Unknown keys of a newer version are left out."""
        values = {key: value for key, value in data.items() if key in _FIELDS}
        return Solution(**{**values, "held": tuple(values.get("held") or ())})


_FIELDS = dict.fromkeys(item.name for item in fields(Solution))
