"""The loopback server: the official client takes it for Ollama, and it has Ollama's habits. Pulls, too."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from pytest_llmroute.backends.ollama.address import read_address
from pytest_llmroute.backends.ollama.pulling import Progress, followed, free_space
from pytest_llmroute.backends.ollama.server import OllamaServer
from pytest_llmroute.core.steps import waited
from pytest_llmroute.errors import Cause, ModelCallError, UserError
from pytest_llmroute.testing.ollama_server import LoopbackOllama, Quirks, Served

from .ollama_servers import PROMPT, TOOL, failed

pytest.importorskip("xllamacpp")
ollama = pytest.importorskip("ollama")
OPTIONS = {"temperature": 0, "num_predict": 24, "seed": 1}
TALK = [{"role": "user", "content": PROMPT}]


@pytest.fixture
def client(server: LoopbackOllama) -> Iterator[Any]:
    client: Any = ollama.Client(server.url)
    with client:
        yield client


def post(server: LoopbackOllama, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of an answer as they are on the wire."""
    request = Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request) as response:
        return [json.loads(line) for line in response]


# The official client


def test_the_official_client_lists_shows_and_chats(server: LoopbackOllama, client: Any) -> None:
    assert {model.model for model in client.list().models} == set(server.models)
    shown = client.show("thinker:1b")
    assert sorted(shown.capabilities) == ["completion", "thinking"]
    assert [size for key, size in shown.modelinfo.items() if key.endswith(".context_length")] == [512]
    whole = client.chat("nano", TALK, options=OPTIONS)
    pieces = list(client.chat("nano", TALK, options=OPTIONS, stream=True))
    assert whole.message.content == "".join(piece.message.content or "" for piece in pieces) != ""
    assert (whole.prompt_eval_count, whole.eval_count, whole.done_reason) == (28, 13, "stop")
    assert pieces[-1].eval_duration > 0
    (resident,) = [model for model in client.ps().models if model.model == "nano:latest"]
    assert resident.size > 100_000
    assert resident.context_length == 512


def test_the_official_client_generates_thinks_and_calls_tools(client: Any) -> None:
    assert (
        client.generate("nano", PROMPT, options=OPTIONS).response
        == client.chat("nano", TALK, options=OPTIONS).message.content
    )
    thought = client.chat("thinker:1b", TALK, options=OPTIONS, think=True).message
    assert thought.thinking
    assert thought.content
    asked = client.chat("nano", TALK, tools=[TOOL], options={**OPTIONS, "num_predict": 60}).message.tool_calls
    assert asked[0].function.name == "look_up"
    assert asked[0].function.arguments["word"] in ("a", "b")
    schema = TOOL["function"]["parameters"]
    assert json.loads(client.chat("nano", TALK, format=schema, options=OPTIONS).message.content)["word"] in ("a", "b")


def test_the_official_client_gets_ollamas_errors(server: LoopbackOllama, client: Any) -> None:
    for status, name, more in ((404, "unheard-of", {}), (400, "plain:1b", {"think": True}),
                               (400, "plain:1b", {"tools": [TOOL]})):  # fmt: skip
        with pytest.raises(ollama.ResponseError) as caught:
            client.chat(name, TALK, **more)
        assert caught.value.status_code == status
    server.quirks = Quirks(break_after=1)
    with pytest.raises(ollama.ResponseError, match="unexpected EOF"):
        list(client.chat("nano", TALK, stream=True))


# Habits


def test_figures_that_are_zero_are_left_out(server: LoopbackOllama) -> None:
    (line,) = post(server, "/api/generate", {"model": "nano", "keep_alive": "5m"})
    assert line["done_reason"] == "load"
    assert "eval_count" not in line
    assert "remote_host" not in post(server, "/api/show", {"model": "nano"})[0]


def test_a_thinking_model_thinks_unless_it_is_told_not_to(server: LoopbackOllama) -> None:
    def thinks(**more: Any) -> bool:
        lines = post(server, "/api/chat", {"model": "thinker:1b", "messages": TALK, "options": OPTIONS, **more})
        return any(line.get("message", {}).get("thinking") for line in lines)

    assert thinks()
    assert not thinks(think=False)
    server.quirks = Quirks(version="0.12.0")
    assert not thinks()


def test_the_load_time_is_more_than_zero_when_warm_and_holds_the_wait_for_other_loads(server: LoopbackOllama) -> None:
    def load(name: str, **more: Any) -> float:
        body = {"model": name, "messages": TALK, "options": {**OPTIONS, **more}}
        return float(post(server, "/api/chat", body)[-1]["load_duration"]) / 1e9

    for name in ("nano", "plain:1b"):
        post(server, "/api/generate", {"model": name, "keep_alive": 0})
    server.quirks = Quirks(load_seconds=0.3)
    with ThreadPoolExecutor(2) as threads:
        first, second = sorted(threads.map(load, ("nano", "plain:1b")))
    assert 0.3 < first < second
    assert second > first + 0.3
    assert 0 < load("nano") < 0.1


def test_other_options_load_again_and_free_ones_do_not(server: LoopbackOllama) -> None:
    def loads(body: dict[str, Any], **options: Any) -> int:
        before = len(server.runners.loads)
        post(server, "/api/chat", {"model": "nano", "messages": TALK, "options": {**OPTIONS, **options}, **body})
        return len(server.runners.loads) - before

    loads({}, num_ctx=256)
    assert loads({}, num_ctx=256, temperature=0.5, top_p=0.5, seed=9, stop=["x"], num_predict=3) == 0
    assert loads({}, num_ctx=512) == 1
    assert loads({}, num_ctx=512, num_batch=64) == 1
    assert loads({"shift": False}, num_ctx=512, num_batch=64) == 1
    assert loads({"shift": False, "truncate": False}, num_ctx=512, num_batch=64) == 0


