"""A small project whose two models miss a share of their tries, always the same ones, and cost something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFTEST = """
import os, zlib
from pytest_llmroute import BackendType, Reply
from pytest_llmroute.core.replies import Tokens

class Toy:
    def __init__(self, card):
        self.card = card
    def generate(self, call):
        luck = zlib.crc32(f"{self.card.name} {call.messages[-1].content} {call.repeat}".encode())
        word = "no" if luck % 100 < int(os.environ.get("TOY_MISSES", "10")) else "yes"
        return Reply(word, self.card.name, tokens=Tokens(luck % 977, luck % 89), digest="d1")
    def close(self):
        pass

def llmroute_backends():
    return [BackendType("toy", Toy)]
"""
MODELS = """
[models.cheap]
backend = "toy"
temperature = 0.7
price = { input = 0.1, output = 0.3 }
[models.dear]
extends = "cheap"
price = { input = 3.0, output = 15.0 }
"""
TEST = """
import pytest

@pytest.mark.parametrize("n", range(60))
def test_number(llm, n):
    assert llm.generate(f"case {n}", task="fix").text == "yes"
"""
DEMANDS = ("success_rate:-1pp", "cost<=$1", "column=dear/total_seconds<=1", "seconds:+900%", "pass^3>=0.9")
QUIET = {name: value for name, value in os.environ.items() if not name.startswith(("LLM", "PYTEST", "GITHUB", "CI_"))}


def project(folder: Path) -> Path:
    for name, text in (("conftest.py", CONFTEST), ("llmroute.toml", MODELS), ("test_toy.py", TEST)):
        (folder / name).write_text(text)
    return folder


def run(folder: Path, *args: str, misses: int = 10, repeats: int = 3) -> subprocess.CompletedProcess[str]:
    """A run of both models; `misses`: in a hundred tries."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "--llm-model=dear,cheap",
         f"--llm-repeat={repeats}", *args],
        cwd=folder, env={**QUIET, "TOY_MISSES": str(misses)}, check=False, capture_output=True, text=True,
    )  # fmt: skip


def loaded(path: Path) -> Mapping[str, Any]:
    data: Mapping[str, Any] = json.loads(path.read_text(encoding="ascii"))
    return data
