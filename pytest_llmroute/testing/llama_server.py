"""llama.cpp's own HTTP server on loopback, over a GGUF file: a real peer for tests of clients.

It speaks OpenAI's and Anthropic's formats, runs in a process of its own, and ends when its opener does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

SERVE = """
import sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = sys.argv[1], {sys.argv[2]}
params.n_ctx, params.n_parallel, params.n_gpu_layers = int(sys.argv[3]), 2, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.hostnames, params.port = ["127.0.0.1"], 0
params.warmup, params.fit_params, params.verbosity, params.cache_ram_mib, params.use_jinja = False, False, 0, 0, True
server = xllamacpp.Server(params)
server.handle_completions({"prompt": "x", "max_tokens": 1})
print(server.listening_address, file=sys.stderr, flush=True)
sys.stdin.read()
import os
os._exit(0)
"""
READY = "http://"


class LlamaServer:
    """`with LlamaServer(path) as server:` — `server.url` is the address."""

    def __init__(self, path: Path, name: str = "model", context: int = 512) -> None:
        self.path, self.name, self.context = path, name, context
        self.url = ""

    def __enter__(self) -> LlamaServer:
        arguments = [str(self.path), self.name, str(self.context)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith(READY):
                self.url = line.strip()
                return self
        raise RuntimeError("the server did not start")

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """As when somebody pulls its plug."""
        self._process.kill()
        self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.stderr.close()
