"""What the extra `embedded` brings with it: the engine, and nothing that is heavy or has a pytest plugin of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_extra_brings_no_torch_and_nothing_of_nvidia(tmp_path: Path) -> None:
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
    subprocess.run([*command, f"{ROOT}[embedded]"], check=True, capture_output=True)
    names = {item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]}
    assert "xllamacpp" in names
    assert not {name for name in names if name.startswith(("torch", "nvidia", "triton", "transformers"))}
    assert len(names) <= 20
