"""Model-written Python, run where it can neither do harm nor decide its own verdict.

```python
from pytest_llmroute.sandbox import run_solution

verdict = run_solution("def double(x): return 2 * x", ["assert double(2) == 4"], timeout=3.0)
assert verdict.passed
```
"""

from pytest_llmroute.sandbox.run import run_program, run_solution
from pytest_llmroute.sandbox.verdict import SolutionVerdict, Status

__all__ = ["SolutionVerdict", "Status", "run_program", "run_solution"]
