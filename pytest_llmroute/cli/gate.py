"""`llmroute gate`: a finished run judged again, without a call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, load_run, store_of
from pytest_llmroute.config.resolve import Level
from pytest_llmroute.gate.compare import compare
from pytest_llmroute.report import github as on_hub
from pytest_llmroute.report.gate import gate_lines
from pytest_llmroute.report.gatejson import gate_json
from pytest_llmroute.report.knobs import gate_settings, requirements
from pytest_llmroute.report.markdown import comment_text, gate_markdown, write_page
from pytest_llmroute.report.sources import against


def gate(
    ctx: click.Context, run: str, source: str | None, require: tuple[str, ...], github: bool, summary: str | None,
    comment: str | None, verbose: bool, as_json: bool, **knobs: Any,
) -> None:  # fmt: skip
    """The verdict; exit status 1 where it is red."""
    found = found_by(ctx)
    settings = gate_settings(found.settings, knobs)
    wanted = requirements(require, "--require") or requirements(found.settings["require"], "gate.require")
    judged = load_run(found, run)
    named = source is not None or found.settings.level("baseline") <= Level.ENVIRONMENT
    folder = Path.cwd() if source is not None else found.project.root
    then = against(
        source or found.settings["baseline"], folder, store_of(found),
        named=named or found.settings["gate_require_baseline"], current=judged.info.run_id,
    )  # fmt: skip
    result = compare(
        judged.tries, judged.figures, then.figures, settings,
        source=then.source, requirements=wanted, incomplete=judged.incomplete,
    )  # fmt: skip
    if as_json:
        output.data(gate_json(result), "llmroute.gate/1")
    else:
        for line in gate_lines(result, verbose=verbose, width=output.width(), unicode=output.unicode()):
            output.line(line)
    if summary:
        write_page(Path(summary), gate_markdown(result, judged.summary))
    if comment:
        write_page(Path(comment), comment_text(result, judged.summary))
    if github or on_hub.on_github(os.environ):
        on_hub.write_summary(os.environ, gate_markdown(result, judged.summary))
        for line in on_hub.annotations(result, on_hub.places(found.project.root, os.environ)):
            output.note(line)
    ctx.exit(int(result.failed))
