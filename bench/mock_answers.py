"""What the mock server says, as bytes: OpenAI's format and Ollama's, whole and in chunks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

Table = dict[str, Any]
PROMPT_TOKENS = 20
REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 429: b"Too Many Requests"}
END = b"0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS, LINES = HEAD % b"text/event-stream", HEAD % b"application/x-ndjson"
LONGEST = 1e8
"""Seconds, where a date has to stand for "for ever"."""


def whole(value: Any, status: int = 200, headers: bytes = b"") -> bytes:
    body = json.dumps(value).encode()
    head = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    return head % (status, REASONS.get(status, b"Error"), len(body), headers) + body


def event(value: Any) -> bytes:
    """A chunk with one of OpenAI's."""
    return _chunk(b"data: %b\n\n" % json.dumps(value).encode())


def line(value: Any) -> bytes:
    """A chunk with one of Ollama's."""
    return _chunk(json.dumps(value).encode() + b"\n")


def delta(model: str, text: str, **more: Any) -> Table:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    return {"object": "chat.completion.chunk", "model": model, "choices": [choice]}


def piece(model: str, text: str, *, chat: bool = True) -> Table:
    return {"model": model, "created_at": later(0), **said(text, chat=chat), "done": False}


def said(text: str, *, chat: bool) -> Table:
    """/api/chat answers with a message, /api/generate with a text."""
    return {"message": {"role": "assistant", "content": text}} if chat else {"response": text}


@lru_cache(1024)
def openai(model: str, text: str, pieces: int, *, streamed: bool) -> bytes:
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": pieces, "total_tokens": PROMPT_TOKENS + pieces}
    if not streamed:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return whole({"object": "chat.completion", "model": model, "choices": [choice], "usage": usage})
    told = [delta(model, part) for part in _split(text, pieces)]
    told += [delta(model, "", finish_reason="stop"), {"model": model, "choices": [], "usage": usage}]
    return EVENTS + b"".join(map(event, told)) + _chunk(b"data: [DONE]\n\n") + END


def ollama(
    model: str, text: str, pieces: int, *, streamed: bool, chat: bool, total: float, load: float, decode: float
) -> bytes:
    """Its times in seconds; figures that are 0 are left out, as Ollama does."""
    times = {"total_duration": total, "load_duration": load, "eval_duration": decode}
    figures = {name: int(1e9 * value) for name, value in times.items() if value}
    last = {"done": True, "done_reason": "stop", "prompt_eval_count": PROMPT_TOKENS, "eval_count": pieces, **figures}
    if not streamed:
        return whole({**piece(model, text, chat=chat), **last})
    return LINES + _begin(model, text, pieces, chat=chat) + line({**piece(model, "", chat=chat), **last}) + END


@lru_cache(1024)
def _begin(model: str, text: str, pieces: int, *, chat: bool) -> bytes:
    return b"".join(line(piece(model, part, chat=chat)) for part in _split(text, pieces))


def _split(text: str, pieces: int) -> list[str]:
    size = -(-len(text) // pieces) or 1
    return [text[start : start + size] for start in range(0, len(text), size)]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def later(seconds: float) -> str:
    """The date so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=min(seconds, LONGEST))).isoformat()
