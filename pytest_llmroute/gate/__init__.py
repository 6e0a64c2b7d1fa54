"""The gate: whether a run is worse than what it is compared with, by more than luck explains.

```python
from pytest_llmroute.gate import judge

verdict = judge({"a": [1, 1, 1], "b": [1, 0, 1]}, {"a": [1, 0, 1], "b": [0, 0, 1]})
assert verdict.verdict in ("pass", "fail", "inconclusive")
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_llmroute.gate.members import judge, judge_cells
    from pytest_llmroute.gate.verdict import CellsVerdict, GateVerdict

_MODULE_OF = {"judge": "members", "judge_cells": "members", "CellsVerdict": "verdict", "GateVerdict": "verdict"}
"""A session without a gate uses parts of this package, and needs no statistics."""
__all__ = ["CellsVerdict", "GateVerdict", "judge", "judge_cells"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
