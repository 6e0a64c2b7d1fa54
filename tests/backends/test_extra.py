"""What the extras of engines bring: the engine, nothing heavy, and nothing with a pytest plugin of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "engine", "most"), [("embedded", "xllamacpp", 20), ("transformers", "transformers", 60)]
)
def test_the_extra_brings_no_torch_and_nothing_of_nvidia(tmp_path: Path, extra: str, engine: str, most: int) -> None:
    report = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
        "--report",
        str(report),
    ]
    subprocess.run([*command, f"{ROOT}[{extra}]"], check=True, capture_output=True)
    names = {item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]}
    assert engine in names
    assert extra == "transformers" or "transformers" not in names
    assert not {name for name in names if name.startswith(("torch", "nvidia", "triton"))}
    assert len(names) <= most
