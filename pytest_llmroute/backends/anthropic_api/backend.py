"""The backend `anthropic`: Claude by the official SDK, or a server that speaks its format."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import util
from typing import Any

from pytest_llmroute.backends.anthropic_api.wire import (
    FINISH,
    OLD_API,
    arguments_of,
    parts_of,
    sent_of,
    tokens_of,
    unsent,
)
from pytest_llmroute.backends.causes import cause_of
from pytest_llmroute.backends.contract import Surroundings, Survey
from pytest_llmroute.backends.keys import no_key
from pytest_llmroute.backends.wire import LONGEST, Refusal, Wire, seconds_of
from pytest_llmroute.codes import Code
from pytest_llmroute.core.at_once import at_once
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.places import is_loopback
from pytest_llmroute.core.replies import Call, Reply, Timings
from pytest_llmroute.errors import Cancelled, Cause, ModelCallError, UserError

log = logging.getLogger("pytest_llmroute.backends")
PACKAGE = "anthropic"
HOME = "https://api.anthropic.com"
KEY = "ANTHROPIC_API_KEY"
IN_THE_MIDDLE = {"overloaded_error": 529, "rate_limit_error": 429, "invalid_request_error": 400}
"""The status that an error would have had before the answer began."""


class AnthropicModel:
    """One model; calls may come from many threads."""

    def __init__(self, card: ModelCard, around: Surroundings) -> None:
        self.card, self._around = card, around
        self._clients: dict[str, Any] = {}
        self._warned = False

    def generate(self, call: Call) -> Reply:
        started = time.perf_counter()
        first = 0.0
        arguments = self._arguments(call)
        message = None
        for event in self._events(call, arguments):
            if not first and event.type == "content_block_delta":
                first = time.perf_counter() - started
            if event.type == "message_stop":
                message = event.message
        if message is None:
            raise self._error(Cause.SERVER, f"{self._base} ended its answer before it was whole")
        total = time.perf_counter() - started
        text, thinking, tools = parts_of(message)
        return Reply(
            text=text,
            model=self.card.name,
            tokens=tokens_of(message.usage),
            timings=Timings(decode=total - first if first else 0.0, total=total, first=first),
            tool_calls=tools,
            thinking=thinking,
            finish=FINISH.get(message.stop_reason or "", message.stop_reason or ""),
            sent=sent_of(arguments),
        )

    def stream(self, call: Call) -> Iterator[str]:
        """The text piece by piece."""
        for event in self._events(call, self._arguments(call)):
            if event.type == "text" and event.text:
                yield event.text

    def close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    @property
    def _base(self) -> str:
        return self.card.base_url.rstrip("/") or HOME

    def _arguments(self, call: Call) -> dict[str, Any]:
        if call.logprobs:
            raise self._error(Cause.CAPABILITY, "Anthropic's API gives no logprobs")
        if (names := unsent(call)) and not self._warned:
            self._warned = True
            log.warning(
                "[Anthropic] %s: the API takes no %s since 2026-10-21, so it is not sent"
                ' (api_version = "2023-06-01" on the card sends it)', self.card.name, " and no ".join(names),
            )  # fmt: skip
        return arguments_of(call)

    def _events(self, call: Call, arguments: Mapping[str, Any]) -> Iterator[Any]:
        """What the SDK tells while the answer comes; whatever it raises has its cause.

        The limit for the first token is one for each silence too: the API sends pings while a model thinks.
        """
        within = LONGEST if call.timeout is None else max(0.001, call.timeout)
        silence = min(within, self.card.first_token or within)
        began = time.monotonic()
        until, first_until = began + within, began + silence
        client = self._client()
        import anthropic

        try:
            timeout = anthropic.Timeout(within, read=silence)
            with client.messages.stream(**arguments, timeout=timeout) as stream:
                for event in stream:
                    if event.type == "content_block_delta":
                        first_until = until
                    if call.stop is not None:
                        call.stop.check()
                    if time.monotonic() > min(until, first_until):
                        raise self._late(until)
                    yield event
        except anthropic.APITimeoutError:
            raise self._late(until) from None
        except anthropic.APIStatusError as error:
            raise self._refused(error) from None
        except anthropic.APIConnectionError as error:
            raise self._no_answer(error, until) from None
        except anthropic.AnthropicError as error:
            raise self._error(Cause.BACKEND, str(error)[:300]) from None
        except (ModelCallError, Cancelled):
            raise
        except Exception as error:
            # The SDK lets errors of its HTTP library through while an answer is read.
            raise self._no_answer(error, until) from None

    def _client(self) -> Any:
        """One for each key: it is read from the environment for each call."""
        base = self._base
        self._around.refuse(base, self.card.name)
        name = self.card.api_key_env or KEY
        key = self._around.env.get(name) or ("none" if is_loopback(base) else "")
        if not key:
            raise self._error(Cause.AUTH, f"{name} is not set")
        if key not in self._clients:
            import anthropic

            self._clients[key] = anthropic.Anthropic(api_key=key, base_url=base, max_retries=0)
        return self._clients[key]

    def _refused(self, error: Any) -> ModelCallError:
        refusal = Refusal(error.status_code, error.body, seconds_of(error.response.headers.get("retry-after")))
        if refusal.status < 400:  # told in the middle of an answer
            refusal.status = IN_THE_MIDDLE.get(refusal.kind, 500)
        text = f"{self._base} answered {refusal.status}: {refusal.message}"
        return ModelCallError(cause_of(refusal), text, model=self.card.name, retry_after=refusal.retry_after)

    def _no_answer(self, error: Exception, until: float) -> ModelCallError:
        inner = error.__cause__ or error
        name = type(inner).__name__
        if "Timeout" in name or time.monotonic() > until:
            return self._late(until)
        if name == "ConnectError":
            return self._error(Cause.REFUSED, f"nothing answers at {self._base}")
        return self._error(Cause.SERVER, f"{self._base} broke off the connection ({name}: {str(inner)[:120]})")

    def _late(self, until: float) -> ModelCallError:
        if time.monotonic() < until:
            return self._error(
                Cause.TIMEOUT,
                f"{self._base} gave no first token, or no more, within {self.card.first_token:.3g} s",
            )
        return self._error(Cause.TIMEOUT, f"{self._base} did not end its answer within the time limit")

    def _error(self, cause: Cause, text: str) -> ModelCallError:
        return ModelCallError(cause, text, model=self.card.name)


def missing(card: ModelCard, around: Surroundings) -> UserError | None:
    """The SDK or the key; None where nothing is missing."""
    if util.find_spec(PACKAGE) is None:
        return UserError(
            f'model "{card.name}" needs the package anthropic',
            code=Code.BACKEND,
            fix="pip install 'pytest-llmroute[anthropic]'",
            instead="--llm-profile=embedded with a strategy of local models, as balanced",
        )
    name = card.api_key_env or KEY
    if around.env.get(name) or is_loopback(card.base_url or HOME):
        return None
    return no_key(card, name)


def endpoint_of(card: ModelCard) -> str:
    return card.base_url.rstrip("/") or HOME


def survey(around: Surroundings, cards: Sequence[ModelCard], within: float) -> Sequence[Survey]:
    """Each server once: whether it answers, and which models it lists. Costs no tokens."""
    by_base = {endpoint_of(card): card for card in cards}
    return at_once(lambda card: _survey(around, card, within), by_base.values())


def _survey(around: Surroundings, card: ModelCard, within: float) -> Survey:
    base = endpoint_of(card)
    name = card.api_key_env or KEY
    wire = Wire(base, {"x-api-key": around.env.get(name, ""), "anthropic-version": OLD_API})
    try:
        told = wire.ask("GET", "/v1/models?limit=1000", until=time.monotonic() + within)
        names = frozenset(str(item["id"]) for item in told["data"])
    except ModelCallError as error:
        return Survey(base, False, error.text)
    except Refusal as refusal:
        up = cause_of(refusal) is not Cause.AUTH
        return Survey(base, up, f"{refusal.status}: {refusal.message}", fix="" if up else f"set {name}")
    except (KeyError, TypeError):
        return Survey(base, True, "answers, but lists no models")
    finally:
        wire.close()
    # An alias, as claude-sonnet-5, is a model that the list does not show.
    return Survey(base, True, f"{len(names)} models")
