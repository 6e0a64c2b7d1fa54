"""A suite whose run is cut short at a chosen line of its journal, and goes on: what was asked, what is stored."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backends.rough import Asked, Planned, Rough, said, streamed

TOML = """
[models.house]
backend = "openai"
base_url = "{url}/v1"
server = "vllm"
retry = {{ attempts = 1 }}
price = {{ input = 1, output = 1 }}
[profiles.house]
extends = "embedded"
roles = {{ tiny = "house", small = "house", medium = "house", large = "house", coder = "house" }}
"""
TESTS = """
import pytest

@pytest.fixture(scope="module")
def made():
    with open("made", "a") as file: file.write("x")
    return 1

@pytest.mark.parametrize("n", range(4))
@pytest.mark.llm(task="analyze", prompt="declared {n}")
def test_declared(llm_reply, n): assert llm_reply.text == f"said: declared {n}"

@pytest.mark.parametrize("n", range(3))
def test_body(llm, made, n):
    assert llm.generate(f"body {n}").text == f"said: body {n}"
    replies = llm.batch([f"body {n}, left", f"body {n}, right"])
    assert [reply.text for reply in replies] == [f"said: body {n}, left", f"said: body {n}, right"]

def test_misses(llm): assert llm.generate("miss").text == "no"

def test_fails(llm):
    llm.generate("fail")
    raise ValueError("of its own")

def test_skips(llm):
    llm.generate("skip")
    pytest.skip("half way")

@pytest.mark.xfail(reason="known")
def test_expected(llm): assert llm.generate("expected").text == "no"
"""
TASKS = """
- {id: right, task: fix, prompt: task right, check: {contains: said}}
- {id: wrong, task: fix, prompt: task wrong, check: {contains: nothing of this}}
"""
KILLS = """
import itertools, os, signal
from pytest_llmroute.store import journal
AT, HALF, WHOM = int(os.environ.get("KILL_AT", "0")), "KILL_HALF" in os.environ, os.environ.get("KILL_WHOM", "self")
numbers, write = itertools.count(1), journal.Journal._append

