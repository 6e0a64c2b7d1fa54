"""A study with planted outcomes and costs: tasks of MBPP's form, a small and a large model that follow a plan."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLAN = '''
import re

def solved_at(n):
    """The attempt of the small model that solves task n; 99: none does."""
    return {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2, 7: 4}.get((n - 11) % 12, 99)

def large_solves(n):
    return (n - 11) % 12 not in (0, 11)

def planned(call):
    """Text, seconds, tokens out and bytes of an answer."""
    n = int(re.search(r"add(\\d+)", call.messages[-1].content)[1])
    small = call.card.name == "pup"
    right = call.attempt >= solved_at(n) if small else large_solves(n)
    text = f"def add{n}(a):\\n    return a + {n if right else n + 1}"
    return (text, 1.0, 10, 10**9) if small else (text, 5.0, 50, 8 * 10**9)
'''
TOYS = (
    PLAN
    + """
import os, signal
from pathlib import Path
from pytest_llmroute import BackendType, Reply
from pytest_llmroute.core.replies import Timings, Tokens

class Toy:
    def __init__(self, card): self.card = card
    def generate(self, call):
        with open("asked", "a") as file: file.write("x")
        if Path("asked").stat().st_size == int(os.environ.get("KILL_AT", 0)): os.kill(os.getpid(), signal.SIGKILL)
        text, seconds, tokens, size = planned(call)
        return Reply(text, self.card.name, tokens=Tokens(100, tokens), timings=Timings(total=seconds), resident=size,
                     digest=f"sha256:{self.card.name}")
    def close(self): pass

def llmroute_backends(): return [BackendType("toy", Toy)]
"""
)
SCRIPTED = (
    PLAN
    + """
from pytest_llmroute.backends.scripted import ScriptedAnswer

def llmroute_scripted(call):
    text, _, tokens, _ = planned(call)
    return ScriptedAnswer(text, prompt_tokens=100, completion_tokens=tokens)
"""
)
TOML = """
[models.pup]
backend = "{backend}"
price = {{ input = 1, output = 1 }}
[models.dog]
backend = "{backend}"
price = {{ input = 10, output = 10 }}
[study]
weights = {{ {weights} }}
"""
MEASURED = frozenset({
    "run_id", "started_at", "finished_at", "seconds", "wall_seconds", "cpu",
})  # fmt: skip
"""What differs from run to run where nothing of it is planted."""
QUIET = {name: value for name, value in os.environ.items() if not name.startswith(("LLM", "PYTEST", "GITHUB", "CI_"))}


def row(number: int) -> dict[str, Any]:
    tests = [f"assert add{number}({n}) == {number + n}" for n in (1, 2)]
    code = f"def add{number}(a):\n    return a + {number}"
    return {"task_id": number, "text": f"Write a function that adds {number}.", "code": code, "test_list": tests,
            "test_setup_code": "", "challenge_test_list": []}  # fmt: skip


@dataclass
class Project:
    """A folder with a data file and the two models; its studies are processes of their own."""

    path: Path
    numbers: Iterable[int]
    toys: bool = True

    def __post_init__(self) -> None:
        self.path.mkdir(exist_ok=True, parents=True)
        weights = "seconds = 1, ram = 1, usd = 2" if self.toys else "tokens = 1, usd = 3"
        files = {
            "mbpp.jsonl": "".join(json.dumps(row(number)) + "\n" for number in self.numbers),
            "conftest.py": TOYS if self.toys else SCRIPTED,
            "llmroute.toml": TOML.format(backend="toy" if self.toys else "scripted", weights=weights),
            "pytest.ini": "[pytest]\naddopts = -p no:asyncio -p no:cacheprovider\n",
        }
        for name, text in files.items():
            (self.path / name).write_text(text)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pytest_llmroute", "study", *args]
        return subprocess.Popen(
            command, cwd=self.path, env={**QUIET, **env}, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def study(self, *args: str, **env: str) -> tuple[int, str]:
        """Exit status and output of `llmroute study mbpp …`."""
        process = self.start("mbpp", "--small=pup", "--large=dog", "--data=mbpp.jsonl", *args, **env)
        output = process.communicate(timeout=600)[0]
        return process.returncode, output

    def comes_on(self, process: subprocess.Popen[str], lines: int) -> None:
        """Waits until a study has written so many lines: how many that are in a second hangs on the machine."""
        wanted, until = self._lines + lines, time.monotonic() + 120
        while self._lines < wanted:
            assert process.poll() is None, "it has ended before it could be killed"
            assert time.monotonic() < until, "it does not come on"
            time.sleep(0.01)

    @property
    def _lines(self) -> int:
        journals = (self.path / ".llmroute" / "journal").glob("*/*.jsonl")
        return sum(path.read_bytes().count(b"\n") for path in journals if path.exists())

    def killed_at(self, lines: int, *args: str) -> None:
        """Command and run are killed at the same moment."""
        process = self.start("mbpp", "--small=pup", "--large=dog", "--data=mbpp.jsonl", *args)
        self.comes_on(process, lines)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def report(self, *args: str) -> dict[str, Any]:
        process = self.start("report", "--json", *args)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 0, output
        loaded: dict[str, Any] = json.loads(output[output.index("{") :])
        return loaded


def without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: without(one, names) for name, one in value.items() if name not in names}
    return [without(one, names) for one in value] if isinstance(value, list) else value
