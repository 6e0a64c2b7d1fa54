"""`llmroute runs`: what is in the store."""

from __future__ import annotations

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, open_store
from pytest_llmroute.core.outcomes import SCORED


def runs(ctx: click.Context, limit: int, as_json: bool) -> None:
    """The stored runs, newest first."""
    store = open_store(found_by(ctx))
    try:
        listed = [(run, store.outcomes(run.run_id)) for run in store.runs(limit)]
    finally:
        store.close()
    if as_json:
        output.data(
            {
                "runs": [
                    {"run_id": run.run_id, "started_at": run.started_at, "finished_at": run.finished_at,
                     "status": run.status, "version": run.version, "profile": run.profile,
                     "columns": list(run.columns), "outcomes": outcomes}
                    for run, outcomes in listed
                ]
            },
            "llmroute.runs/1",
        )  # fmt: skip
        return
    rows = []
    for run, outcomes in listed:
        scored = sum(count for outcome, count in outcomes.items() if outcome in SCORED)
        rest = sum(outcomes.values()) - scored
        passed = f"{outcomes.get('passed', 0)}/{scored}" + (f" +{rest}" if rest else "")
        rows.append((run.run_id, run.status, run.profile, passed, ", ".join(run.columns)))
    if not rows:
        output.note("the store holds no run yet: pytest --llm-strategy=balanced")
        return
    output.table(("run", "status", "profile", "pass", "columns"), rows, right=(3,))
