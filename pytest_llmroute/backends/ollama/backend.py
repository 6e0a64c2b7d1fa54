"""The backend `ollama`: one model on an Ollama server, asked over the native protocol.

`/api/chat`, not `/v1`: only there are times, exact tokens and thinking told apart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import util
from typing import Any

from pytest_llmroute.backends.contract import Progress, Surroundings, Waiting
from pytest_llmroute.backends.ollama.address import Address, read_address
from pytest_llmroute.backends.ollama.answer import Answer
from pytest_llmroute.backends.ollama.facts import (
    Loaded,
    Shown,
    full_name,
    looks_remote,
    refuses_long_prompts,
    same_name,
)
from pytest_llmroute.backends.ollama.messages import offered, options, written
from pytest_llmroute.backends.ollama.pulling import free_space
from pytest_llmroute.backends.ollama.server import ASK_WITHIN, LOAD_WITHIN, OllamaServer
from pytest_llmroute.backends.ollama.trouble import refusal
from pytest_llmroute.backends.wire import LONGEST, Late, Refusal, coming, until_of
from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.steps import Doing, Pause, waited
from pytest_llmroute.errors import Cause, ModelCallError, UserError

log = logging.getLogger("pytest_llmroute.backends")
PACKAGE = "ollama"
USUAL_CONTEXT = 8192
"""Tokens where a card only says what a model was made for: room for all of it may cost many gigabytes."""
LONG, USUAL = "60m", "5m"
"""How long the server keeps a model that the session wants, and what holds where nobody says anything."""
LOOK_AGAIN = 0.01
"""Seconds, while somebody else asks the server for the model."""
LAST_WORD = 0.5
"""Seconds for what a server is told at the end."""
Loads = MutableMapping[tuple[str, str], dict[str, Any]]
"""With which constants each model of each server was opened in this session."""


def address_of(card: ModelCard, around: Surroundings) -> Address:
    return read_address(card.base_url or around.ollama_host)


def endpoint_of(card: ModelCard, around: Surroundings) -> str:
    """The server's address without a password; one that can't be read is as it was written."""
    try:
        return address_of(card, around).url
    except UserError:
        return (card.base_url or around.ollama_host).rpartition("@")[2]


def parallel_of(around: Surroundings) -> int:
    """Calls of one model that the server answers at once: it does not say, so its own variable is believed."""
    told = around.env.get("OLLAMA_NUM_PARALLEL", "")
    return max(1, int(told)) if told.isdecimal() else 1


def pull(card: ModelCard, progress: Progress, *, around: Surroundings) -> None:
    """Fetches a model onto its server."""
    if wrong := missing_ollama(card, around):
        raise wrong
    address = address_of(card, around)
    server = OllamaServer(address, key=around.env.get(card.api_key_env, "") if card.api_key_env else "")
    try:
        server.pull(
            card.served_as,
            lambda told: progress(told.status, told.done, told.total),
            free=partial(free_space, address, around.env),
        )
    except ModelCallError as error:
        raise ModelCallError(error.cause, error.text, model=card.name) from None
    finally:
        server.close()


def missing_ollama(card: ModelCard, around: Surroundings) -> UserError | None:
    """What keeps a model from being opened, without asking a server; None where nothing does."""
    if util.find_spec(PACKAGE) is None:
        return UserError(
            f'model "{card.name}" needs the client of the extra "ollama"',
            code=Code.BACKEND,
            means="without it no model on an Ollama server can be reached",
            fix="pip install 'pytest-llmroute[ollama]'",
            instead="--llm-profile=embedded, or --llm-profile=scripted (answers written beforehand)",
        )
    try:
        address = address_of(card, around)
    except UserError as error:
        return error
    if around.offline and not address.loopback:
        return UserError(
            f'model "{card.name}" is on {address.url}, and offline nothing but this machine may be reached',
            code=Code.BACKEND,
            fix="export OLLAMA_HOST=127.0.0.1:11434, or leave offline out",
        )
    return None


@dataclass(frozen=True, slots=True)
class Known:
    """What the server said of the model when it was first asked."""

    shown: Shown
    digest: str
    constant: dict[str, Any]
    """Options whose change would load the model again."""
    fields: dict[str, bool]
    """`truncate` and `shift`, where the server takes them."""


class OllamaModel(Waiting):
    """One model of one server; any thread may ask. The server is asked nothing before the first call."""

    def __init__(self, card: ModelCard, around: Surroundings, loads: Loads | None = None) -> None:
        if wrong := missing_ollama(card, around):
            raise wrong
        self.card, self.around = card, around
        self.name = card.served_as
        key = around.env.get(card.api_key_env, "") if card.api_key_env else ""
        self.server = OllamaServer(address_of(card, around), key=key)
        self._loads = loads if loads is not None else {}
        self._lock = threading.Lock()
        self._known: Known | None = None
        self._cold: bool | None = None
        self._keep_alive: str | None = None
        """How long the server shall keep the model after a call; None leaves it to the server."""
        self._sizes: tuple[int, int] | None = None
        """Bytes in all and on a GPU, by the server's own word after the first call."""

    def answering(self, call: Call) -> Doing[Reply]:
        until = until_of(call)
        with self._told():
            known = yield from self._opened(until)
            body = self._body(call, known)
            cold = self._taken_cold()
            answer = Answer(self.name)
            yield from self._asked_for(body, answer, answer.add, until, call)
            reply = answer.reply(self.card.name)
            self._refuse_cut_off(reply, known)
            size, on_gpu = yield from self._reported(until)
        return reply.with_(sent=_sent(body), digest=known.digest or None, cold=cold, reported=size, reported_gpu=on_gpu)

    def stream(self, call: Call) -> Iterator[str]:
        """The text piece by piece."""
        until = until_of(call)
        came: list[str] = []
        with self._told():
            body = self._body(call, waited(self._opened(until)))
            self._taken_cold()
            answer = Answer(self.name)
            asked = self._asked_for(body, answer, lambda line: came.append(answer.add(line)), until, call)
            yield from (piece for piece in coming(asked, came) if piece)
            answer.reply(self.card.name)

    def load(self, within: float = LOAD_WITHIN) -> Loaded:
        """Brings the model into memory as its calls will want it; says whether it was there already.

        It stays there until it is unloaded, or closed: then the server's own rule holds again.
        """
        with self._told():
            known = waited(self._opened(time.monotonic() + within))
            self._keep_alive = LONG
            loaded = self.server.load(
                self.name, known.constant, more=known.fields, keep_alive=self._keep_alive, within=within
            )
            self._cold = False
        return loaded

    def unload(self) -> bool:
        with self._told():
            self._keep_alive = self._sizes = None
            return self.server.unload(self.name)

    def resident(self, within: float = ASK_WITHIN) -> int:
        """Bytes by the server's word; 0 where it is not in memory, or in memory with another context."""
        with self._told():
            until = time.monotonic() + within
            context = waited(self._opened(until)).constant["num_ctx"]
            return sum(
                item.size
                for item in waited(self.server.resident(max(0.1, until - time.monotonic())))
                if same_name(item.name, self.name) and item.context in (None, context)
            )

    def close(self) -> None:
        kept, self._keep_alive = self._keep_alive, None
        with suppress(ModelCallError):
            if kept is not None and self._known is not None and self.resident(LAST_WORD):
                known = self._known
                self.server.load(self.name, known.constant, more=known.fields, keep_alive=USUAL, within=LAST_WORD)
        self.server.close()

    def _opened(self, until: float) -> Doing[Known]:
        """Asked once, whoever comes first; the others wait as long as they may."""
        while self._known is None:
            if self._lock.acquire(blocking=False):
                try:
                    self._known = self._known or (yield from self._asked(until))
                finally:
                    self._lock.release()
            elif time.monotonic() > until:
                raise ModelCallError(Cause.TIMEOUT, "no time is left: the server was still being asked for the model")
            else:
                yield Pause(LOOK_AGAIN)
        return self._known

    def _asked(self, until: float) -> Doing[Known]:
        def left() -> float:
            return until - time.monotonic()

        self._only_here(looks_remote(self.name))
        version = yield from self.server.version(left())
        shown = yield from self.server.show(self.name, left())
        self._only_here(shown.elsewhere)
        listed = [model for model in (yield from self.server.installed(left())) if same_name(model.name, self.name)]
        self._only_here(any(model.elsewhere for model in listed))
        resident = [model for model in (yield from self.server.resident(left())) if same_name(model.name, self.name)]
        constant = self._constant(shown)
        self._cold = not any(model.context in (None, constant["num_ctx"]) for model in resident)
        fields = {"truncate": False, "shift": False} if refuses_long_prompts(version) else {}
        if not fields:
            log.warning("[Ollama] release %.20s cuts long prompts in silence: 0.12.11 and later refuse them", version)
        self._same_for_all({**constant, **fields})
        return Known(shown, listed[0].digest if listed else "", constant, fields)

    def _reported(self, until: float) -> Doing[tuple[int | None, int | None]]:
        """What the loaded model takes; asked once, and no reason for a call to fail."""
        if self._sizes is None and time.monotonic() < until:
            try:
                resident = yield from self.server.resident(until - time.monotonic())
            except ModelCallError:
                return None, None
            for item in resident:
                if same_name(item.name, self.name):
                    self._sizes = item.size, item.on_gpu
                    break
        return self._sizes or (None, None)

    def _constant(self, shown: Shown) -> dict[str, Any]:
        """A context that a card wishes is taken as it is; one with a source is what the model was made for."""
        wish = self.card.context if "context" not in self.card.sources else None
        sizes = [wish or USUAL_CONTEXT, *(size for size in (self.card.context, shown.context) if size)]
        constant: dict[str, Any] = {"num_ctx": min(sizes)}
        if self.card.threads:
            constant["num_thread"] = self.card.threads
        return constant

    def _same_for_all(self, mine: dict[str, Any]) -> None:
        """Two cards of one model with other constants: each change of card loads it anew."""
        before = self._loads.setdefault((self.server.address.url, full_name(self.name).casefold()), mine)
        if before != mine:
            log.warning(
                "[Ollama] %s: another card of %s asks for %s, this one for %s; each change loads the model again",
                self.card.name, self.name, before, mine,
            )  # fmt: skip

    def _only_here(self, elsewhere: bool) -> None:
        """A model that runs on somebody else's machine is asked only where its card says so."""
        if elsewhere and (self.around.offline or not self.card.remote):
            why = "offline is set" if self.card.remote else "its card does not say remote = true"
            text = f"{self.name} is a cloud model: Ollama would send the prompt to another machine, and {why}"
            raise ModelCallError(Cause.CAPABILITY, text)

    def _taken_cold(self) -> bool | None:
        """Known for the call that follows the question; later calls are not asked for it."""
        cold, self._cold = self._cold, None
        return cold

    def _body(self, call: Call, known: Known) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": written(call.messages),
            "stream": True,
            "think": self._thinks(call, known.shown),
            "options": options(call, known.constant),
            **known.fields,
        }
        if call.tools:
            body["tools"] = offered(call.tools)
        if call.schema is not None:
            body["format"] = dict(call.schema)
        if call.logprobs:
            body["logprobs"] = True
        if self._keep_alive is not None:
            body["keep_alive"] = self._keep_alive
        return body

    def _thinks(self, call: Call, shown: Shown) -> bool:
        """Always said: Ollama takes silence for yes. The server knows best who can; a card, who can't leave it."""
        told = bool(shown.capabilities)
        can = "thinking" in shown.capabilities if told else self.card.thinking in ("optional", "always")
        wanted = call.settings.reasoning
        return can and (wanted if wanted is not None else self.card.thinking == "always")

    def _asked_for(
        self, body: dict[str, Any], answer: Answer, add: Callable[[Any], object], until: float, call: Call
    ) -> Doing[None]:
        """An answer; `add` is given its lines."""

        def take(line: Any) -> None:
            add(line)
            self._only_here(bool(answer.remote))

        first = self.card.first_token
        try:
            yield from self.server.wire.lines("/api/chat", body, take, until=until, first=first, stop=call.stop)
        except Refusal as error:
            raise self._explained(refusal(error, self.name), body) from None
        except Late:
            if answer.done:
                return
            came = f"the answer was not whole, {answer.pieces} pieces of it had come" if answer.pieces else "no token"
            raise ModelCallError(Cause.TIMEOUT, f"{came} within {call.timeout or LONGEST:.3g} s") from None
        except ModelCallError as error:
            raise self._explained(error, body) from None

    def _explained(self, error: ModelCallError, body: dict[str, Any]) -> ModelCallError:
        if error.cause is not Cause.CONTEXT:
            return error
        size = body["options"]["num_ctx"]
        text = f"{error.text}; the context holds {size} (context = N on the model's card)"
        return ModelCallError(Cause.CONTEXT, text)

    def _refuse_cut_off(self, reply: Reply, known: Known) -> None:
        """A release that can't refuse a long prompt has cut it if it fills the context to the brim."""
        size = known.constant["num_ctx"]
        if not known.fields and reply.tokens.prompt >= size:
            raise ModelCallError(Cause.CONTEXT, f"the prompt was cut to the {size} tokens that the context holds")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Every failure names the model."""
        try:
            yield
        except ModelCallError as error:
            raise ModelCallError(error.cause, error.text, model=self.card.name, retry_after=error.retry_after) from None


def _sent(body: dict[str, Any]) -> dict[str, Any]:
    """What was sent beside the texts, by Ollama's names."""
    told = {key: value for key, value in body.items() if key not in ("model", "messages", "tools", "format", "stream")}
    return {**told.pop("options"), **told}
