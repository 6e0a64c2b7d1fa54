"""The backend `openai` against llama.cpp's own server, and against a server whose every misbehaviour is planned."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.backends.openai_compatible.backend import OpenAIModel, missing_key, survey
from pytest_llmroute.backends.openai_compatible.presets import PRESETS
from pytest_llmroute.backends.openai_compatible.wire import body_of
from pytest_llmroute.backends.wire import Lines
from pytest_llmroute.config.keys import SERVERS
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import Cause, ModelCallError
from pytest_llmroute.testing import BackendConformance, Opened
from pytest_llmroute.testing.llama_server import LlamaServer

from .rough import Planned, Rough, failure_of, opened_at, said, streamed


class TestOpenAI(BackendConformance):
    """Real inference behind a real server."""

    tools = True

    @pytest.fixture
    def opened(self, llama: LlamaServer) -> Iterator[Opened]:
        card = ModelCard("house", "openai", id="nano", base_url=f"{llama.url}/v1")
        model = OpenAIModel(card, Surroundings(os.environ))
        yield Opened(model, card)
        model.close()


def chunk(text: str = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **more}


WHOLE = streamed(
    chunk("hel"),
    chunk("lo"),
    chunk(finish="stop"),
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    "[DONE]",
)


def opened(rough: Rough, *, around: Surroundings | None = None, **card: Any) -> AbstractContextManager[Opened]:
    return opened_at(f"{rough.url}/v1", OpenAIModel, ModelCard("house", "openai", **card), around)


def failure(rough: Rough, planned: Planned, **more: Any) -> ModelCallError:
    rough.answers(planned)
    return failure_of(opened(rough), **more)


@pytest.mark.parametrize(
    ("status", "error", "cause"),
    [
        (401, {"message": "Incorrect API key", "type": "invalid_request_error"}, Cause.AUTH),
        (403, "forbidden", Cause.AUTH),
        (404, {"message": "The model `x` does not exist", "code": "model_not_found"}, Cause.MISSING_MODEL),
        (400, {"message": "This model's maximum context length is 8192 tokens"}, Cause.CONTEXT),
        (
            400,
            {"message": "the request exceeds the available context size", "type": "exceed_context_size_error"},
            Cause.CONTEXT,
        ),
        (400, {"message": "x", "code": "context_length_exceeded"}, Cause.CONTEXT),
        (400, {"message": "tools are not supported by this model"}, Cause.CAPABILITY),
        (500, {"message": "tools param requires --jinja flag"}, Cause.SERVER),
        (501, {"message": "This server does not support embeddings"}, Cause.CAPABILITY),
        (429, {"message": "Rate limit reached"}, Cause.RATE),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, Cause.BUDGET),
        (500, {"message": "CUDA error: out of memory"}, Cause.OUT_OF_MEMORY),
        (503, {"message": "Loading model"}, Cause.SERVER),
        (504, "gateway timeout", Cause.TIMEOUT),
        (400, {"message": "what?"}, Cause.BACKEND),
        (302, "moved", Cause.BACKEND),
    ],
)
def test_a_refusal_has_its_cause_and_the_servers_words(rough: Rough, status: int, error: Any, cause: Cause) -> None:
    found = failure(rough, said({"error": error}, status))
    assert found.cause is cause
    assert (error if isinstance(error, str) else error["message"]) in found.text


def test_the_server_says_how_long_to_wait(rough: Rough) -> None:
    assert failure(rough, said({}, 429, Retry_After="2.5")).retry_after == 2.5
    assert failure(rough, said({}, 503, Retry_After="Wed, 01 Jan 2020 00:00:00 GMT")).retry_after == 0
    assert failure(rough, said({}, 503, Retry_After="soon")).retry_after is None


def test_a_refusal_that_is_no_json_and_very_long_is_cut(rough: Rough) -> None:
    found = failure(rough, Planned(502, (b"<html>" + b"x" * 1_000_000,)))
    assert (found.cause, len(found.text) < 400) == (Cause.SERVER, True)


def test_nothing_at_the_address_is_refused() -> None:
    model = OpenAIModel(ModelCard("house", "openai", base_url="http://127.0.0.1:9/v1"), Surroundings())
    with pytest.raises(ModelCallError, match=r"no connection to http://127.0.0.1:9/v1 \(.*refused") as caught:
        Opened(model, model.card).ask("hi")
    assert caught.value.cause is Cause.REFUSED


@pytest.mark.parametrize(
    "planned",
    [
        streamed(chunk("hel"), drop=True),
        streamed(chunk("hel"), "{broken", "[DONE]"),
        streamed(chunk("hel"), {"error": {"message": "slot lost", "code": 500}}),
        streamed(chunk("hel")),
        Planned(200, (b"no events at all",)),
        Planned(200, ()),
    ],
    ids=["cut", "broken", "error", "unfinished", "other", "empty"],
)
def test_an_answer_that_breaks_in_the_middle_is_never_half_a_reply(rough: Rough, planned: Planned) -> None:
    assert failure(rough, planned).cause is Cause.SERVER


def test_an_error_in_the_middle_has_its_own_cause(rough: Rough) -> None:
    told = {"error": {"message": "context size exceeded", "code": 400}}
    assert failure(rough, streamed(chunk("hel"), told)).cause is Cause.CONTEXT


@pytest.mark.parametrize("wait", [0.15, 5.0], ids=["dripping", "silent"])
def test_the_limit_is_that_of_the_whole_call(rough: Rough, wait: float) -> None:
    """Also where each piece comes in time."""
    started = time.monotonic()
    found = failure(rough, streamed(*[chunk("x")] * 30, wait=wait), timeout=0.4)
    assert found.cause is Cause.TIMEOUT
    assert time.monotonic() - started < 1.5


def test_the_first_token_may_have_a_limit_of_its_own(rough: Rough) -> None:
    """A slow begin is refused; what comes slowly after it is not."""
    with opened(rough, first_token=0.3) as house:
        rough.answers(streamed(chunk("a"), wait=5.0))
        with pytest.raises(ModelCallError, match=r"no first token within 0\.3") as caught:
            house.ask("hi")
        assert caught.value.cause is Cause.TIMEOUT
        rough.answers(streamed(*[chunk("x")] * 5, chunk(finish="stop"), wait=0.12))
        assert house.ask("hi").text == "xxxxx"


def test_logprobs_are_sent_for_and_read(rough: Rough) -> None:
    told = {"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": -0.1}]}}]}
    rough.answers(streamed(told, chunk(finish="stop")))
    with opened(rough) as house:
        assert house.ask("hi", logprobs=True).logprobs == [{"token": "a", "logprob": -0.1}]
    assert rough.asked[0].body["logprobs"] is True


def test_a_connection_is_kept_and_a_broken_one_is_not(rough: Rough) -> None:
    rough.answers(WHOLE, streamed(chunk("hel"), drop=True), WHOLE)
    with opened(rough) as house:
        assert house.ask("hi").text == "hello"
        with pytest.raises(ModelCallError):
            house.ask("hi")
        assert house.ask("hi").text == "hello"


def test_figures_are_the_servers_and_estimates_say_so(rough: Rough) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    rough.answers(
        streamed(chunk("hi", finish="stop"), {"choices": [], "usage": usage}),
        streamed(chunk("four letters", finish="stop"), "[DONE]"),
    )
    with opened(rough) as house:
        assert house.ask("hi").tokens == Tokens(7, 2, cached=4)
        assert house.ask("eight ch").tokens == Tokens(2, 3, exact=False)


def test_the_time_to_the_first_token_is_its_own(rough: Rough) -> None:
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    rough.answers(streamed(role, chunk("a"), chunk("b", finish="stop"), wait=0.1))
    with opened(rough) as house:
        timings = house.ask("hi").timings
    assert 0.18 < timings.first < timings.total - 0.08
    assert timings.prefill == 0
    assert timings.decode == pytest.approx(timings.total - timings.first)


def test_tools_come_in_pieces_and_go_back_as_answers(rough: Rough) -> None:
    def part(**function: str) -> dict[str, Any]:
        return {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c1", "function": function}]}}]}

    rough.answers(
        streamed(part(name="look_up", arguments='{"wo'), part(arguments='rd": "x"}'), chunk(finish="tool_calls")), WHOLE
    )
    with opened(rough) as house:
        reply = house.ask("hi", tools=({"type": "function", "function": {"name": "look_up"}},))
        assert reply.tool_calls == ({"id": "c1", "name": "look_up", "arguments": {"word": "x"}},)
        assert reply.finish == "tool_calls"
        asked = Message("assistant", "", tool_calls=reply.tool_calls)
        answered = Message("tool", "a letter", tool_call_id="c1")
        house.backend.generate(Call(house.card, (Message("user", "hi"), asked, answered), Sampling()))
    sent = rough.asked[-1].body["messages"]
    assert sent[1]["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"word": "x"}'}
    assert sent[2] == {"role": "tool", "content": "a letter", "tool_call_id": "c1"}


def test_a_server_that_can_not_stream_is_asked_without(rough: Rough) -> None:
    rough.plan = lambda asked: (
        said({"error": {"message": "streaming is not supported"}}, 400)
        if asked.body.get("stream")
        else said(
            {"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
        )
    )
    with opened(rough) as house:
        assert house.ask("hi").text == house.ask("hi").text == "hello"
    assert [bool(asked.body.get("stream")) for asked in rough.asked] == [True, False, False]


def test_the_key_is_read_for_each_call_and_told_nobody(rough: Rough) -> None:
    env = {"HOUSE_KEY": "sk-first"}
    rough.answers(WHOLE)
    with opened(rough, around=Surroundings(env), api_key_env="HOUSE_KEY") as house:
        house.ask("hi")
        env["HOUSE_KEY"] = "sk-second"
        reply = house.ask("hi")
    assert [asked.headers["Authorization"] for asked in rough.asked] == ["Bearer sk-first", "Bearer sk-second"]
    assert "sk-" not in repr(reply) + repr(house.backend)


def test_a_remote_server_without_its_key_and_offline_is_not_asked() -> None:
    card = ModelCard("far", "openai", server="openai")
    for around, cause in (
        (Surroundings(), Cause.AUTH),
        (Surroundings({"OPENAI_API_KEY": "x"}, offline=True), Cause.REFUSED),
    ):
        with pytest.raises(ModelCallError) as caught:
            Opened(OpenAIModel(card, around), card).ask("hi")
        assert caught.value.cause is cause
    told = missing_key(card, Surroundings())
    assert told is not None
    assert "export OPENAI_API_KEY=" in told.text()
    assert missing_key(card, Surroundings({"OPENAI_API_KEY": "x"})) is None


def test_servers_are_spoken_to_in_their_own_way() -> None:
    def sent(server: str, **card: Any) -> dict[str, Any]:
        call = Call(
            ModelCard("m", "openai", server=server, **card), (), Sampling(max_tokens=9, seed=3, reasoning=False)
        )
        return body_of(call, PRESETS[server], stream=True)

    assert sent("openai")["max_completion_tokens"] == 9
    assert "seed" not in sent("gemini")
    assert sent("vllm", thinking="optional")["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent("openai", thinking="optional")["reasoning_effort"] == "none"
    assert "reasoning_effort" not in sent("openai", thinking="none")
    assert sent("lm-studio")["max_tokens"] == 9
    assert set(PRESETS) == set(SERVERS)


def test_a_survey_asks_each_server_once_and_all_at_once(rough: Rough) -> None:
    rough.plan = lambda asked: said({"data": [{"id": "a"}, {"id": "b"}]})
    cards = [
        ModelCard("one", "openai", base_url=f"{rough.url}/v1"), ModelCard("two", "openai", base_url=f"{rough.url}/v1"),
        ModelCard("three", "openai", base_url="http://127.0.0.1:9/v1"),
    ]  # fmt: skip
    found = {each.endpoint: each for each in survey(Surroundings(), cards, 2.0)}
    assert found[f"{rough.url}/v1"].text == "2 models: a, b"
    assert survey(Surroundings(), [replace(cards[0], server="vllm")], 2.0)[0].installed == frozenset({"a", "b"})
    assert len(rough.asked) == 2
    assert not found["http://127.0.0.1:9/v1"].up


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(1, 50)))
def test_lines_are_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    pieces, rest = [], data
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    found: list[bytes] = []
    lines = Lines(found.append)
    for piece in [*pieces, rest]:
        lines.feed(piece)
    lines.end()
    assert found == data.split(b"\n")[: -1 if data.endswith(b"\n") or not data else None]


def test_a_llama_cpp_server_says_how_many_calls_it_answers_at_once(llama: LlamaServer, rough: Rough) -> None:
    card = ModelCard("nano", "openai", base_url=f"{llama.url}/v1", server="llama.cpp")
    assert survey(Surroundings(), [card], 2.0)[0].parallel == 2
    assert survey(Surroundings(), [replace(card, server="vllm")], 2.0)[0].parallel is None
    told: list[object] = [{}, {"total_slots": "many"}, []]
    for nonsense in told:
        rough.plan = partial(lambda props, asked: said(props if asked.path == "/props" else {"data": []}), nonsense)
        assert survey(Surroundings(), [replace(card, base_url=f"{rough.url}/v1")], 2.0)[0].parallel is None
