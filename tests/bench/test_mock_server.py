"""The mock server of the benches: what it counts is what happened, and our backends take it for a real one."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ollama
import psutil
import pytest
from mock_server import MockServer

from pytest_llmroute.backends.contract import Backend, Surroundings
from pytest_llmroute.backends.ollama.backend import OllamaModel
from pytest_llmroute.backends.openai_compatible.backend import OpenAIModel
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import Cause, ModelCallError

BENCH = Path(__file__).parents[2] / "bench"
LATE = 0.25
"""Seconds that a busy machine may add to all calls of a test together."""


def chat(server: MockServer, model: str = "m", **more: Any) -> int:
    """One call by Ollama's protocol; its status."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    return post(server, "/api/chat", body)


def post(server: MockServer, path: str, body: Any) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", path, json.dumps(body))
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@contextmanager
def opened(server: MockServer, backend: str = "openai", name: str = "m", **card: Any) -> Iterator[Backend]:
    around = Surroundings(os.environ, ollama_host=server.url)
    model: Backend
    if backend == "openai":
        model = OpenAIModel(ModelCard(name, "openai", base_url=server.v1, **card), around)
    else:
        model = OllamaModel(ModelCard(name, "ollama", **card), around)
    try:
        yield model
    finally:
        model.close()


@contextmanager
def official(server: MockServer) -> Iterator[ollama.Client]:
    client = ollama.Client(server.url)
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]


def resident(server: MockServer) -> set[str | None]:
    with official(server) as client:
        return {model.model for model in client.ps().models}


def ask(model: Any, text: str = "hi", timeout: float = 10) -> Reply:
    reply = model.generate(Call(model.card, (Message("user", text),), Sampling(), timeout=timeout))
    assert isinstance(reply, Reply)
    return reply


def test_latency_and_slots_are_kept() -> None:
    with MockServer(latency=0.05, slots=2) as server, ThreadPoolExecutor(6) as threads:
        assert set(threads.map(lambda _: chat(server), range(12))) == {200}
        stats = server.stats()
    assert 6 * 0.05 <= stats.window < 6 * 0.05 + LATE
    assert stats.max_working == 2
    assert 2 < stats.max_in_flight <= 6
    assert 2 < stats.mean_in_flight <= 6


def test_each_model_has_slots_of_its_own() -> None:
    with MockServer(models={"a": 1, "b": 1}, latency=0.05, slots=1) as server, ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda name: [chat(server, name) for _ in range(3)], "ab"))
        stats = server.stats()
    assert stats.window < 6 * 0.05
    assert stats.max_working == 2


def test_the_counters_tell_what_happened_and_start_anew() -> None:
    with MockServer(models={"a": 1, "b": 1}) as server:
        before = time.monotonic()
        statuses = [chat(server, name) for name in "abbx"]
        stats = server.stats()
        assert statuses == [200, 200, 200, 404]
        assert stats.requests["/api/chat"] == 4
        assert stats.calls == {"a": 1, "b": 2, "x": 1}
        assert (stats.answers, stats.in_flight, stats.max_in_flight, stats.loads) == (4, 0, 1, {})
        assert before <= stats.first_request <= stats.last_answer <= time.monotonic()
        assert stats.cpu > 0
        server.reset()
        assert server.stats().answers == server.stats().first_request == 0


class TestModels:
    """Ollama's rules: room for so many bytes, one load at a time, who leaves."""

    def test_alternating_calls_load_each_time_and_grouped_ones_once(self) -> None:
        with MockServer(models={"a": 6, "b": 6}, room=10) as server:
            for _ in range(40):
                chat(server, "a"), chat(server, "b")
            assert server.stats().loads == {"a": 40, "b": 40}
        with MockServer(models={"a": 6, "b": 6}, room=10) as server:
            for name in "ab":
                assert {chat(server, name) for _ in range(40)} == {200}
            assert server.stats().loaded == ("a", "b")

    @pytest.mark.parametrize(("strict", "loads"), [(False, ("a", "b")), (True, ("a", "b", "a"))])
    def test_who_needs_a_model_that_is_there_passes_a_load_unless_told_otherwise(
        self, strict: bool, loads: tuple[str, ...]
    ) -> None:
        setup = {"models": {"a": 1, "b": 1}, "room": 1, "latency": 0.1, "strict": strict}
        with MockServer(**setup) as server, ThreadPoolExecutor(3) as threads:
            for name in "aba":
                threads.submit(chat, server, name)
                time.sleep(0.03)
            threads.shutdown()
            assert server.stats().loaded == loads

    def test_a_load_holds_up_all_that_wait_for_another(self) -> None:
        setup = {"models": {"a": 1, "b": 1}, "room": 2, "load_seconds": 0.1}
        with MockServer(**setup) as server, ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda name: chat(server, name), "ab"))
            assert 0.2 <= server.stats().window < 0.2 + LATE

    def test_the_shortest_keep_alive_leaves_first_and_0_at_once(self) -> None:
        with MockServer(models={"a": 1, "b": 1, "c": 1, "d": 9}, room=2) as server:
            chat(server, "a", keep_alive=-1), chat(server, "b", keep_alive="10m"), chat(server, "c", keep_alive="1m")
            assert resident(server) == {"a:latest", "c:latest"}
            chat(server, "c", keep_alive=0)
            assert resident(server) == {"a:latest"}
            chat(server, "b", keep_alive=0.05)
            time.sleep(0.1)
            assert resident(server) == {"a:latest"}
            assert chat(server, "d") == 500

    def test_another_context_is_another_load(self) -> None:
        with MockServer(room=1) as server:
            for size in (2048, 2048, 4096):
                chat(server, options={"num_ctx": size})
            assert server.stats().loads == {"m": 2}


