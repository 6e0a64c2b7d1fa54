"""`llmroute prune`: which recordings go, and which stay."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.records import CallRecord, Record
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.store.contract import RunInfo
from pytest_llmroute.store.recordings import Recordings, key_of
from pytest_llmroute.store.sqlite import SqliteStore

from .conftest import Call as Typed


def recorded(folder: Path, text: str, days: int = 0) -> str:
    """A recording made so many days ago; its key."""
    recordings = Recordings(folder, ".llmroute/recordings")
    request = recordings.request(Call(ModelCard("m", "mine"), (Message("user", text),), Sampling()))
    recordings.keep(request, Reply("yes", "m"), "test_it.py::test_a")
    path = recordings.file(key := key_of(request))
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "recorded": (datetime.now(UTC) - timedelta(days=days)).date().isoformat()}))
    return key


def there(folder: Path) -> set[str]:
    return {path.stem for path in (folder / ".llmroute" / "recordings").glob("*/*")}


def ran(folder: Path, number: int, *keys: str) -> None:
    """A stored run that used these recordings."""
    store = SqliteStore(folder / ".llmroute" / "results.db")
    calls = tuple(CallRecord("m", recording=key) for key in keys)
    store.save(
        RunInfo(f"run{number}", f"2026-11-{number:02}"), [Record(f"run{number}", "n", "c", "fast", calls=calls)], []
    )
    store.close()


def test_what_the_last_runs_did_not_use_goes(folder: Path, call: Typed) -> None:
    old, before, now = (recorded(folder, text) for text in "abc")
    for number, keys in enumerate([(old,), (before,), (), (now, before), ()], 1):
        ran(folder, number, *keys)
    tried = call("prune", "--unused", "--runs", "2", "--dry-run")
    assert (tried.code, tried.out.split()) == (0, [f".llmroute/recordings/{old[:2]}/{old}.json"])
    assert "1 of 3 recordings would be removed" in tried.err
    assert there(folder) == {old, before, now}
    assert "1 of 3 recordings removed" in call("prune", "--unused", "--runs", "2").err
    assert there(folder) == {before, now}
    assert not (folder / ".llmroute" / "recordings" / old[:2]).exists()
    assert call("prune", "--unused").out == ""


def test_old_ones_go_by_the_day_they_were_recorded(folder: Path, call: Typed) -> None:
    recorded(folder, "a", days=40)
    new = recorded(folder, "b", days=10)
    broken = recorded(folder, "c")
    (folder / ".llmroute" / "recordings" / broken[:2] / f"{broken}.json").write_text("{")
    ended = call("prune", "--older-than", "30d")
    assert f"left as it is: the recording .llmroute/recordings/{broken[:2]}/{broken}.json is no JSON" in ended.err
    assert there(folder) == {new, broken}
    ran(folder, 1, new)
    call("prune", "--older-than", "1w", "--unused")
    assert there(folder) == {new, broken}, "both conditions must hold"


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ((), 2, "which recordings shall go?"),
        (("--older-than", "soon"), 2, '"soon" is no age'),
        (("--unused",), 3, "no run is stored yet"),
    ],
)
def test_what_cant_be_told_removes_nothing(
    folder: Path, call: Typed, args: tuple[str, ...], code: int, told: str
) -> None:
    key = recorded(folder, "a", days=400)
    ended = call("prune", *args)
    assert (ended.code, told in ended.err) == (code, True)
    assert there(folder) == {key}


def test_runs_that_used_no_recording_tell_nothing(folder: Path, call: Typed) -> None:
    key = recorded(folder, "a")
    ran(folder, 1)
    ended = call("prune", "--unused")
    assert (ended.code, "no stored run has used a recording" in ended.err) == (3, True)
    assert there(folder) == {key}