def test_the_idle_model_with_the_shortest_keep_alive_goes_first() -> None:
    models = {name: Served(name.partition(":")[0]) for name in ("pico:a", "nano:a", "pico:b")}
    with LoopbackOllama(models, Quirks(max_loaded=2)) as server:
        post(server, "/api/generate", {"model": "nano:a", "keep_alive": "1m"})
        post(server, "/api/generate", {"model": "pico:a", "keep_alive": -1})
        post(server, "/api/chat", {"model": "pico:b", "messages": TALK, "options": OPTIONS})
        assert server.runners.unloads == ["nano:a"]
        assert {runner.name for runner in server.runners.resident()} == {"pico:a", "pico:b"}


def test_a_long_prompt_is_cut_in_silence_unless_that_is_forbidden(server: LoopbackOllama, client: Any) -> None:
    long = [{"role": "user", "content": "word " * 3000}]
    assert client.chat("nano", long, options=OPTIONS).prompt_eval_count == 512
    with pytest.raises(OSError, match="400"):
        post(server, "/api/chat", {"model": "nano", "messages": long, "truncate": False})


def test_nothing_of_a_server_stays_behind() -> None:
    before = threading.active_count()
    with LoopbackOllama({"p": Served("pico")}) as server:
        url = server.url
        with pytest.raises(OSError, match="404"):
            post(server, "/api/chat", {"model": "x"})
    time.sleep(0.05)
    assert threading.active_count() <= before
    with pytest.raises(OSError, match="refused"):
        urlopen(url, timeout=1)


# Pulls


@pytest.fixture
def fresh() -> Iterator[tuple[LoopbackOllama, OllamaServer]]:
    with LoopbackOllama({}, library={"pico:latest": Served("pico")}) as server:
        asked = OllamaServer(read_address(server.url))
        yield server, asked
        asked.close()


def test_a_pull_tells_its_progress_over_all_parts(fresh: tuple[LoopbackOllama, OllamaServer]) -> None:
    asked = fresh[1]
    told: list[Progress] = []
    asked.pull("pico", told.append)
    done = [item.done for item in told]
    assert done == sorted(done)
    assert told[-1].status == "success"
    assert told[-1].done == told[-1].total > 400_000
    assert [model.name for model in waited(asked.installed())] == ["pico:latest"]


def test_a_pull_that_breaks_off_goes_on_where_it_was(fresh: tuple[LoopbackOllama, OllamaServer]) -> None:
    server, asked = fresh
    server.quirks = Quirks(cut_after=6)
    told: list[Progress] = []
    asked.pull("pico", told.append)
    assert len(server.bodies("/api/pull")) > 3
    assert told[-1].status == "success"
    assert all(item.done for item in told[7:] if item.total)


def test_a_pull_that_never_ends_well_is_told_after_some_tries(fresh: tuple[LoopbackOllama, OllamaServer]) -> None:
    server, asked = fresh
    server.quirks = Quirks(cut_after=1)
    assert failed(lambda: asked.pull("pico")).cause is Cause.SERVER
    assert len(server.bodies("/api/pull")) == 3


def test_what_the_library_does_not_have_is_asked_for_once(fresh: tuple[LoopbackOllama, OllamaServer]) -> None:
    server, asked = fresh
    error = failed(lambda: asked.pull("unheard-of"))
    assert error.cause is Cause.MISSING_MODEL
    assert "library has no unheard-of" in error.text
    assert len(server.bodies("/api/pull")) == 1


def test_a_pull_is_not_begun_or_is_stopped_where_the_disk_is_too_small(
    fresh: tuple[LoopbackOllama, OllamaServer],
) -> None:
    server, asked = fresh
    with pytest.raises(UserError, match=r"needs 5\.0 GB more on the disk, 1\.0 GB are free"):
        asked.pull("pico", needed=5_000_000_000, free=lambda: 1_000_000_000)
    assert server.bodies("/api/pull") == []
    with pytest.raises(UserError, match="more on the disk"):
        asked.pull("pico", free=lambda: 100_000)
    asked.pull("pico", needed=454_000, free=lambda: 460_000)


def test_a_callers_exception_ends_a_pull_as_it_is(fresh: tuple[LoopbackOllama, OllamaServer]) -> None:
    def stop(progress: Progress) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        fresh[1].pull("pico", stop)


def test_free_space_is_known_for_this_machine_only(tmp_path: Path) -> None:
    env = {"OLLAMA_MODELS": str(tmp_path / "not" / "there")}
    assert (free_space(read_address(""), env) or 0) > 0
    assert free_space(read_address("192.0.2.1"), env) is None


def test_progress_never_goes_back_and_a_pull_without_success_is_none() -> None:
    pieces = [("pulling", "a", 5, 10), ("pulling", "b", 0, 20), ("pulling", "a", 3, 10), ("pulling", "", 0, 0)]
    told = followed(pieces)
    assert [(item.done, item.total) for item in islice(told, 4)] == [(5, 10), (5, 30), (5, 30), (5, 30)]
    with pytest.raises(ModelCallError, match="broke off"):
        next(told)