class TestClients:
    """Real clients take it for what it says it is."""

    def test_the_official_ollama_client(self) -> None:
        with MockServer(text="one two", pieces=2, room=1) as server, official(server) as client:
            assert [model.model for model in client.list().models] == ["m:latest"]
            assert client.show("m").capabilities == ["completion"]
            answer = client.chat("m", [{"role": "user", "content": "hi"}])
            assert (answer.message.content, answer.eval_count, answer.done_reason) == ("one two", 2, "stop")
            assert [part.response for part in client.generate("m", "hi", stream=True)] == ["one ", "two", ""]
            assert client.generate("m", keep_alive=0).done_reason == "unload"
            assert not client.ps().models
            assert client.generate("m").done_reason == "load"

    @pytest.mark.parametrize("streams", [True, False])
    def test_our_openai_backend(self, streams: bool) -> None:
        with MockServer(text="one two", pieces=3) as server, opened(server, stream=streams) as model:
            reply = ask(model)
            assert (reply.text, reply.tokens.completion, reply.finish) == ("one two", 3, "stop")
            assert reply.tokens.exact
            assert isinstance(model, OpenAIModel)
            assert model.models(5) == frozenset({"m"})

    def test_our_ollama_backend(self) -> None:
        with MockServer(text="one two", pieces=3, latency=0.01, room=1) as server, opened(server, "ollama") as model:
            replies = [ask(model), ask(model)]
        assert [(reply.text, reply.tokens.completion, reply.cold) for reply in replies] == [
            ("one two", 3, True),
            ("one two", 3, None),
        ]
        assert all(reply.timings.decode >= 0.01 for reply in replies)

    @pytest.mark.parametrize("backend", ["openai", "ollama"])
    def test_what_was_asked_comes_back_where_it_shall(self, backend: str) -> None:
        with MockServer(echo=True, pieces=4) as server, opened(server, backend) as model:
            assert [ask(model, text).text for text in ("a", "two words")] == ["a", "two words"]

    def test_connections_are_kept(self) -> None:
        with MockServer() as server, opened(server) as model:
            for _ in range(5):
                ask(model)
            assert server.stats().connections == 2  # one of them asks for the figures


class TestFaults:
    @pytest.mark.parametrize("backend", ["openai", "ollama"])
    @pytest.mark.parametrize(
        ("fault", "cause"),
        [
            ({"kind": "status", "status": 500}, Cause.SERVER),
            ({"kind": "status", "status": 429, "retry_after": 2.5}, Cause.RATE),
            ({"kind": "close", "count": 2}, Cause.SERVER),  # a kept connection that breaks off is opened anew, once
            ({"kind": "cut"}, Cause.SERVER),
            ({"kind": "silent"}, Cause.TIMEOUT),
            ({"kind": "endless"}, Cause.TIMEOUT),
        ],
        ids=lambda value: value.get("status") or value["kind"] if isinstance(value, dict) else "",
    )
    def test_a_fault_hits_as_often_as_it_shall(self, backend: str, fault: dict[str, Any], cause: Cause) -> None:
        with MockServer(slots=1) as server, opened(server, backend) as model:
            server.fault(**fault, after=1)
            ask(model)
            with pytest.raises(ModelCallError) as caught:
                ask(model, timeout=0.3)
            assert (caught.value.cause, caught.value.retry_after) == (cause, fault.get("retry_after"))
            assert ask(model).text == "ok"
            assert server.stats().in_flight == 0

    def test_each_so_manieth_call_of_one_model_fails_until_it_is_mended(self) -> None:
        with MockServer(models={"a": 1, "b": 1}) as server:
            server.fault("status", count=0, every=3, model="a")
            assert [chat(server, "a") for _ in range(6)] == [500, 200, 200, 500, 200, 200]
            assert chat(server, "b") == 200
            server.mend()
            assert chat(server, "a") == 200

    def test_too_many_calls_at_once_are_refused(self) -> None:
        with MockServer(latency=0.1, limit=2) as server, ThreadPoolExecutor(4) as threads:
            statuses = sorted(threads.map(lambda _: chat(server), range(4)))
        assert statuses == [200, 200, 503, 503]

    def test_who_gives_up_frees_the_slot(self) -> None:
        with MockServer(latency=0.5, slots=1) as server, opened(server) as model:
            with pytest.raises(ModelCallError):
                ask(model, timeout=0.05)
            began = time.monotonic()
            ask(model)
            assert time.monotonic() - began < 0.5 + LATE

    def test_it_can_be_killed_and_comes_back_at_the_same_address(self) -> None:
        with MockServer() as server, opened(server) as model:
            ask(model)
            server.kill()
            with pytest.raises(ModelCallError) as caught:
                ask(model)
            assert caught.value.cause is Cause.REFUSED
            server.start()
            assert ask(model).text == "ok"


def test_it_ends_when_its_parent_dies() -> None:
    program = "import time; from mock_server import MockServer; s = MockServer(); s.start(); print(s.pid, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}; time.sleep(60)"], cwd=BENCH, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    server.wait(5)
