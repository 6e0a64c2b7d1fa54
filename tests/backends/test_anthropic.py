"""The backend `anthropic` by the official SDK: against llama.cpp's own server, and against planned answers."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from pytest_llmroute.backends.anthropic_api.backend import AnthropicModel, missing, survey
from pytest_llmroute.backends.contract import Surroundings
from pytest_llmroute.core.models import ModelCard, Price
from pytest_llmroute.core.replies import Call, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.core.stops import Stop
from pytest_llmroute.errors import Cancelled, Cause, ModelCallError
from pytest_llmroute.testing import BackendConformance, Opened
from pytest_llmroute.testing.llama_server import LlamaServer

from .rough import Planned, Rough, failure_of, opened_at, said


class TestAnthropic(BackendConformance):
    """Real inference behind a real server, which does not know schemas in this format."""

    tools = True
    schema = None

    @pytest.fixture
    def opened(self, llama: LlamaServer) -> Iterator[Opened]:
        card = ModelCard("house", "anthropic", id="nano", base_url=llama.url, api_version="2023-06-01")
        model = AnthropicModel(card, Surroundings())
        yield Opened(model, card)
        model.close()


def events(*told: dict[str, Any], wait: float = 0.0, drop: bool = False) -> Planned:
    pieces = tuple(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in told)
    return Planned(200, pieces, {"Content-Type": "text/event-stream"}, wait, drop)


def start(**usage: int) -> dict[str, Any]:
    counts = {"input_tokens": 7, "output_tokens": 1, **usage}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "stop_reason": None, "usage": counts}
    return {"type": "message_start", "message": {**message, "content": []}}


def block(place: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": place, "content_block": content},
        *({"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": place},
    ]


def end(reason: str = "end_turn", tokens: int = 2) -> list[dict[str, Any]]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    ]


HELLO = block(
    0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "hel"}, {"type": "text_delta", "text": "lo"}
)
WHOLE = events(start(), *HELLO, *end())


def opened(rough: Rough, *, around: Surroundings | None = None, **card: Any) -> AbstractContextManager[Opened]:
    return opened_at(rough.url, AnthropicModel, ModelCard("claude", "anthropic", **card), around)


def failure(rough: Rough, planned: Planned, **more: Any) -> ModelCallError:
    rough.answers(planned)
    return failure_of(opened(rough), **more)


def test_figures_thinking_tools_and_cache_are_read(rough: Rough) -> None:
    thought = block(
        0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "hm"}
    )
    tool = block(
        1, {"type": "tool_use", "id": "t1", "name": "look_up", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"wo'}, {"type": "input_json_delta", "partial_json": 'rd": "x"}'},
    )  # fmt: skip
    usage = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 10}
    rough.answers(events(start(**usage), *thought, *tool, *end("tool_use", 9)))
    with opened(rough) as claude:
        reply = claude.ask("hi")
    assert (reply.thinking, reply.finish) == ("hm", "tool_calls")
    assert reply.tool_calls == ({"id": "t1", "name": "look_up", "arguments": {"word": "x"}},)
    assert reply.tokens == Tokens(117, 9, cached=100)
    assert Price(3.0, 15.0, cached=0.3).cost(117, 9, 100) == pytest.approx((17 * 3 + 100 * 0.3 + 9 * 15) / 1e6)


def test_the_api_of_today_is_sent_no_temperature_and_the_log_says_so_once(
    rough: Rough, caplog: pytest.LogCaptureFixture
) -> None:
    rough.answers(WHOLE)
    chosen = Sampling(temperature=0.3, top_p=0.9, max_tokens=50)
    with caplog.at_level(logging.WARNING), opened(rough) as claude:
        reply = claude.ask("hi", chosen)
        claude.ask("hi", chosen)
    assert not {"temperature", "top_p"} & (rough.asked[0].body.keys() | reply.sent.keys())
    assert [record.message for record in caplog.records if "takes no temperature" in record.message] == [
        "[Anthropic] claude: the API takes no temperature and no top_p since 2026-10-21, so it is not sent"
        ' (api_version = "2023-06-01" on the card sends it)'
    ]
    with opened(rough, api_version="2023-06-01") as claude:
        assert claude.ask("hi", chosen).sent["temperature"] == 0.3
    assert rough.asked[-1].body["temperature"] == 0.3
    assert rough.asked[-1].headers["anthropic-version"] == "2023-06-01"


def test_conversations_tools_and_schemas_have_their_form(rough: Rough) -> None:
    rough.answers(WHOLE)
    calls = ({"id": "t1", "name": "look_up", "arguments": {"word": "x"}},)
    turns = (
        Message("system", "Be brief."), Message("user", "hi"), Message("assistant", "", tool_calls=calls),
        Message("tool", "a letter", tool_call_id="t1"),
    )  # fmt: skip
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    with opened(rough, thinking="optional") as claude:
        settings = Sampling(stop=("END",), reasoning=False)
        claude.backend.generate(Call(claude.card, turns, settings, tools=(tool,), schema={"type": "object"}))
        claude.ask("hi", Sampling(reasoning=True))
    body = rough.asked[0].body
    assert body["system"] == "Be brief."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"][0] == {
        "type": "tool_use",
        "id": "t1",
        "name": "look_up",
        "input": {"word": "x"},
    }
    assert body["messages"][2]["content"][0]["tool_use_id"] == "t1"
    assert body["tools"] == [{"name": "look_up", "input_schema": {"type": "object"}}]
    assert body["output_config"]["format"]["schema"] == {"type": "object"}
    assert (body["stop_sequences"], body["thinking"]) == (["END"], {"type": "disabled"})
    assert rough.asked[1].body["thinking"] == {"type": "adaptive"}


@pytest.mark.parametrize(
    ("status", "kind", "text", "cause"),
    [
        (401, "authentication_error", "invalid x-api-key", Cause.AUTH),
        (403, "permission_error", "no", Cause.AUTH),
        (404, "not_found_error", "model: claude-9", Cause.MISSING_MODEL),
        (400, "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum", Cause.CONTEXT),
        (400, "invalid_request_error", "Your credit balance is too low", Cause.BUDGET),
        (400, "invalid_request_error", "tools are not supported by this model", Cause.CAPABILITY),
        (413, "request_too_large", "too large", Cause.CONTEXT),
        (429, "rate_limit_error", "slow down", Cause.RATE),
        (500, "api_error", "oops", Cause.SERVER),
        (529, "overloaded_error", "Overloaded", Cause.RATE),
    ],
)
def test_a_refusal_has_its_cause(rough: Rough, status: int, kind: str, text: str, cause: Cause) -> None:
    told = {"type": "error", "error": {"type": kind, "message": text}}
    found = failure(rough, said(told, status, retry_after="3"))
    assert (found.cause, found.retry_after, text in found.text) == (cause, 3.0, True)
    assert len(rough.asked) == 1


def test_an_overload_in_the_middle_of_an_answer_is_one(rough: Rough) -> None:
    trouble = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert failure(rough, events(start(), *HELLO[:2], trouble)).cause is Cause.RATE


@pytest.mark.parametrize("planned", [events(start(), *HELLO[:2], drop=True), events(start(), *HELLO), events()])
def test_half_an_answer_is_no_reply(rough: Rough, planned: Planned) -> None:
    assert failure(rough, planned).cause is Cause.SERVER


@pytest.mark.parametrize("wait", [0.1, 5.0], ids=["dripping", "silent"])
def test_the_limit_is_that_of_the_whole_call(rough: Rough, wait: float) -> None:
    started = time.monotonic()
    found = failure(rough, events(start(), *HELLO * 20, wait=wait), timeout=0.4)
    assert found.cause is Cause.TIMEOUT
    assert time.monotonic() - started < 2


def test_an_answer_that_nobody_waits_for_any_more_is_not_read_to_its_end(rough: Rough) -> None:
    rough.answers(events(start(), *HELLO[:1], *HELLO[1:2] * 200, wait=0.1))
    stop = Stop()
    with opened(rough) as house:
        call = replace(house.call("hi"), stop=stop)
        threading.Timer(0.5, stop.give).start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            house.backend.generate(call)
    assert time.monotonic() - began < 10


def test_the_first_token_may_have_a_limit_of_its_own(rough: Rough) -> None:
    """A slow begin is refused, also while pings come; what comes slowly after it is not."""
    pings = [{"type": "ping"}] * 10
    for slow in (events(start(), *HELLO, wait=5.0), events(start(), *pings, *HELLO, wait=0.1)):
        began = time.monotonic()
        rough.answers(slow)
        found = failure_of(opened(rough, first_token=0.5), timeout=10)
        assert (found.cause, "no first token" in found.text) == (Cause.TIMEOUT, True)
        assert time.monotonic() - began < 2
    rough.answers(events(start(), *HELLO[:2], *HELLO[1:2] * 3, *HELLO[2:], *end(), wait=0.15))
    with opened(rough, first_token=0.5) as house:
        assert house.ask("hi").text == "helhelhelhello"


def test_nothing_there_no_key_and_offline_are_told() -> None:
    def cause(around: Surroundings, **card: Any) -> Cause:
        made = ModelCard("claude", "anthropic", **card)
        with pytest.raises(ModelCallError) as caught:
            Opened(AnthropicModel(made, around), made).ask("hi")
        return caught.value.cause

    assert cause(Surroundings(), base_url="http://127.0.0.1:9") is Cause.REFUSED
    assert cause(Surroundings()) is Cause.AUTH
    assert cause(Surroundings({"ANTHROPIC_API_KEY": "x"}, offline=True)) is Cause.REFUSED
    told = missing(ModelCard("claude", "anthropic"), Surroundings())
    assert told is not None
    assert "export ANTHROPIC_API_KEY=" in told.text()


def test_without_the_extra_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_llmroute.backends.anthropic_api.backend.PACKAGE", "nothing_of_this_name")
    told = missing(ModelCard("claude", "anthropic"), Surroundings({"ANTHROPIC_API_KEY": "x"}))
    assert told is not None
    assert "pip install 'pytest-llmroute[anthropic]'" in told.text()


def test_the_key_is_read_for_each_call_and_told_nobody(rough: Rough) -> None:
    env = {"HOUSE_KEY": "sk-first"}
    rough.answers(WHOLE)
    with opened(rough, around=Surroundings(env), api_key_env="HOUSE_KEY") as claude:
        claude.ask("hi")
        env["HOUSE_KEY"] = "sk-second"
        assert "sk-" not in repr(claude.ask("hi"))
    assert [asked.headers["Authorization"] for asked in rough.asked] == ["Bearer sk-first", "Bearer sk-second"]


def test_a_survey_costs_no_tokens(rough: Rough) -> None:
    rough.plan = lambda asked: said({"data": [{"id": "claude-a"}]})
    card = ModelCard("claude", "anthropic", base_url=rough.url)
    (found,) = survey(Surroundings(), [card, card], 2.0)
    assert (found.up, found.text, found.installed) == (True, "1 models", None)
    assert [asked.path for asked in rough.asked] == ["/v1/models?limit=1000"]
