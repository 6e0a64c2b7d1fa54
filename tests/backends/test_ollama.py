"""The backend `ollama` against a server that speaks its protocol over real models: replies, tools, context, memory."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from pytest_llmroute.backends import llmroute_backends
from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.ollama.facts import looks_remote, refuses_long_prompts, same_name
from pytest_llmroute.backends.ollama.messages import asked_tools, written
from pytest_llmroute.core.models import ModelCard, Source
from pytest_llmroute.core.replies import Call
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.core.steps import waited
from pytest_llmroute.errors import Cause
from pytest_llmroute.testing.ollama_server import LoopbackOllama, Quirks

from .ollama_servers import GREEDY, PROMPT, TOOL, ask, failed, opened, scripted

pytest.importorskip("xllamacpp")
pytest.importorskip("ollama")


# The reply


def test_a_reply_has_exact_tokens_parted_timings_and_the_weights_digest(server: LoopbackOllama) -> None:
    with opened(server) as model:
        reply = ask(model)
    assert reply.tokens.exact
    assert (reply.tokens.prompt, reply.tokens.completion) == (28, 13)
    assert reply.timings.prefill > 0
    assert reply.timings.decode > 0
    assert 0 < reply.timings.first <= reply.timings.total
    assert len(reply.digest or "") == 64
    assert reply.finish == "stop"


def test_figures_that_the_server_leaves_out_are_zero() -> None:
    """Ollama's fields are left out when they are 0, as those of a wholly cached prompt may be."""
    lines = [{"message": {"content": "x"}, "done": False}, {"done": True, "done_reason": "stop", "total_duration": 5}]
    with scripted(lines) as url, opened(url) as model:
        reply = ask(model)
    assert (reply.text, reply.tokens.prompt, reply.tokens.completion, reply.tokens.exact) == ("x", 0, 0, True)
    assert (reply.timings.load, reply.timings.prefill, reply.timings.decode) == (0, 0, 0)


def test_the_wait_for_a_slot_is_what_the_other_parts_leave_of_the_total() -> None:
    told = {"total_duration": 20_000_000, "load_duration": 3_000_000, "prompt_eval_duration": 4_000_000,
            "eval_duration": 5_000_000}  # fmt: skip
    with scripted([{"done": True, "done_reason": "stop", **told}], wait=0.05) as url, opened(url) as model:
        timings = ask(model).timings
    assert timings.queue == pytest.approx(0.008)
    assert (timings.load, timings.prefill, timings.decode) == pytest.approx((0.003, 0.004, 0.005))


def test_settings_are_told_as_they_were_sent(server: LoopbackOllama) -> None:
    settings = Sampling(0.25, 7, 0.75, 3, ("\n\n",))
    with opened(server, threads=1) as model:
        sent = ask(model, settings=settings).sent
    (body,) = server.bodies("/api/chat")
    assert sent == {**body["options"], "think": False, "truncate": False, "shift": False}
    assert body["options"] == {
        "temperature": 0.25, "num_predict": 7, "top_p": 0.75, "seed": 3, "stop": ["\n\n"], "num_ctx": 512,
        "num_thread": 1,
    }  # fmt: skip


def test_what_nobody_set_is_left_to_the_server_but_never_the_length(server: LoopbackOllama) -> None:
    with opened(server) as model:
        ask(model, settings=Sampling(max_tokens=None))
    assert server.bodies("/api/chat")[0]["options"] == {"num_ctx": 512, "num_predict": 512}


def test_a_schema_goes_as_format_and_holds(server: LoopbackOllama) -> None:
    schema = TOOL["function"]["parameters"]
    with opened(server) as model:
        assert json.loads(ask(model, schema=schema).text)["word"] in ("a", "b")
    assert server.bodies("/api/chat")[0]["format"] == schema


def test_logprobs_come_where_they_are_asked_for(server: LoopbackOllama) -> None:
    with opened(server) as model:
        assert ask(model).logprobs is None
        told = ask(model, logprobs=True).logprobs
    assert len(told) == 13
    assert all(item["logprob"] <= 0 for item in told)


# Tools


def test_a_tools_call_is_normal_and_its_result_goes_back_by_id_and_name(server: LoopbackOllama) -> None:
    with opened(server) as model:
        reply = ask(model, tools=(TOOL,), settings=Sampling(0.0, 60, seed=1))
        (asked,) = reply.tool_calls
        assert (asked["name"], asked["arguments"]["word"] in ("a", "b"), bool(asked["id"])) == ("look_up", True, True)
        assert reply.finish == "tool_calls"
        talk = (Message("user", PROMPT), Message("assistant", "", (asked,)), Message("tool", "42", (), asked["id"]))
        model.generate(Call(model.card, talk, GREEDY))
    _, call, result = server.bodies("/api/chat")[-1]["messages"]
    assert call["tool_calls"] == [{"id": asked["id"], "function": {"name": "look_up", "arguments": asked["arguments"]}}]
    assert (result["tool_name"], result["tool_call_id"], result["content"]) == ("look_up", asked["id"], "42")