def counted(self, line):
    number = next(numbers)
    if number == AT and HALF:
        data = journal._bytes(line)
        if self._descriptor is None:
            self._open()
        os.write(self._descriptor, data[:len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    elif number <= AT or WHOM == "parent":
        write(self, line)
    if number == AT:
        os.kill(os.getppid() if WHOM == "parent" else os.getpid(), signal.SIGKILL)

if room := int(os.environ.get("ROOM", "0")):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
if AT and (WHOM == "self" or os.environ.get("PYTEST_XDIST_WORKER") == "gw0"):
    journal.Journal._append = counted
"""
NEEDED = Counter(
    [f"declared {n}" for n in range(4)]
    + [f"body {n}{side}" for n in range(3) for side in ("", ", left", ", right")]
    + ["miss", "fail", "skip", "expected", "task right", "task wrong"]
)
TIMES = frozenset({
    "run_id", "started_at", "seconds", "worker", "shared", "rss_peak", "rss_average", "pss_peak", "ram_source",
    "ram_scope", "cpu_seconds", "cpu_percent", "gpu_bytes", "gpu_percent",
})  # fmt: skip
"""Fields of a record that a resumed run may have otherwise: docs/resume.md lists them, too."""
CALL_TIMES = frozenset({
    "queue_s", "load_s", "prefill_s", "decode_s", "total_s", "first_s", "cold", "server_rss_peak", "server_rss_average",
    "server_pss", "server_cpu_seconds", "server_gpu_bytes", "ram_source", "ram_scope", "attempt",
})  # fmt: skip
"""The same of a call; calls that a test makes at once are numbered as they come back."""


class House(Rough):
    """A server that says back what it was asked, after a while."""

    def __init__(self, wait: float = 0.01) -> None:
        super().__init__()
        self.plan = self._answer
        self.wait = wait
        self.never = ""
        """A prompt that gets no answer."""

    def _answer(self, request: Asked) -> Planned:
        if request.path == "/v1/models":
            return said({"data": [{"id": "house"}]})
        wait = 600 if request.body["messages"][-1]["content"] == self.never else self.wait
        text = f"said: {request.body['messages'][-1]['content']}"
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
        used = {"prompt_tokens": 7, "completion_tokens": 2}
        return streamed({"choices": [choice]}, {"choices": [], "usage": used}, "[DONE]", wait=wait)

    @property
    def prompts(self) -> Counter[str]:
        """What it was asked since it was last looked at; what a killed process had sent may still be on its way."""
        time.sleep(0.2)
        asked, self.asked[:] = list(self.asked), []
        return Counter(one.body["messages"][-1]["content"] for one in asked if one.body)


@dataclass
class Project:
    """A folder with a suite; its runs are processes of their own."""

    path: Path
    url: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path.mkdir(exist_ok=True)
        files = {
            "llmroute.toml": TOML.format(url=self.url),
            "test_it.py": TESTS,
            "tasks.llm.yaml": TASKS,
            "conftest.py": KILLS,
            "pytest.ini": "[pytest]\nasyncio_default_fixture_loop_scope = function\n",
        }
        for name, text in files.items():
            (self.path / name).write_text(text)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pytest", "--llm-profile=house", "-p", "no:cacheprovider", *self.args, *args]
        # In the background of a shell Ctrl-C is ignored, and so it would be by whoever is started from there.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                command, cwd=self.path, env={**os.environ, **self.env, **env}, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)

    def run(self, *args: str, **env: str) -> tuple[int, str]:
        """Exit status and output."""
        process = self.start(*args, **env)
        output = process.communicate(timeout=120)[0]
        assert "INTERNALERROR" not in output, output
        return process.returncode, output

    def killed(self, at: int, *, half: bool = False, whom: str = "self") -> str:
        """A run that ends with the line of its journal of this number; gives what was written last."""
        env = {"KILL_AT": str(at), "KILL_WHOM": whom, **({"KILL_HALF": "1"} if half else {})}
        status, output = self.run(**env)
        assert status == -signal.SIGKILL, output
        return self.last

    @property
    def journals(self) -> list[Path]:
        return sorted(self.path.glob(".llmroute/journal/*/*.jsonl"))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Whole lines of all journals."""
        return [line for path in self.journals for line in whole(path.read_bytes())]

    @property
    def last(self) -> str:
        """The end of the newest journal, in words."""
        if not self.journals:
            return "before the first line"
        newest = max(self.journals, key=lambda path: path.stat().st_mtime_ns)
        data = newest.read_bytes()
        lines = whole(data)
        rest = "" if data.endswith(b"\n") else ", in the middle of the next line"
        return f"after line {len(lines)} ({lines[-1]['kind']}){rest}" if lines else "in the first line"

    @property
    def answered(self) -> Counter[str]:
        """What was asked by the calls that stand in the journals with their replies; a copy in a later part is none."""
        found = {
            (line["nodeid"], line["call"].get("attempt", 1)): line["messages"][-1]["content"]
            for line in self.lines if line["kind"] == "call" and line["reply"] is not None
        }  # fmt: skip
        return Counter(found.values())

    def stored(self) -> dict[str, Any]:
        """The store without times, RAM and names of runs."""
        with sqlite3.connect(self.path / ".llmroute" / "results.db") as db:
            runs = db.execute("SELECT run_id, status, version, profile, columns FROM runs").fetchall()
            run_id = runs[-1][0]
            records, calls = (
                [json.loads(data) for (data,) in db.execute(f"SELECT data FROM {table} WHERE run_id = ?", (run_id,))]
                for table in ("records", "calls")
            )
        return {
            "runs": [run[1:] for run in runs],
            "records": sorted(map(_record, records), key=lambda record: str(record["nodeid"])),
            "calls": sorted(({**call, "call": _call(call["call"])} for call in calls), key=json.dumps),
        }


def whole(data: bytes) -> list[dict[str, Any]]:
    """The lines of a journal that can be believed."""
    found = []
    for line in data.splitlines(keepends=True):
        with suppress(ValueError):
            found += [json.loads(line)] if line.endswith(b"\n") else []
    return found


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    calls = sorted(map(_call, record["calls"]), key=json.dumps)
    kept = {name: value for name, value in record.items() if name not in TIMES}
    return {**kept, "calls": calls, "message": re.sub("0x[0-9a-f]+", "0x", record["message"])}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name not in CALL_TIMES}


def outcomes(output: str) -> str:
    """The last line, without its time."""
    words: Sequence[str] = output.strip().splitlines()[-1].strip("= ").split(" in ")
    return words[0]
