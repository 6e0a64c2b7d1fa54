"""`llmroute prune`: recordings that nothing needs any more."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import click

from pytest_llmroute.cli import output
from pytest_llmroute.cli.situation import found_by, open_store
from pytest_llmroute.codes import Code
from pytest_llmroute.config.situation import Situation
from pytest_llmroute.core.units import show_bytes
from pytest_llmroute.errors import UserError, printable
from pytest_llmroute.store.recordings import RecordingError, Recordings

MANY = 100_000
DAYS = {"d": 1, "w": 7}


def prune(ctx: click.Context, unused: bool, runs: int, older_than: str | None, dry_run: bool) -> None:
    """Removes what meets every condition that is given; one that can't be read is left where it is."""
    if not unused and older_than is None:
        raise UserError(
            "which recordings shall go?", code=Code.OPTION, fix="llmroute prune --unused, or --older-than 30d"
        )
    before = None if older_than is None else datetime.now(UTC).date() - _days(older_than)
    found = found_by(ctx)
    recordings = Recordings(found.project.root, found.settings["recordings"])
    used = _used(found, runs) if unused else set()
    there = recordings.keys()
    going = [key for key in there if key not in used and _older(recordings, key, before)]
    size = sum(recordings.file(key).stat().st_size for key in going)
    for key in going:
        output.line(recordings.name(key))
        if not dry_run:
            recordings.remove(key)
    verb = "would be removed" if dry_run else "removed"
    output.note(f"{len(going)} of {len(there)} recordings {verb} ({show_bytes(size)})")


def _days(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,4})([dw])", text.strip())
    if match is None:
        raise UserError(f'--older-than: "{printable(text)}" is no age', code=Code.OPTION, fix="write it as 30d or 8w")
    return timedelta(days=int(match[1]) * DAYS[match[2]])


def _older(recordings: Recordings, key: str, before: date | None) -> bool:
    if before is None:
        return True
    try:
        recording = recordings.find(key)
    except RecordingError as error:
        output.note(f"left as it is: {error}")
        return False
    return recording is not None and recording.day < before


def _used(found: Situation, runs: int) -> set[str]:
    """What the last runs replayed or recorded, of those that did either."""
    store = open_store(found)
    try:
        used: list[set[str]] = []
        for run in store.runs(MANY):
            keys = {call.recording for record in store.records(run.run_id) for call in record.calls if call.recording}
            used += [keys] if keys else []
            if len(used) == runs:
                break
    finally:
        store.close()
    if not used:
        raise UserError(
            "no stored run has used a recording, so it is not known which ones are needed",
            code=Code.NO_RUN, fix="pytest --llm-replay=auto", instead="llmroute prune --older-than 30d",
        )  # fmt: skip
    return set().union(*used)