def test_calls_of_old_and_odd_servers_are_made_normal() -> None:
    told = [{"function": {"name": "a", "arguments": '{"x": 1}'}}, {"function": {"name": "b", "arguments": "no JSON"}},
            {"function": {"arguments": {}}}, "x", {"id": "i", "function": {"name": "c"}}]  # fmt: skip
    assert asked_tools(told, 2) == [
        {"id": "call_2", "name": "a", "arguments": {"x": 1}},
        {"id": "call_3", "name": "b", "arguments": {}},
        {"id": "i", "name": "c", "arguments": {}},
    ]
    assert asked_tools("x") == []
    openai = Message("assistant", "", ({"id": "i", "function": {"name": "f", "arguments": '{"x": 1}'}},))
    assert written([openai])[0]["tool_calls"] == [{"id": "i", "function": {"name": "f", "arguments": {"x": 1}}}]


def test_a_model_without_tools_is_a_matter_of_capability(server: LoopbackOllama) -> None:
    with opened(server, "plain:1b") as model:
        error = failed(lambda: ask(model, tools=(TOOL,)))
    assert error.cause is Cause.CAPABILITY
    assert "does not support tools" in error.text


# Thinking


def test_thinking_is_off_unless_asked_for_and_parted_from_the_text(server: LoopbackOllama) -> None:
    """Silence would be taken for yes."""
    with opened(server, "thinker:1b") as model:
        quiet, loud = ask(model), ask(model, settings=replace(GREEDY, reasoning=True))
    assert quiet.thinking == ""
    assert loud.thinking != ""
    assert quiet.text == loud.text
    assert loud.tokens.completion > quiet.tokens.completion
    assert [body["think"] for body in server.bodies("/api/chat")] == [False, True]


@pytest.mark.parametrize(
    ("capabilities", "thinking", "asked", "sent"),
    [(["thinking"], "", None, False), (["thinking"], "optional", True, True), (["thinking"], "always", None, True),
     (["thinking"], "always", False, False), (["completion"], "optional", True, False),
     (["completion"], "", True, False),
     (None, "optional", True, True), (None, "none", True, False), (None, "", True, False)],
)  # fmt: skip
def test_a_model_that_can_not_think_is_never_asked_to(
    capabilities: list[str] | None, thinking: str, asked: bool | None, sent: bool
) -> None:
    shown = {} if capabilities is None else {"capabilities": capabilities}
    with scripted([{"done": True}], show=shown) as url, opened(url, thinking=thinking) as model:
        assert ask(model, settings=replace(GREEDY, reasoning=asked)).sent["think"] is sent


# The context


def test_a_long_prompt_is_refused_and_not_cut(server: LoopbackOllama) -> None:
    with opened(server) as model:
        error = failed(lambda: ask(model, "word " * 5000))
    assert error.cause is Cause.CONTEXT
    assert "the context holds 512" in error.text


def test_an_old_server_that_cuts_long_prompts_is_found_out(
    server: LoopbackOllama, caplog: pytest.LogCaptureFixture
) -> None:
    server.quirks = Quirks(version="0.12.0")
    with opened(server) as model, caplog.at_level(logging.WARNING):
        assert failed(lambda: ask(model, "word " * 5000)).cause is Cause.CONTEXT
        assert "truncate" not in server.bodies("/api/chat")[0]
        assert ask(model).text
    assert "cuts long prompts in silence" in caplog.text


@pytest.mark.parametrize(
    ("version", "refuses"),
    [("0.12.11", True), ("0.12.10", False), ("0.9.0", False), ("0.30.1-rc2", True), ("v1.0.0", True), ("0.0.0", True),
     ("dev", True)],
)  # fmt: skip
def test_which_releases_refuse_long_prompts(version: str, refuses: bool) -> None:
    assert refuses_long_prompts(version) is refuses


def test_the_context_is_the_cards_wish_but_not_all_that_a_model_was_made_for() -> None:
    figure = {"context": Source("a page")}
    with scripted([{"done": True}], show={"model_info": {"x.context_length": 131072}}) as url:
        for card, size in (({"context": 32768}, 32768), ({"context": 131072, "sources": figure}, 8192), ({}, 8192),
                           ({"context": 2048, "sources": figure}, 2048), ({"context": 999_999}, 131072)):  # fmt: skip
            with opened(url, **card) as model:
                assert ask(model).sent["num_ctx"] == size


def test_settings_of_calls_never_load_the_model_again(server: LoopbackOllama) -> None:
    with opened(server, context=256) as model:
        assert model.load().cold
        loads = len(server.runners.loads)
        for settings in (GREEDY, Sampling(0.9, 3, 0.5, 7, ("x",)), Sampling(max_tokens=100)):
            assert ask(model, settings=settings).text
        assert ask(model, schema={"type": "object"}, logprobs=True).text
        assert not model.load().cold
    assert len(server.runners.loads) == loads


