"""The settings of hypothesis under which a test may ask models."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings


def few_examples(count: int = 10, *, shrink: bool = False) -> settings:
    """A decorator: at most `count` examples, the same ones in every run.

    A failing example is told as it was found; `shrink` looks for a simpler one, at the price of up to hundreds of calls
    more. It is an ordinary `hypothesis.settings`: whoever wants others writes those.
    """
    return settings(
        max_examples=count,
        derandomize=True,  # two runs, and a run and its baseline, must ask the same
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if shrink else ())),
        report_multiple_bugs=False,
        # The fixture `llm` is the test's, not the example's; it keeps nothing from one call to the next.
        suppress_health_check=(HealthCheck.function_scoped_fixture, HealthCheck.too_slow),
    )
