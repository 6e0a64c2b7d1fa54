"""The backend `openai`: any server that speaks OpenAI's chat format, with a key or without."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_llmroute.backends.causes import cause_of
from pytest_llmroute.backends.connection import Take
from pytest_llmroute.backends.contract import Surroundings, Survey, Waiting
from pytest_llmroute.backends.keys import no_key
from pytest_llmroute.backends.openai_compatible.presets import address_of, key_name_of, preset_of
from pytest_llmroute.backends.openai_compatible.wire import Gathered, body_of
from pytest_llmroute.backends.wire import Lines, Refusal, Wire, coming, until_of
from pytest_llmroute.codes import Code
from pytest_llmroute.core.at_once import at_once
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.core.replies import Call, Reply, Timings, Tokens
from pytest_llmroute.core.steps import Doing, waited
from pytest_llmroute.core.stops import Stop
from pytest_llmroute.core.tokens import estimate_tokens
from pytest_llmroute.errors import Cause, ModelCallError, UserError

CHAT, MODELS = "/chat/completions", "/models"
SHOWN = 5


class OpenAIModel(Waiting):
    """One model on one server."""

    def __init__(self, card: ModelCard, around: Surroundings) -> None:
        self.card, self._around = card, around
        self.preset = preset_of(card)
        self.base = address_of(card)
        self._wire = Wire(self.base)
        self._streams = card.stream
        """Streaming tells when the first token came; a server that can't is asked without after its first refusal."""

    def answering(self, call: Call) -> Doing[Reply]:
        body = body_of(call, self.preset, stream=self._streams)
        try:
            return (yield from self._once(call, body))
        except Refusal as refusal:
            if not (self._streams and refusal.status in (400, 422) and "stream" in refusal.message.lower()):
                raise self._told(refusal) from None
        self._streams = False
        try:
            return (yield from self._once(call, body_of(call, self.preset, stream=False)))
        except Refusal as refusal:
            raise self._told(refusal) from None

    def stream(self, call: Call) -> Iterator[str]:
        """The text piece by piece."""
        gathered, came = Gathered(), list[str]()

        def take(chunk: Any) -> None:
            if piece := gathered.take(chunk):
                came.append(piece)

        body = body_of(call, self.preset, stream=True)
        try:
            yield from coming(self._chunks(body, take, until_of(call), call.stop), came)
        except Refusal as refusal:
            raise self._told(refusal) from None

    def close(self) -> None:
        self._wire.close()

    def _once(self, call: Call, body: Mapping[str, Any]) -> Doing[Reply]:
        until = until_of(call)
        started = time.perf_counter()
        gathered, first = Gathered(), 0.0

        def take(chunk: Any) -> None:
            nonlocal first
            gathered.take(chunk)
            if not first and gathered.begun:
                first = time.perf_counter() - started

        if body.get("stream"):
            yield from self._chunks(body, take, until, call.stop)
        else:
            came: list[bytes] = []
            yield from self._send("POST", CHAT, body, came.append, until, call.stop)
            gathered.take(self._parsed(b"".join(came)))
        if not gathered.finish and not gathered.usage:
            raise self._error(Cause.SERVER, f"{self.base} ended its answer before it was whole")
        return self._reply(call, body, gathered, first=first, total=time.perf_counter() - started)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, take: Take, until: float, stop: Stop | None = None
    ) -> Doing[None]:
        """Gives the answer's bytes; every failure but a refusal names the model."""
        self._around.refuse(self.base, self.card.name)
        try:
            first = self.card.first_token if body is not None else None
            headers = self._headers()
            yield from self._wire.exchange(
                method, path, body, take, until=until, headers=headers, first=first, stop=stop
            )
        except ModelCallError as error:
            raise self._error(error.cause, error.text) from None

    def models(self, within: float) -> frozenset[str] | None:
        """What the server lists; None where it answers otherwise."""
        came: list[bytes] = []
        waited(self._send("GET", MODELS, None, came.append, time.monotonic() + within))
        try:
            return frozenset(str(item["id"]) for item in json.loads(b"".join(came))["data"])
        except (ValueError, KeyError, TypeError):
            return None

    def parallel(self, within: float) -> int | None:
        """How many calls the server answers at once, where it says that."""
        if not self.preset.slots_at:
            return None
        beside = Wire(self.base.removesuffix("/v1"))
        try:
            told = beside.ask("GET", self.preset.slots_at, until=time.monotonic() + within)
            return max(1, int(told["total_slots"]))
        except (ModelCallError, Refusal, KeyError, TypeError, ValueError):
            return None
        finally:
            beside.close()

    def _chunks(
        self, body: Mapping[str, Any], take: Callable[[Any], object], until: float, stop: Stop | None
    ) -> Doing[None]:
        """Gives the values of server-sent events; comments and other fields are left out."""

        def event(line: bytes) -> None:
            if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
                take(self._parsed(data.decode("utf-8", "replace")))

        lines = Lines(event)
        yield from self._send("POST", CHAT, body, lines.feed, until, stop)
        lines.end()

    def _parsed(self, data: str | bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError:
            raise self._error(Cause.SERVER, f"{self.base} did not answer in JSON") from None

    def _headers(self) -> dict[str, str]:
        """The key is read from the environment for each call, and kept nowhere."""
        name = key_name_of(self.card)
        key = self._around.env.get(name) if name else None
        if key:
            return {"Authorization": f"Bearer {key}"}
        if name and not is_loopback(self.base):
            raise self._error(Cause.AUTH, f"{name} is not set")
        return {}

    def _reply(self, call: Call, body: Mapping[str, Any], gathered: Gathered, *, first: float, total: float) -> Reply:
        text = "".join(gathered.text)
        own = gathered.timings
        prefill = own.get("prompt_ms", 0.0) / 1000  # else not known: a wait for a slot looks the same from here
        decode = own["predicted_ms"] / 1000 if "predicted_ms" in own else total - first if first else 0.0
        return Reply(
            text=text,
            model=self.card.name,
            tokens=_tokens(gathered.usage, call, text),
            timings=Timings(prefill=prefill, decode=decode, total=total, first=first),
            tool_calls=gathered.tool_calls,
            finish=gathered.finish,
            thinking="".join(gathered.thinking),
            logprobs=gathered.logprobs or None,
            sent={key: value for key, value in body.items() if key not in ("messages", "tools", "response_format")},
        )

    def _told(self, refusal: Refusal) -> ModelCallError:
        text = f"{self.base} answered {refusal.status}: {refusal.message}"
        return self._error(cause_of(refusal), text, refusal.retry_after)

    def _error(self, cause: Cause, text: str, retry_after: float | None = None) -> ModelCallError:
        return ModelCallError(cause, text, model=self.card.name, retry_after=retry_after)


def _tokens(usage: Mapping[str, Any], call: Call, text: str) -> Tokens:
    if not usage:
        asked = sum(len(message.content) for message in call.messages)
        return Tokens(estimate_tokens(asked), estimate_tokens(len(text)), exact=False)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Tokens(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0, cached=cached)


def missing_key(card: ModelCard, around: Surroundings) -> UserError | None:
    """What keeps a model from being asked that can be known without asking."""
    name, base = key_name_of(card), address_of(card)
    if not base:
        return UserError(
            f'model "{card.name}" has no server', code=Code.BACKEND,
            fix='base_url = "http://…/v1" on its card, or server = "llama.cpp"',
        )  # fmt: skip
    if name and not around.env.get(name) and not is_loopback(base):
        return no_key(card, name)
    return None


def survey(around: Surroundings, cards: Sequence[ModelCard], within: float) -> Sequence[Survey]:
    """Each server once: whether it answers, and which models it lists."""
    by_base: dict[str, ModelCard] = {}
    for card in cards:
        by_base.setdefault(address_of(card), card)
    return at_once(lambda card: _survey(around, card, within), by_base.values())


def _survey(around: Surroundings, card: ModelCard, within: float) -> Survey:
    model = OpenAIModel(card, around)
    try:
        names, parallel = model.models(within), model.parallel(within)
    except ModelCallError as error:
        return Survey(model.base, False, error.text, fix=model.preset.start)
    except Refusal as refusal:
        # A server that does not list its models may still answer.
        up = cause_of(refusal) is not Cause.AUTH
        fix = "" if up else f"set {key_name_of(card)}"
        return Survey(model.base, up, f"{refusal.status}: {refusal.message}", fix=fix)
    finally:
        model.close()
    if names is None:
        return Survey(model.base, True, "answers, but lists no models", parallel=parallel)
    listed = ", ".join(sorted(names)[:SHOWN])
    installed = names if model.preset.lists else None
    return Survey(model.base, True, f"{len(names)} models: {listed}", installed=installed, parallel=parallel)
