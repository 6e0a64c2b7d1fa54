"""The gate: whether a run is worse than what it is compared with, by more than luck explains.

```python
from pytest_llmroute.gate import judge

verdict = judge({"a": [1, 1, 1], "b": [1, 0, 1]}, {"a": [1, 0, 1], "b": [0, 0, 1]})
assert verdict.verdict in ("pass", "fail", "inconclusive")
```
"""

from pytest_llmroute.gate.judge import judge, judge_cells
from pytest_llmroute.gate.verdict import CellsVerdict, GateVerdict

__all__ = ["CellsVerdict", "GateVerdict", "judge", "judge_cells"]
