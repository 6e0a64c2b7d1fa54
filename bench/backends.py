"""Calls a second and CPU a call of each backend against a server that answers after a fixed time.

The yardstick is `http.client` in a loop with the same threads, in the same run. Each reply is made into its record, as
in a test. `python bench/backends.py [CALLS] [THREADS]`
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pytest_llmroute.backends.anthropic_api.backend import AnthropicModel
from pytest_llmroute.backends.contract import Backend, Surroundings
from pytest_llmroute.backends.ollama.backend import OllamaModel
from pytest_llmroute.backends.openai_compatible.backend import OpenAIModel
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.engine.case import call_record

LATENCY = 0.02
PIECES = 12
USAGE = {"prompt_tokens": 20, "completion_tokens": PIECES}


def sse(*events: object) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def named(*events: dict[str, object]) -> bytes:
    return b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)


CHUNKS = [{"choices": [{"index": 0, "delta": {"content": "word "}}]}] * PIECES
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
COUNTS = {"input_tokens": 20, "output_tokens": 1}
MESSAGE: dict[str, object] = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
}
LAST = {"model": "m", "done": True, "done_reason": "stop", "prompt_eval_count": 20, "eval_count": PIECES}
ANSWERS = {
    "/v1/chat/completions": sse(
        *CHUNKS, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}
    ),
    "/v1/messages": named(
        {"type": "message_start", "message": {**MESSAGE, "usage": COUNTS}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[DELTA] * PIECES,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": PIECES}},
        {"type": "message_stop"},
    ),
    "/api/chat": b"".join(
        json.dumps(each).encode() + b"\n"
        for each in [*[{"message": {"content": "word "}, "done": False}] * PIECES, LAST]
    ),
    "/api/version": b'{"version": "0.30.0"}',
    "/api/show": b'{"capabilities": ["completion"], "details": {}, "model_info": {"llama.context_length": 4096}}',
    "/api/tags": b'{"models": [{"model": "m", "digest": "d"}]}',
    "/api/ps": b'{"models": [{"model": "m", "size": 1, "size_vram": 0, "context_length": 4096}]}',
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readline():
        path, size = head.split()[1].decode(), 0
        while (line := await reader.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        await reader.readexactly(size)
        await asyncio.sleep(LATENCY)
        body = ANSWERS[path]
        kind = b"application/json" if path.startswith("/api") else b"text/event-stream"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body)
        await writer.drain()


async def serve() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


def yardstick(port: int, calls: int, threads: int) -> Callable[[], None]:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})

    def some(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(count):
            connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()

    def run() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, [calls // threads] * threads))

    return run


def through(backend: Backend, card: ModelCard, calls: int, threads: int) -> Callable[[], None]:
    """Calls of one backend, each with its record as JSON."""
    call = Call(card, (Message("user", "hi"),), Sampling(max_tokens=50), timeout=30)
    decision = Decision(card.name, call.settings, "bench")

    def one(_: int) -> None:
        reply = backend.generate(call)
        assert reply.tokens.completion == PIECES, reply
        record = call_record(
            call.messages, decision, call.settings, None, attempt=1, backend=card.backend, policy_id="", reply=reply
        )
        json.dumps(record.to_dict(), default=repr)

    def run() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(calls)))

    return run


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    command = [sys.executable, __file__, "--serve"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    url = f"http://127.0.0.1:{port}"
    around = Surroundings(ollama_host=url)
    openai = ModelCard("m", "openai", base_url=f"{url}/v1")
    ollama = ModelCard("m", "ollama")
    claude = ModelCard("m", "anthropic", base_url=url)
    runs = {
        "http.client": yardstick(port, calls, threads),
        "openai": through(OpenAIModel(openai, around), openai, calls, threads),
        "ollama": through(OllamaModel(ollama, around), ollama, calls, threads),
        "anthropic": through(AnthropicModel(claude, around), claude, calls, threads),
    }
    limit = calls * LATENCY / threads
    print(f"{calls} calls on {threads} threads, {1000 * LATENCY:.0f} ms each: no fewer than {limit:.2f} s")
    print(f"{'':<12}{'calls/s':>9}{'time/limit':>12}{'CPU ms/call':>13}{'of http.client':>16}")
    base = 0.0
    try:
        for name, run in runs.items():
            run()  # imports, connections
            started, cpu = time.perf_counter(), time.process_time()
            run()
            seconds, spent = time.perf_counter() - started, 1000 * (time.process_time() - cpu) / calls
            base = base or spent
            print(f"{name:<12}{calls / seconds:>9.0f}{seconds / limit:>12.2f}{spent:>13.2f}{spent / base:>16.1f}")
    finally:
        server.communicate()


if __name__ == "__main__":
    if "--serve" in sys.argv:
        asyncio.run(serve())
    else:
        main()
