"""The embedded engine: first answer of a fresh process, and what a warm call costs beyond the engine's own work."""

from __future__ import annotations

import statistics
import time

from pytest_llmroute.backends.embedded.backend import EmbeddedModel
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling

STARTS, CALLS = 10, 200
PROMPT = "analyze\nNameError: name 'x' is not defined"


def main() -> None:
    card = ModelCard("pico", "embedded")
    call = Call(card, (Message("user", PROMPT),), Sampling(0.0, 16))
    starts, beyond, engine = [], [], []
    for _ in range(STARTS):
        started = time.perf_counter()
        model = EmbeddedModel(card)
        model.generate(call)
        starts.append(time.perf_counter() - started)
        for _ in range(CALLS // STARTS):
            started = time.perf_counter()
            timings = model.generate(call).timings
            work = timings.prefill + timings.decode
            beyond.append(time.perf_counter() - started - work)
            engine.append(work)
        model.close()
    print(f"first answer of a fresh process: median {statistics.median(starts):.2f} s (target 1 s)")
    print(
        f"warm call: engine {1000 * statistics.median(engine):.2f} ms, beyond it"
        f" {1000 * statistics.median(beyond):.2f} ms (target 2 ms)"
    )


if __name__ == "__main__":
    main()
