"""Columns: the things that a run compares — strategies, and single models without routing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One strategy, or one model that answers everything."""

    kind: Literal["strategy", "model"]
    name: str

    @property
    def label(self) -> str:
        """The name as it stands in test ids: nothing that a node id or a shell would trip over."""
        return re.sub(r"[^A-Za-z0-9._:+-]", "-", self.name) or "-"
