"""An answer as it comes in, line by line, and the reply that it makes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pytest_llmroute.backends.ollama.facts import count, text
from pytest_llmroute.backends.ollama.messages import asked_tools
from pytest_llmroute.backends.ollama.trouble import failure
from pytest_llmroute.core.replies import Reply, Timings, Tokens
from pytest_llmroute.errors import Cause, ModelCallError

NANO = 1e-9


class Answer:
    """What has come so far of one answer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.perf_counter()
        self._first = 0.0
        self._texts: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._logprobs: list[Any] = []
        self._last: Mapping[str, Any] = {}
        self.pieces = 0
        self.remote = ""
        """Who really answered, if somebody else did."""

    @property
    def done(self) -> bool:
        return bool(self._last)

    def add(self, line: Any) -> str:
        """Takes one line; its text. A line may be an error, though the status was 200."""
        if not isinstance(line, dict):
            raise ModelCallError(Cause.SERVER, "the server's answer is not Ollama's")
        if line.get("error"):
            raise failure(str(line["error"]), self._name)
        message = line.get("message")
        message = message if isinstance(message, dict) else {}
        piece, thought = text(message, "content"), text(message, "thinking")
        calls = asked_tools(message.get("tool_calls"), len(self._calls))
        if (piece or thought or calls) and not self.pieces:
            self._first = time.perf_counter() - self._started
        self.pieces += bool(piece or thought or calls)
        self._texts.append(piece)
        self._thinking.append(thought)
        self._calls += calls
        if isinstance(line.get("logprobs"), list):
            self._logprobs += line["logprobs"]
        self.remote = self.remote or text(line, "remote_host") or text(line, "remote_model")
        if line.get("done") is True:
            self._last = line
        return piece

    def reply(self, model: str) -> Reply:
        """The whole; a figure that Ollama leaves out is 0."""
        total = time.perf_counter() - self._started
        if not self.done:
            raise ModelCallError(Cause.SERVER, f"the answer broke off after {self.pieces} pieces")
        told = self._last
        finish = text(told, "done_reason")
        return Reply(
            text="".join(self._texts),
            model=model,
            tokens=Tokens(count(told, "prompt_eval_count"), count(told, "eval_count")),
            timings=self._timings(total),
            tool_calls=tuple(self._calls),
            finish="tool_calls" if self._calls and finish in ("stop", "") else finish,
            thinking="".join(self._thinking),
            logprobs=self._logprobs or None,
        )

    def _timings(self, total: float) -> Timings:
        """What the server took beside loading, reading and writing was a wait for a free slot."""
        load, prefill, decode, whole = (
            count(self._last, f"{part}_duration") * NANO for part in ("load", "prompt_eval", "eval", "total")
        )
        queue = max(0.0, min(whole, total) - load - prefill - decode)
        return Timings(queue=queue, load=load, prefill=prefill, decode=decode, total=total, first=self._first)
