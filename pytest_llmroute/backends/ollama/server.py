"""One Ollama server: what it has, what it holds in memory, and what it is told to fetch, load and drop.

The calls speak the protocol over our own wire: the official client drops `remote_host`, knows no `shift` (which must be
the same when a model is loaded and when it is asked, or it is loaded twice), has no limit for a whole call, and streams
at twice the processor time (1.0 against 0.6 ms for 13 pieces). The client pulls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_llmroute.backends.ollama.address import Address
from pytest_llmroute.backends.ollama.facts import (
    Installed,
    Loaded,
    Resident,
    Shown,
    count,
    same_name,
    table,
    tables,
    text,
)
from pytest_llmroute.backends.ollama.pulling import Progress, check_room, followed, pull_failure
from pytest_llmroute.backends.ollama.trouble import failure, refusal
from pytest_llmroute.backends.wire import CONNECT_WITHIN, LONGEST, Refusal, Wire
from pytest_llmroute.core.steps import Doing, waited
from pytest_llmroute.errors import Cause, ModelCallError

if TYPE_CHECKING:
    import ollama

ASK_WITHIN = 10.0
"""Seconds for a question about the server, not to a model."""
LOAD_WITHIN = 310.0
"""Ollama itself gives up after 5 minutes."""
SILENT_WITHIN = 600.0
"""Seconds that a pull may say nothing: the checksum of a large file takes minutes."""
UNLOAD_WITHIN = 30.0
PULL_TRIES = 3
"""In a row without another byte."""


class OllamaServer:
    """Questions to one server; every failure is a ModelCallError with its cause. Any thread may ask.

    What calls need is yielded for, so that nobody is held up; what loads, unloads and pulls takes its time.
    """

    def __init__(self, address: Address, *, key: str = "") -> None:
        self.address = address
        self._headers = _authorization(address, key)
        self.wire = Wire(address.url, self._headers)

    def version(self, within: float = ASK_WITHIN) -> Doing[str]:
        told = table((yield from self._ask("GET", "/api/version", within=within)))
        if not isinstance(told.get("version"), str):
            raise ModelCallError(Cause.BACKEND, f"{self.address.url} answers, but is no Ollama server")
        return str(told["version"])

    def installed(self, within: float = ASK_WITHIN) -> Doing[tuple[Installed, ...]]:
        told = yield from self._ask("GET", "/api/tags", within=within)
        return tuple(
            Installed(text(item, "model") or text(item, "name"), text(item, "digest"), count(item, "size"),
                      text(item, "remote_host"))
            for item in tables(told, "models")
        )  # fmt: skip

    def show(self, name: str, within: float = ASK_WITHIN) -> Doing[Shown]:
        told = table((yield from self._ask("POST", "/api/show", {"model": name}, within=within, name=name)))
        details = table(told.get("details"))
        said = told.get("capabilities")
        sizes = [
            value for key, value in table(told.get("model_info")).items()
            if key.endswith(".context_length") and isinstance(value, int) and value > 0
        ]  # fmt: skip
        return Shown(
            capabilities=frozenset(map(str, said)) if isinstance(said, list) else frozenset(),
            context=sizes[0] if sizes else None,
            family=text(details, "family"),
            parameters=text(details, "parameter_size"),
            quantization=text(details, "quantization_level"),
            remote_host=text(told, "remote_host"),
            remote_model=text(told, "remote_model"),
        )

    def resident(self, within: float = ASK_WITHIN) -> Doing[tuple[Resident, ...]]:
        told = yield from self._ask("GET", "/api/ps", within=within)
        return tuple(
            Resident(text(item, "model") or text(item, "name"), text(item, "digest"), count(item, "size"),
                     count(item, "size_vram"), count(item, "context_length") or None)
            for item in tables(told, "models")
        )  # fmt: skip

    def load(
        self, name: str, options: Mapping[str, Any], *, more: Mapping[str, Any] | None = None,
        keep_alive: str | float | None = None, within: float = LOAD_WITHIN,
    ) -> Loaded:  # fmt: skip
        """Brings a model into memory with the options of its later calls (`more`: truncate and shift).

        Whether it was there is asked first, with the size of its context: another one means another load.
        """
        until = time.monotonic() + within
        wanted = options.get("num_ctx")
        there = any(
            same_name(item.name, name) and (item.context is None or wanted is None or item.context == wanted)
            for item in waited(self.resident(within))
        )
        body = {"model": name, "options": dict(options), "stream": False, **(more or {})}
        if keep_alive is not None:
            body["keep_alive"] = keep_alive
        started = time.monotonic()
        waited(self._ask("POST", "/api/generate", body, within=until - started, name=name))
        return Loaded(cold=not there, seconds=time.monotonic() - started)

    def unload(self, name: str, within: float = UNLOAD_WITHIN) -> bool:
        """Drops a model and waits until it is gone from the server's list; whether it is."""
        until = time.monotonic() + within
        body = {"model": name, "keep_alive": 0, "stream": False}
        waited(self._ask("POST", "/api/generate", body, within=within, name=name))
        while any(same_name(item.name, name) for item in waited(self.resident(max(0.1, until - time.monotonic())))):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def pull(
        self, name: str, progress: Callable[[Progress], None] | None = None, *, needed: int = 0,
        free: Callable[[], int | None] = lambda: None,
    ) -> None:  # fmt: skip
        """Fetches a model. A pull that breaks off is taken up again as long as it gets on: Ollama keeps its parts.

        Raises UserError where `needed`, or what the server says is still to come, is more than the disk has `free`
        (`free_space`). An exception of `progress` ends the pull; what came stays.
        """
        check_room(name, needed, free())
        tried, farthest = 0, 0
        while True:
            tried += 1
            try:
                for told in followed(self._pulling(name)):
                    tried, farthest = (0, told.done) if told.done > farthest else (tried, farthest)
                    check_room(name, told.total - told.done, free())
                    if progress is not None:
                        progress(told)
                return
            except ModelCallError as error:
                found = pull_failure(error, name)
                if tried >= PULL_TRIES or found.cause not in (Cause.SERVER, Cause.TIMEOUT):
                    raise found from None
                time.sleep(0.1 + 0.2 * tried)

    def _pulling(self, name: str) -> Iterator[tuple[str, str, int, int]]:
        """Status, part, and that part's bytes, there and in all."""
        with self._client(SILENT_WITHIN, name) as client:
            for told in client.pull(name, stream=True):
                yield told.status or "", told.digest or "", told.completed or 0, told.total or 0

    def close(self) -> None:
        self.wire.close()

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, within: float, name: str = ""
    ) -> Doing[Any]:
        until = time.monotonic() + min(within, LONGEST)
        try:
            return (yield from self.wire.asking(method, path, body, until=until))
        except Refusal as error:
            raise refusal(error, name) from None

    @contextmanager
    def _client(self, within: float, name: str) -> Iterator[ollama.Client]:
        """The official client; what it raises becomes ours."""
        import httpx
        import ollama
        from pydantic import ValidationError

        timeout = httpx.Timeout(within, connect=min(CONNECT_WITHIN, within))
        client = ollama.Client(
            self.address.url, timeout=timeout, headers=self._headers, follow_redirects=False,
            event_hooks={"request": [] if self._headers else [_keyless]},
        )  # fmt: skip
        try:
            yield client
        except ollama.ResponseError as error:
            status = error.status_code
            raise failure(str(error.error), name, 200 if status < 0 else status) from None
        except httpx.TimeoutException:
            raise ModelCallError(Cause.TIMEOUT, f"{self.address.url} said nothing for {within:.3g} s") from None
        except (ConnectionError, httpx.ConnectError):
            raise ModelCallError(Cause.REFUSED, f"no connection to {self.address.url}") from None
        except (httpx.HTTPError, ValidationError, ValueError, TypeError, AttributeError, RecursionError) as error:
            why = type(error).__name__
            raise ModelCallError(Cause.SERVER, f"the exchange with {self.address.url} broke off ({why})") from None
        finally:
            client.close()  # type: ignore[no-untyped-call]


def _authorization(address: Address, key: str) -> dict[str, str]:
    if key:
        return {"Authorization": f"Bearer {key}"}
    if address.user:
        from base64 import b64encode

        return {"Authorization": f"Basic {b64encode(address.user.encode()).decode()}"}
    return {}


def _keyless(request: Any) -> None:
    """The client would send OLLAMA_API_KEY to any server; a key goes only where a card says so."""
    request.headers.pop("Authorization", None)
