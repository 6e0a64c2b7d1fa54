"""`llmroute show`: one run from the store."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, open_store
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.solutions import Solution
from pytest_llmroute.errors import printable
from pytest_llmroute.report.jsonfile import text_of
from pytest_llmroute.report.sources import find_run, run_head
from pytest_llmroute.report.summary import summarize
from pytest_llmroute.report.terminal import render
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.journal import KeptCall


def show(ctx: click.Context, run: str, case: str, outcome: str | None, calls: bool, limit: int, as_json: bool) -> None:
    """One run: its table and its cases. RUN is an id, the beginning of one, or `last`; CASE a part of a name."""
    store = open_store(found_by(ctx))
    try:
        info = find_run(store, run)
        records = list(store.records(info.run_id))
        kept = [r for r in records if case in r.nodeid and outcome in (None, r.outcome)]
        if as_json:
            _json(info, records, kept)
            return
        _head(info)
        for line in render(summarize(records, run_head(info)), width=output.width(), unicode=output.unicode()):
            output.line(line)
        output.line()
        for record in kept[:limit]:
            _case(record, store.calls(info.run_id, record.nodeid) if calls else None)
        if len(kept) > limit:
            output.note(f"… and {len(kept) - limit} more (-n {len(kept)} shows all)")
        if not kept:
            output.note("no case of that kind" if case or outcome else "the run has no cases")
    finally:
        store.close()


def _head(info: RunInfo) -> None:
    output.line(f"run {info.run_id}: {info.status}, profile {printable(info.profile)}, version {info.version}")


def _case(record: Record, kept: Sequence[KeptCall] | None) -> None:
    head = f"{record.outcome:<8} {record.seconds:8.3f} s  {printable(', '.join(record.models), 60)}"
    output.wrapped(f"{head}  {printable(record.nodeid, 1000)}", indent=12)
    if record.message:
        output.wrapped(f"         {printable(record.message, 300)}", indent=12)
    if kept is None:
        return
    for number, call in enumerate(record.calls):
        _call(call, kept[number] if number < len(kept) else None)
    if record.solution:
        _solution(record.solution)


def _call(call: CallRecord, kept: KeptCall | None) -> None:
    settings = ", ".join(
        f"{name}={value:g}" for name in ("temperature", "max_tokens", "top_p", "seed")
        if (value := getattr(call, name)) is not None
    )  # fmt: skip
    output.wrapped(f"    call {call.attempt}: {call.model} ({call.link}; {printable(call.reason)})", indent=12)
    output.line(f"      settings {settings or 'the model’s own'}; {call.total_s:.3f} s;"
                f" tokens {call.prompt_tokens}/{call.completion_tokens}")  # fmt: skip
    if call.rung:
        output.line(f"      {_step(call)}")
    for model, reason in call.rejected:
        output.wrapped(f"      not {printable(model)}: {printable(reason)}", indent=12)
    for model, cause, text in call.failures:
        output.wrapped(f"      failed {printable(model)}: {printable(text)} [{cause}]", indent=12)
    if call.recording:
        output.line(f"      {'replayed from' if call.replayed else 'recorded as'} {call.recording}")
    if call.error_class:
        output.line(f"      error {call.error_class}")
    if kept is None:
        return
    for message in kept.messages:
        _text(message["role"], message["content"])
    _text("reply", kept.reply or "")


def _step(call: CallRecord) -> str:
    """Which attempt of a ladder it was, and what came of it."""
    step = f"step {call.rung}, {call.role}: told as {printable(call.formulation, 40)}, hint {call.hint}"
    if call.accepted is None:
        return step
    accepted = "accepted" if call.accepted else "not accepted"
    return f"{step}; {accepted} by {call.verifier} (feedback {call.feedback}), {'right' if call.passed else 'wrong'}"


def _solution(solution: Solution) -> None:
    """What was taken for code, and what came of it."""
    used = [f"{solution.cpu_seconds:.3f} s of CPU"]
    if solution.rss_peak is not None:
        used.append(f"{solution.rss_peak / 1e6:.0f} MB")
    if solution.challenge is not None:
        used.append(f"challenge {solution.challenge:.0%}")
    for name, value in (("efficiency", solution.efficiency), ("readability", solution.readability)):
        if value is not None:
            used.append(f"{name} {value:.2f}")
    held = f"{sum(solution.held)} of {len(solution.held)} held"
    output.wrapped(f"    solution: {solution.status}, {held}; {', '.join(used)}; {solution.tier}", indent=12)
    output.line(f"      found by {solution.rule}" + ("; the reply breaks off in it" if solution.truncated else ""))
    _text("code", solution.code)
    if solution.output:
        _text("output", solution.output)


def _text(title: str, text: str) -> None:
    """Model text is hostile: every line is made inert before it is shown."""
    for place, part in enumerate(text.splitlines() or [""]):
        head = f"      {title if not place else '':<10}| "
        for piece in textwrap.wrap(printable(part, 4000), output.width() - len(head), drop_whitespace=False) or [""]:
            output.line(head + piece)
            head = f"      {'':<10}| "


def _json(info: RunInfo, records: Sequence[Record], kept: Sequence[Record]) -> None:
    """The same as `--llm-json` writes."""
    for part in text_of(summarize(records, run_head(info)), kept):
        output.line(part)