def test_two_cards_of_one_model_with_other_constants_are_warned_of(
    server: LoopbackOllama, caplog: pytest.LogCaptureFixture
) -> None:
    (kind,) = (item for item in llmroute_backends(Surroundings(ollama_host=server.url)) if item.name == "ollama")
    cards = [ModelCard("one", "ollama", id="nano"), ModelCard("two", "ollama", id="nano:latest", context=256)]
    loads = len(server.runners.loads)
    with caplog.at_level(logging.WARNING):
        for card in [cards[0], cards[0], cards[1], cards[0]]:
            model = kind.open(card)
            model.generate(Call(card, (Message("user", PROMPT),), GREEDY))
            model.close()
    assert caplog.text.count("each change loads the model again") == 1
    assert len(server.runners.loads) >= loads + 2


# In memory or not


def test_cold_is_known_for_the_call_that_follows_the_question(server: LoopbackOllama) -> None:
    with opened(server) as model:
        model.unload()
    with opened(server) as model:
        assert [ask(model).cold for _ in range(3)] == [True, None, None]
    with opened(server) as model:
        assert ask(model).cold is False
    with opened(server) as model:
        model.unload()
        loaded = model.load()
        assert (loaded.cold, loaded.seconds > 0) == (True, True)
        assert ask(model).cold is False
    assert len(server.bodies("/api/chat")) == 5
    assert server.bodies("/api/chat")[0].get("keep_alive") is None


def test_a_model_that_is_loaded_with_another_context_counts_as_cold(server: LoopbackOllama) -> None:
    with opened(server) as model:
        ask(model)
    with opened(server, context=256) as model:
        assert ask(model).cold is True


def test_unload_waits_until_it_is_gone(server: LoopbackOllama) -> None:
    with opened(server) as model:
        ask(model)
        assert any(same_name(item.name, "nano") for item in waited(model.server.resident()))
        assert model.unload()
        assert not any(same_name(item.name, "nano") for item in waited(model.server.resident()))


def test_a_model_that_was_loaded_stays_until_it_is_closed_and_then_as_long_as_usual(server: LoopbackOllama) -> None:
    with opened(server) as model:
        assert model.resident() == 0
        model.load()
        assert model.resident() > 0
        ask(model)
        assert server.bodies("/api/generate")[-1]["keep_alive"] == "60m"
        assert server.bodies("/api/chat")[-1]["keep_alive"] == "60m"
    assert server.bodies("/api/generate")[-1]["keep_alive"] == "5m"


# Models of somebody else's


@pytest.mark.parametrize("name", ["far", "big:120b-cloud"])
def test_a_cloud_model_is_never_sent_a_prompt_unless_its_card_says_so(server: LoopbackOllama, name: str) -> None:
    with opened(server, name) as model:
        error = failed(lambda: ask(model))
        assert error.cause is Cause.CAPABILITY
        assert "cloud model" in error.text
        assert (
            failed(lambda: list(model.stream(Call(model.card, (Message("user", "x"),), GREEDY)))).cause is error.cause
        )
    assert server.bodies("/api/chat") == []
    with opened(server, name, remote=True) as model:
        assert ask(model).text
    with opened(server, name, remote=True, offline=True) as model:
        assert failed(lambda: ask(model)).cause is Cause.CAPABILITY


def test_a_reply_that_came_from_elsewhere_is_refused_although_the_server_did_not_say_so_before() -> None:
    line = {"message": {"content": "x"}, "done": False, "remote_host": "https://ollama.com:443"}
    with scripted([line, {"done": True}]) as url, opened(url) as model:
        assert failed(lambda: ask(model)).cause is Cause.CAPABILITY


@pytest.mark.parametrize(
    ("name", "show", "listed"),
    [("x", {"remote_host": "https://ollama.com:443"}, {}), ("x", {"remote_model": "big"}, {}), ("x:cloud", {}, {}),
     ("x", {}, {"models": [{"name": "x:latest", "remote_host": "https://ollama.com:443"}]})],
)  # fmt: skip
def test_each_sign_of_a_cloud_model_is_enough(name: str, show: dict[str, Any], listed: dict[str, Any]) -> None:
    heads: list[str] = []
    with scripted([{"done": True}], show=show, listed=listed, heads=heads) as url, opened(url, name) as model:
        assert failed(lambda: ask(model)).cause is Cause.CAPABILITY
    assert not any("/api/chat" in head for head in heads)


def test_names_that_ollama_passes_on() -> None:
    assert all(looks_remote(name) for name in ("a:cloud", "x/a:480b-cloud", "A:CLOUD"))
    assert not any(looks_remote(name) for name in ("a", "cloud", "cloud:1b", "a:cloudy", "localhost:1/cloud"))
