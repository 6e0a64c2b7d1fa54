"""What a case with one call puts into the journal, against writing the same bytes."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.core.replies import Reply, Timings, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.engine.case import Case, CaseRun, call_record, more_of
from pytest_llmroute.pytest_side.journaling import Keeper
from pytest_llmroute.store.journal import Journal, KeptCall, run_header

CASES = 2000


def main(folder: Path) -> None:
    keeper = Keeper(Journal(folder / "bench.jsonl", run_header("bench", "main")), Redactor(os.environ))
    messages = (Message("user", "Say ok, please. " * 20),)
    reply = Reply("ok " * 100, "one", Tokens(100, 100), Timings(total=1.0), sent={"model": "one", "stream": True})
    decision = Decision("one", Sampling(0.1, 100), "bench")
    made = []
    for number in range(CASES):
        case = Case(f"made.llm.jsonl::t{number}[one]", f"made.llm.jsonl::t{number}", Column("model", "one"))
        begun = CaseRun(case, case.draft("bench", "mock", "main", shared=False))
        begun.calls.append(
            call_record(
                messages,
                decision,
                decision.settings,
                None,
                attempt=1,
                backend="openai",
                policy_id="0" * 16,
                reply=reply,
            )
        )
        made.append((begun, begun.finish("passed")))
    texts = tuple({"role": message.role, "content": message.content} for message in messages)
    began = time.process_time()
    for begun, record in made:
        keeper.start(begun.draft)
        keeper.call(KeptCall(begun.case.nodeid, begun.calls[0], texts, reply.text, more_of(reply)))
        keeper.record(record)
    ours = time.process_time() - began
    keeper.end("finished")
    lines = folder.joinpath("bench.jsonl").read_bytes().splitlines(keepends=True)
    began = time.process_time()
    with folder.joinpath("bare.jsonl").open("wb", buffering=0) as file:
        for line in lines:
            file.write(line)
    bare = time.process_time() - began
    size = sum(map(len, lines)) / CASES / 1000
    print(
        f"journal: {1000 * ours / CASES:.3f} CPU ms a case with one call (target 0.1), {size:.1f} KB in three lines;"
        f" writing them alone {1000 * bare / CASES:.3f}: {ours / bare:.1f} ×"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
