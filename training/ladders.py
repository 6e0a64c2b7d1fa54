"""What attempts of the shipped models are worth on the example suite: for projects that have not measured them yet.

    python ladders.py            # writes pytest_llmroute/models/ladders.json

Every ladder is climbed whole, in a project of its own; each small model has a run.
"""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from pytest_llmroute.learn.ladders import tried_in
from pytest_llmroute.store.sqlite import SqliteStore

HERE = Path(__file__).resolve().parent.parent
WHOLE = '[strategies.whole]\nextends = "branching"\nstop = "fixed"\n'
MODELS = ("pico", "nano")


def main() -> None:
    spent: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(HERE / "tasks", folder / "tasks")
        folder.joinpath("llmroute.toml").write_text(WHOLE)
        folder.joinpath("pytest.ini").write_text("[pytest]\nllm_gate = record\n")
        for small in MODELS:
            options = ["tasks", "--llm-strategy=whole,single", f"--llm-small={small}", "-q"]
            subprocess.run([sys.executable, "-m", "pytest", *options], cwd=folder, check=True)
        store = SqliteStore(folder / ".llmroute" / "results.db")
        records = [record for run in store.runs() for record in store.records(run.run_id)]
        store.close()
    for call in (call for record in records for call in record.calls):
        spent[call.model].append(call.total_s)
    told = {
        "about": "the package's models on tasks/, each ladder whole: seconds of the mean call; successes and attempts",
        "date": datetime.date.today().isoformat(),
        "seconds": {model: round(fmean(each), 5) for model, each in sorted(spent.items())},
        "tallies": {
            model: {group: sorted((one.successes, one.attempts) for one in each) for group, each in sorted(own.items())}
            for model, own in sorted(tried_in(records).tallies.items())
        },
    }
    path = HERE / "pytest_llmroute" / "models" / "ladders.json"
    path.write_text(json.dumps(told) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
