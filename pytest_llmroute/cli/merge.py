"""`llmroute merge`: shards of one run as the whole that they are."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, store_of
from pytest_llmroute.report.jsonfile import write_json
from pytest_llmroute.report.sources import merged, run_of_file
from pytest_llmroute.report.terminal import render
from pytest_llmroute.store.sqlite import SqliteStore


def merge(ctx: click.Context, files: tuple[str, ...], target: str | None) -> None:
    """Into a file of `--llm-json`, or into a store."""
    whole, twice = merged([run_of_file(Path(file)) for file in files])
    summary = whole.summary
    if target is None or target.endswith(".db"):
        path = Path(target) if target else store_of(found_by(ctx))
        store = SqliteStore(path)
        try:
            store.save(whole.info, whole.records, whole.calls, whole.series)
        finally:
            store.close()
    else:
        path = Path(target)
        write_json(path, summary, whole.records, whole.series)
    for line in render(summary, width=output.width(), unicode=output.unicode()):
        output.line(line)
    output.note(f"{len(files)} files, {len(whole.records)} cases: run {whole.info.run_id} is in {path}")
    if twice:
        output.note(f"{twice} cases were in several files; what came later counts")
