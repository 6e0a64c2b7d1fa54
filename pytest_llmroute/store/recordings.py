"""Recorded calls: one file each, named by a hash of what decides the reply; made to be read, compared and committed."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.config.fits import surely_fits
from pytest_llmroute.config.schema import published
from pytest_llmroute.config.sentences import mistakes
from pytest_llmroute.core.plain import Redact, plain
from pytest_llmroute.core.replies import Call, Reply, Timings, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import UserError

SCHEMA = 1
_REPLY = ("text", "model", "finish", "thinking", "logprobs", "digest", "usd")


class RecordingError(UserError):
    """A recording that can't be read or written."""

    def __init__(self, what: str, *, means: str = "", fix: str = "") -> None:
        super().__init__(what, code=Code.RECORDING, means=means, fix=fix)


def request_of(call: Call, occurrence: int = 1, redact: Redact = str) -> dict[str, Any]:
    """All that decides the reply, as plain data without secrets; `occurrence`: which of a test's equal requests."""
    request = {
        "model": call.card.decisive,
        "messages": [_message(one) for one in call.messages],
        "settings": _said({item.name: getattr(call.settings, item.name) for item in fields(Sampling)}),
        "tools": call.tools,
        "reply_schema": call.schema,
        "logprobs": call.logprobs or None,
        "repeat": call.repeat,
        "occurrence": occurrence if occurrence > 1 else None,
    }
    made: dict[str, Any] = plain(_said(request), redact)
    return made


def _message(message: Message) -> dict[str, Any]:
    more = _said({"tool_calls": message.tool_calls, "tool_call_id": message.tool_call_id})
    return {"role": message.role, "content": message.content, **more}


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was left open."""
    return {name: value for name, value in values.items() if value is not None and value != () and value != ""}


def key_of(request: Mapping[str, Any]) -> str:
    """The same for equal requests on every machine; the name of the recording's file."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Recording:
    """One call as its file has it."""

    request: Mapping[str, Any]
    said: Mapping[str, Any]
    """The reply, as plain data."""
    case: str = ""
    """The test that made the call first; others may share it."""
    recorded: str = ""
    """The day, as 2026-11-21."""
    version: str = ""

    @property
    def key(self) -> str:
        return key_of(self.request)

    @property
    def reply(self) -> Reply:
        said = self.said
        return Reply(
            **{name: said[name] for name in _REPLY if name in said},
            tokens=Tokens(**said["tokens"]),
            timings=Timings(**said["timings"]),
            tool_calls=tuple(said.get("tool_calls", ())),
            sent=said.get("sent", {}),
            replayed=True,
            recording=self.key,
        )

    @property
    def words(self) -> dict[str, Any]:
        """What the model said, without what differs from call to call or machine to machine."""
        return {name: value for name, value in self.said.items() if name not in ("timings", "usd", "sent")}

    @property
    def day(self) -> date:
        return date.fromisoformat(self.recorded)


def said_of(reply: Reply, redact: Redact = str) -> dict[str, Any]:
    """What is kept of a reply: no measured RAM, which belongs to the machine."""
    said = {
        "text": reply.text,
        "model": reply.model,
        **_said({name: getattr(reply, name) for name in (*_REPLY[2:], "tool_calls")}),
        "tokens": asdict(reply.tokens),
        "timings": {name: round(seconds, 6) for name, seconds in asdict(reply.timings).items()},
    }
    made: dict[str, Any] = plain(said | ({"sent": reply.sent} if reply.sent else {}), redact)
    return made


