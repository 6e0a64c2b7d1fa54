"""The same fits from scipy."""

from __future__ import annotations

import random

import pytest
from stopping import tally

from pytest_llmroute.learn.stopping import PSEUDO, STRONGEST, TRIES, WEAKEST, Prior, Tally, fit, pooled

optimize = pytest.importorskip("scipy.optimize")
special = pytest.importorskip("scipy.special")


@pytest.mark.parametrize("tasks", [20, 300])
def test_no_other_prior_is_likelier(tasks: int) -> None:
    """Held against an optimizer that knows nothing of the steps; with it, `PSEUDO` tasks of the pooled prior."""
    rng = random.Random(3)
    for to_the_end in (True, False):
        group = [tally(rng, rng.betavariate(0.8, 1.6), to_the_end, 5) for _ in range(tasks)]
        other = [tally(rng, rng.betavariate(4, 1), to_the_end, 5) for _ in range(tasks)]
        towards = pooled([*group, *other])

        def unlikely(at: list[float], group: list[Tally] = group, towards: Prior = towards) -> float:
            a, b = at[0] * at[1], (1 - at[0]) * at[1]

            def log(one: Tally) -> float:
                return float(special.betaln(a + one.successes, b + one.failures) - special.betaln(a, b))

            ends = [(Tally(1, n + 1), towards.unsolved(n) * towards.chance(n)) for n in range(TRIES)]
            ends.append((Tally(0, TRIES), towards.unsolved(TRIES)))
            return -sum(map(log, group)) - PSEUDO * sum(chance * log(one) for one, chance in ends)

        bounds = [(0.001, 0.999), (WEAKEST, STRONGEST)]
        mean, strength = optimize.minimize(unlikely, [0.5, 2.0], method="Nelder-Mead", bounds=bounds, tol=1e-9).x
        found = fit({"group": group, "other": other})["group"]
        assert found.chance() == pytest.approx(mean, rel=0.01)
        assert found.a + found.b == pytest.approx(strength, rel=0.01)
