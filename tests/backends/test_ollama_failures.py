"""The backend `ollama` where something goes wrong: errors, limits of time, and what is found before any test."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from pytest_llmroute.backends.connection import opened as opened_connection
from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.ollama.backend import OllamaModel, missing_ollama
from pytest_llmroute.backends.ollama.survey import survey_ollama
from pytest_llmroute.backends.ollama.trouble import failure, refusal
from pytest_llmroute.backends.wire import Refusal
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message
from pytest_llmroute.core.steps import waited
from pytest_llmroute.errors import Cause, ModelCallError, UserError
from pytest_llmroute.testing.ollama_server import LoopbackOllama, Quirks

from .ollama_servers import GREEDY, PROMPT, ask, failed, opened, raw, scripted

pytest.importorskip("xllamacpp")
pytest.importorskip("ollama")


# What goes wrong


@pytest.mark.parametrize(
    ("status", "text", "cause"),
    [
        (404, "model 'x' not found", Cause.MISSING_MODEL),
        (404, 'model "x" not found, try pulling it first', Cause.MISSING_MODEL),
        (400, "registry.ollama.ai/library/x does not support tools", Cause.CAPABILITY),
        (400, '"x" does not support thinking', Cause.CAPABILITY),
        (400, "the input length exceeds the context length", Cause.CONTEXT),
        (400, "the request exceeds the available context size, try increasing it", Cause.CONTEXT),
        (503, "server busy, please try again.  maximum pending requests exceeded", Cause.RATE),
        (503, "", Cause.RATE),
        (200, "server busy, please try again.  maximum pending requests exceeded", Cause.RATE),
        (429, "you have reached your hourly usage limit", Cause.RATE),
        (401, "unauthorized", Cause.AUTH),
        (500, "model requires more system memory (5.6 GiB) than is available (2.1 GiB)", Cause.OUT_OF_MEMORY),
        (500, "llama runner process has terminated: cudaMalloc failed: out of memory", Cause.OUT_OF_MEMORY),
        (500, "llama runner process has terminated: signal: killed", Cause.OUT_OF_MEMORY),
        (500, "llama runner process has terminated: exit status 2", Cause.SERVER),
        (500, "timed out waiting for llama runner to start", Cause.TIMEOUT),
        (500, "unable to load model: /blobs/sha256-1", Cause.BACKEND),
        (400, 'invalid format: "x"; expected "json" or a valid JSON Schema object', Cause.SCHEMA),
        (400, "invalid options: nope", Cause.BACKEND),
        (502, "", Cause.SERVER),
        (200, "an error was encountered while running the model: unexpected EOF", Cause.SERVER),
        (200, "out of memory", Cause.OUT_OF_MEMORY),
    ],
)
def test_each_of_ollamas_errors_has_its_cause(status: int, text: str, cause: Cause) -> None:
    assert refusal(Refusal(status, {"error": text}), "x").cause is cause
    if text:
        assert failure(text, "x", status).cause is cause


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 3}', b'{"error": ""}', b"\xff\x00"])
def test_an_error_that_is_not_ollamas_is_told_too(body: bytes) -> None:
    assert refusal(Refusal(500, body), "x").cause is Cause.SERVER
    assert "no Ollama server" in refusal(Refusal(404, body), "x").text


def test_what_a_server_says_is_made_inert_and_short() -> None:
    error = failure("boom \x1b[31m\u202e" + "x" * 5000, "x", 500)
    assert error.text.isprintable()
    assert len(error.text) < 400
    assert failure("model not found", "x\x1b[31m", 404).text.isprintable()


def test_a_model_that_was_not_pulled_is_told_with_the_command(server: LoopbackOllama) -> None:
    with opened(server, "unheard-of") as model:
        error = failed(lambda: ask(model))
    assert error.cause is Cause.MISSING_MODEL
    assert "ollama pull unheard-of" in error.text
    assert error.model == "unheard-of"


def test_nobody_there_is_a_refused_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{free.getsockname()[1]}"
    with opened(url) as model:
        error = failed(lambda: ask(model))
        assert error.cause is Cause.REFUSED
        assert url in error.text
        assert failed(lambda: model.server.pull("x")).cause is Cause.REFUSED
        assert failed(model.unload).cause is Cause.REFUSED


@pytest.mark.parametrize(
    ("said", "cause"), [(Quirks().break_with, Cause.SERVER), ("CUDA out of memory", Cause.OUT_OF_MEMORY)]
)
def test_an_error_in_the_middle_of_an_answer_is_no_answer(server: LoopbackOllama, said: str, cause: Cause) -> None:
    """It comes as a line under status 200."""
    with opened(server) as model:
        server.quirks = Quirks(break_after=2, break_with=said)
        assert failed(lambda: ask(model)).cause is cause
        pieces: list[str] = []
        assert (
            failed(lambda: pieces.extend(model.stream(Call(model.card, (Message("user", PROMPT),), GREEDY)))).cause
            is cause
        )
        server.quirks = Quirks()
        assert ask(model).text


def test_a_connection_that_is_cut_is_the_servers_fault_and_the_next_call_works(server: LoopbackOllama) -> None:
    with opened(server) as model:
        server.quirks = Quirks(cut_after=2)
        error = failed(lambda: ask(model))
        assert error.cause is Cause.SERVER
        assert "broke off" in error.text
        server.quirks = Quirks()
        assert ask(model).text


def test_an_answer_without_its_last_line_is_no_answer() -> None:
    with scripted([{"message": {"content": "x"}, "done": False}]) as url, opened(url) as model:
        assert "broke off after 1 pieces" in failed(lambda: ask(model)).text


@pytest.mark.parametrize("line", [[1], "x", None, {"done": True, "message": "x", "logprobs": 3, "eval_count": "many"}])
def test_lines_that_are_not_ollamas_never_break_us(line: Any) -> None:
    with scripted([line]) as url, opened(url) as model, suppress(ModelCallError):
        assert ask(model).text == ""


def test_a_full_queue_is_worth_another_try(server: LoopbackOllama) -> None:
    with opened(server) as model, opened(server, "plain:1b") as other:
        other.unload()
        assert model.load()
        server.quirks = Quirks(max_queue=0)
        error = failed(lambda: ask(other))
        assert error.cause is Cause.RATE
        assert other.card.retry.again(error.cause, 1)
        assert ask(model).text


def test_want_of_memory_has_its_cause(server: LoopbackOllama) -> None:
    with opened(server, "plain:1b") as model:
        model.unload()
        server.quirks = Quirks(memory=1000)
        assert failed(lambda: ask(model)).cause is Cause.OUT_OF_MEMORY
        assert failed(model.load).cause is Cause.OUT_OF_MEMORY


# Time limits


def test_a_limit_holds_in_the_middle_of_an_answer_and_says_how_far_it_came(server: LoopbackOllama) -> None:
    with opened(server) as model:
        ask(model)
        server.quirks = Quirks(piece_seconds=0.1)
        started = time.monotonic()
        error = failed(lambda: ask(model, timeout=0.35))
        assert time.monotonic() - started < 0.6
        assert error.cause is Cause.TIMEOUT
        assert "not whole" in error.text
        server.quirks = Quirks(piece_seconds=0.6)
        started = time.monotonic()
        assert failed(lambda: ask(model, timeout=0.8)).cause is Cause.TIMEOUT
        assert time.monotonic() - started < 1.05  # not 0.8 s after the first piece
        server.quirks = Quirks(piece_seconds=2)
        assert "no token within 0.2 s" in failed(lambda: ask(model, timeout=0.2)).text


@pytest.mark.parametrize(
    "trickle", [b"HTTP/1.1 200 OK\r\n" * 50, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 500]
)
def test_a_server_that_trickles_its_answer_meets_the_limit(trickle: bytes) -> None:
    """Byte by byte, each within any limit of silence: in the head, and in the length of a chunk."""
    with raw(lambda path: trickle if path == "/api/chat" else None, slow=0.02) as url, opened(url) as model:
        model._opened(time.monotonic() + 5)
        started = time.monotonic()
        assert failed(lambda: ask(model, timeout=0.4)).cause is Cause.TIMEOUT
        assert time.monotonic() - started < 0.7


def test_a_whole_answer_counts_although_the_server_does_not_end_it() -> None:
    line = json.dumps({"message": {"content": "x"}, "done": True}).encode() + b"\n"
    told = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(line), line)
    with raw(lambda path: told if path == "/api/chat" else None, slow=0) as url, opened(url) as model:
        assert ask(model, timeout=0.3).text == "x"


def test_nothing_is_read_after_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = waited(opened_connection("127.0.0.1", listener.getsockname()[1], 5))
        with listener.accept()[0] as theirs:
            theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
            connection.until = time.monotonic() + 5
            head, told = waited(connection.head()), list[bytes]()
            connection.until = time.monotonic() - 1
            waited(connection.body(head, told.append))
            assert told == [b"late"]  # it had come before
            theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with pytest.raises(TimeoutError):
                waited(connection.head())
        connection.close()


def test_a_server_that_takes_the_call_and_is_silent_meets_the_limit_from_the_first_question_on() -> None:
    with raw(lambda path: b"", slow=0) as url, opened(url) as model, ThreadPoolExecutor(3) as threads:
        started = time.monotonic()
        causes = list(threads.map(lambda _: failed(lambda: ask(model, timeout=0.3)).cause, range(3)))
        assert causes == [Cause.TIMEOUT] * 3
        assert time.monotonic() - started < 0.7


# Before any test


def test_a_survey_tells_what_each_server_has(server: LoopbackOllama) -> None:
    with opened(server) as model:
        ask(model)
    cards = [
        ModelCard("nano", "ollama"), ModelCard("x", "ollama", id="other:cloud"),
        ModelCard("y", "ollama", base_url="127.0.0.1:9"), ModelCard("z", "ollama", base_url="ftp://u:secret@x"),
    ]  # fmt: skip
    started = time.monotonic()
    found = {item.endpoint: item for item in survey_ollama(cards, 2.0, around=Surroundings(ollama_host=server.url))}
    assert time.monotonic() - started < 2.5
    here = found[server.url]
    assert here.up
    assert here.text == "0.30.0"
    assert here.installed is not None
    assert {"nano", "nano:latest", "plain:1b"} <= here.installed
    assert here.resident["nano"] > 100_000
    assert {"far", "far:latest", "big:120b-cloud", "other:cloud"} == here.elsewhere
    assert (found["http://127.0.0.1:9"].up, bool(found["http://127.0.0.1:9"].fix)) == (False, True)
    assert "neither http nor https" in found["x"].text


def test_a_survey_meets_its_limit_and_is_silent_offline() -> None:
    with raw(lambda path: b"", slow=0) as url:
        started = time.monotonic()
        (found,) = survey_ollama([ModelCard("x", "ollama")], 0.3, around=Surroundings(ollama_host=url))
        assert time.monotonic() - started < 0.6
        assert not found.up
    far = Surroundings(ollama_host="192.0.2.1", offline=True)
    (found,) = survey_ollama([ModelCard("x", "ollama")], 5, around=far)
    assert "offline" in found.text
    assert missing_ollama(ModelCard("x", "ollama"), far) is not None
    with pytest.raises(UserError, match="offline"):
        OllamaModel(ModelCard("x", "ollama"), far)


def test_a_server_may_say_when_to_try_again() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"
    with raw(lambda path: busy if path == "/api/chat" else None, slow=0) as url, opened(url) as model:
        error = failed(lambda: ask(model))
    assert (error.cause, error.retry_after) == (Cause.RATE, 7.0)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"1" * 10_000, b"HTTP/1.1 200 OK\r\n\r\n", b"null"]
)
def test_an_answer_made_to_break_us_is_an_ordinary_failure(body: bytes) -> None:
    told = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with raw(lambda path: told if path == "/api/chat" else None, slow=0) as url, opened(url) as model:
        assert failed(lambda: ask(model)).cause is Cause.SERVER
    with raw(lambda path: told, slow=0) as url, opened(url) as model:
        assert failed(lambda: ask(model)).cause in (Cause.SERVER, Cause.BACKEND)


@pytest.mark.parametrize(
    "head",
    [
        b"NONSENSE\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_broken_http_is_an_ordinary_failure_and_no_redirect_is_followed(head: bytes) -> None:
    with raw(lambda path: head if path == "/api/chat" else None, slow=0) as url, opened(url) as model:
        assert failed(lambda: ask(model, timeout=0.5)).cause in (Cause.SERVER, Cause.TIMEOUT, Cause.BACKEND)


def test_a_server_that_is_none_is_told() -> None:
    with raw(lambda path: b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", slow=0) as url:
        (found,) = survey_ollama([ModelCard("x", "ollama")], 2, around=Surroundings(ollama_host=url))
    assert (found.up, found.text) == (False, "the server's answer is no JSON")


def test_a_missing_client_and_a_wrong_address_are_told_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    card = ModelCard("x", "ollama")
    assert missing_ollama(card, Surroundings()) is None
    assert "neither http nor https" in str(missing_ollama(card, Surroundings(ollama_host="ftp://x")))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'pytest-llmroute[ollama]'" in str(missing_ollama(card, Surroundings()))


def test_a_key_goes_only_where_a_card_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OLLAMA_API_KEY", "leak")
    heads: list[str] = []
    reply = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"models":[   ]}'[:-1] + b"}"
    with raw(lambda path: reply, slow=0, heads=heads) as url:
        with opened(url) as model, suppress(ModelCallError):
            model.unload()
        assert heads
        assert not any("leak" in head for head in heads)
        around = Surroundings({"MY_KEY": "mine"}, url)
        model = OllamaModel(ModelCard("x", "ollama", api_key_env="MY_KEY"), around)
        with suppress(ModelCallError):
            waited(model.server.resident())
        model.close()
    assert "Bearer mine" in heads[-1]