class Recordings:
    """A folder of recordings, `ab/abcdef….json`; several processes may read and write it at once."""

    def __init__(self, root: Path, folder: str, redact: Redact = str, version: str = "") -> None:
        self.path, self.folder = root / folder, folder
        self._redact, self._version = redact, version

    def request(self, call: Call, occurrence: int = 1) -> dict[str, Any]:
        return request_of(call, occurrence, self._redact)

    def name(self, key: str) -> str:
        """The file as it is shown: from the root directory."""
        return (PurePath(self.folder) / key[:2] / f"{key}.json").as_posix()

    def file(self, key: str) -> Path:
        return self.path / key[:2] / f"{key}.json"

    def has(self, key: str) -> bool:
        return self.file(key).is_file()

    def find(self, key: str) -> Recording | None:
        """None where nothing is recorded; a file that can't be believed is an error that names it."""
        try:
            raw = self.file(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._broken(key, f"can't be read: {error.strerror}") from error
        try:
            data = json.loads(raw)
        except ValueError as error:
            merged = " (a merge left its marks in it)" if b"<<<<<<<" in raw else ""
            raise self._broken(key, f"is no JSON{merged}: {error}") from error
        found = data.get("schema") if isinstance(data, dict) else None
        if isinstance(found, int) and found > SCHEMA:
            raise RecordingError(
                f"the recording {self.name(key)} was written by a newer version (schema {found};"
                f" this one knows {SCHEMA})",
                fix="pip install --upgrade pytest-llmroute",
            )
        if not _fits(data):
            at, sentence, _ = mistakes(data, published("recording"))[0]
            raise self._broken(key, f"is broken: {'.'.join(map(str, at))}: {sentence}")
        recording = _recording(data)
        if recording.key != key:
            raise self._broken(key, "is not the call that its name stands for: its request was changed")
        return recording

    def keep(self, request: Mapping[str, Any], reply: Reply, case: str) -> None:
        """Whole or not at all; a file that says the same already is left as it is."""
        key = key_of(request)
        said = said_of(reply, self._redact)
        made = Recording(request, said, self._redact(case), datetime.now(UTC).date().isoformat(), self._version)
        with suppress(RecordingError):
            if (there := self.find(key)) is not None and there.words == made.words:
                return
        path = self.file(key)
        temporary = path.with_name(f".{key}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text_of(made), encoding="utf-8", newline="\n")
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise RecordingError(
                f"the recording {self.name(key)} can't be written: {error.strerror}",
                means="tests go on, but this call can't be replayed",
                fix="make room, or make its folder writable",
            ) from error

    def keys(self) -> list[str]:
        return sorted(path.stem for path in self.path.glob("??/*.json"))

    def all(self) -> Iterator[Recording]:
        """Those that can be read."""
        for key in self.keys():
            with suppress(RecordingError):
                if (found := self.find(key)) is not None:
                    yield found

    def remove(self, key: str) -> None:
        path = self.file(key)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others lie in it
            path.parent.rmdir()

    def _broken(self, key: str, what: str) -> RecordingError:
        return RecordingError(
            f"the recording {self.name(key)} {what}",
            fix="--llm-replay=rewrite records it anew; or delete it, or restore it",
        )


@cache
def _shape() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(published("recording"))


def _fits(data: Any) -> bool:
    return surely_fits(data, published("recording")) or bool(_shape().is_valid(data))


def text_of(recording: Recording) -> str:
    """The file: keys in order, texts line by line, and what does not show escaped."""
    data = {
        "schema": SCHEMA,
        "version": recording.version,
        "recorded": recording.recorded,
        "case": recording.case,
        "request": {**recording.request, "messages": [_split(one) for one in recording.request["messages"]]},
        "reply": _split(recording.said),
    }
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False)
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text) + "\n"


def _recording(data: Mapping[str, Any]) -> Recording:
    request = {**data["request"], "messages": [_joined(one) for one in data["request"]["messages"]]}
    return Recording(request, _joined(data["reply"]), data["case"], data["recorded"], data["version"])


_LONG = ("content", "text", "thinking")
"""Texts that may have many lines: each is one in the file, too, so that a change shows as what it is."""


def _split(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.split("\n") if name in _LONG and isinstance(value, str) and "\n" in value else value
        for name, value in values.items()
    }


def _joined(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: "\n".join(value) if name in _LONG and isinstance(value, list) else value for name, value in values.items()
    }
