"""The worker seen from the other side: started, asked, ended when it takes too long, and never left behind."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

SCRIPT = Path(__file__).with_name("worker.py")
LAST_WORDS = 40
"""Lines of the worker's stderr that are kept for messages."""
PATIENCE = 1.0


class WorkerGone(Exception):
    """The worker has ended before it answered."""

    def __init__(self, status: int | None, words: str) -> None:
        self.status, self.words = status, words
        super().__init__(words or f"ended with status {status}")


class WorkerLate(Exception):
    """No answer within the time limit; the worker has been ended."""


class Worker:
    """One process, asked by one thread at a time."""

    def __init__(self, command: list[str] | None = None) -> None:
        self._process = subprocess.Popen(
            command or [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self._number = 0
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._listen)]
        for thread in self._threads:
            thread.start()
        atexit.register(self.end)

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> int:
        """Bytes that it takes now; 0 where it has ended."""
        import psutil

        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def ask(self, request: Mapping[str, Any], within: float | None) -> dict[str, Any]:
        """The answer to one request; raises WorkerLate or WorkerGone."""
        *_, last = self.stream(request, within)
        return last

    def stream(self, request: Mapping[str, Any], within: float | None) -> Iterator[dict[str, Any]]:
        """Pieces as they come, then the answer."""
        self._number += 1
        until = None if within is None else time.monotonic() + within
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({**request, "id": self._number}) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError, OSError):
            raise self._gone() from None
        while True:
            answer = self._next(until)
            if answer.get("id") != self._number:
                continue  # a piece of an answer that nobody waited for
            yield answer
            if "piece" not in answer:
                return

    def _next(self, until: float | None) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except Empty:
            self.end()
            raise WorkerLate from None
        if line is None:
            raise self._gone()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _gone(self) -> WorkerGone:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        time.sleep(0.05)  # the last words may still be on their way
        words = "\n".join(self._words).strip()
        self.end()
        return WorkerGone(self._process.poll(), words)

    def end(self) -> None:
        """Closes its stdin, on which it leaves; one that does not is ended."""
        atexit.unregister(self.end)
        with suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread, pipe in zip(self._threads, (self._process.stdout, self._process.stderr), strict=True):
            thread.join(PATIENCE)
            if pipe is not None and not thread.is_alive():
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._words.append(line.rstrip())


def died_of(status: int | None) -> str:
    """The signal behind an exit status, by name."""
    if status is None or status >= 0:
        return ""
    with suppress(ValueError):
        return signal.Signals(-status).name
    return str(-status)
