"""The worker: one process, one model. Reads requests as lines of JSON from stdin, answers on its first stdout.

Runs as a script of its own, so that nothing of this package but this file is in its memory. When its stdin ends,
whoever asked is gone: it leaves at once, even in the middle of a call. What llama.cpp itself prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

WANTED: dict[str, Any] = {
    "n_parallel": 1, "n_gpu_layers": 0, "warmup": False, "verbosity": 0, "fit_params": False, "cache_ram_mib": 0,
    "flash_attn_type": 0, "offline": True, "use_jinja": True,
}  # fmt: skip
"""Parameters of the engine; one that a release no longer has is told, not fatal. Flash attention is off: with it one of
40 greedy answers differed from the training framework."""

F32 = 0
"""ggml's number of 32-bit floats."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    server: Any = None
    while True:
        request = requests.get()
        answer: dict[str, Any]
        try:
            if request["do"] == "open":
                server, told = _open(request)
                answer = {"ok": told}
            else:
                answer = _ask(server, request, answers)
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({"id": request["id"], "rss": _rss(), **answer}) + "\n")


def _read(requests: SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


def _open(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The engine with its model loaded and warm."""
    started = time.perf_counter()
    import xllamacpp

    imported = time.perf_counter()
    params = xllamacpp.CommonParams()
    params.model.path = request["path"]
    missing = []
    for name, value in {**WANTED, "n_ctx": request["context"]}.items():
        if hasattr(params, name):
            setattr(params, name, value)
        else:
            missing.append(name)
    for name in ("cpuparams", "cpuparams_batch"):
        if hasattr(params, name):
            getattr(params, name).n_threads = request["threads"]
        else:
            missing.append(f"{name}.n_threads")
    if request["precise"]:
        for name in ("cache_type_k", "cache_type_v"):
            if hasattr(params, name):
                setattr(params, name, type(getattr(params, name))(F32))
            else:
                missing.append(name)
    server = xllamacpp.Server(params)
    # A server that is taken down before it has served hangs; this first request also warms it up.
    server.handle_completions({"prompt": "x", "max_tokens": 1, "temperature": 0})
    done = time.perf_counter()
    version = getattr(xllamacpp, "__version__", "")
    return server, {"version": version, "missing": missing, "import_s": imported - started, "load_s": done - imported}


def _ask(server: Any, request: dict[str, Any], answers: Any) -> dict[str, Any]:
    body = request["body"]
    if not request["stream"]:
        return {"ok": server.handle_chat_completions(body)}
    pieces: list[Any] = []

    def piece(chunk: Any) -> bool:
        pieces.append(chunk)
        answers.write(json.dumps({"id": request["id"], "piece": chunk}) + "\n")
        return False

    server.handle_chat_completions({**body, "stream": True, "stream_options": {"include_usage": True}}, piece)
    return {"ok": {"pieces": len(pieces)}}


def _rss() -> int:
    """Peak bytes of this process: the model, its cache, and the engine."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # on Linux it would also hold the peak of the process that started this one

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


if __name__ == "__main__":
    main()
