"""What every backend must do. Inherit, open a model in the fixture `opened`, and run pytest:

```python
import pytest
from pytest_llmroute import ModelCard
from pytest_llmroute.testing import BackendConformance, Opened

class TestMine(BackendConformance):
    @pytest.fixture
    def opened(self):
        card = ModelCard("mine", "my-backend")
        model = MyModel(card)
        yield Opened(model, card)
        model.close()
```

What a backend can't do is said by a class attribute; its test then holds it to refusing with the right cause.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from pytest_llmroute.backends.contract import Backend, Streams
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import Cause, ModelCallError

GREEDY = Sampling(temperature=0.0, max_tokens=24, seed=1)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}},
    "required": ["kind"],
    "additionalProperties": False,
}
TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}
THREADS = 4


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that is open, and its card."""

    backend: Backend
    card: ModelCard

    def call(self, prompt: str, settings: Sampling = GREEDY, **more: Any) -> Call:
        more.setdefault("timeout", 60.0)
        return Call(self.card, (Message("user", prompt),), settings, **more)

    def ask(self, prompt: str, settings: Sampling = GREEDY, **more: Any) -> Reply:
        return self.backend.generate(self.call(prompt, settings, **more))


class BackendConformance:
    """One test for each promise of a backend."""

    prompt: ClassVar[str] = "fix c\nmain.c:2: error: expected ';'\nint speed = 42;\ndelay(20)"
    """Something that the model answers with several tokens."""
    exact_tokens: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    """Whether greedy replies are the same each time."""
    stops: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    schema: ClassVar[bool | None] = True
    """None: the backend sends it, and the server that it is tried against does not know it."""
    tools: ClassVar[bool] = False
    context_known: ClassVar[bool] = True
    """Whether a prompt beyond the context is refused; False for models whose context is too large to be tried."""
    times_out: ClassVar[bool] = True

    @pytest.fixture
    def opened(self) -> Iterator[Opened]:
        raise NotImplementedError("open a model in a fixture `opened`")

    def test_a_reply_is_whole(self, opened: Opened) -> None:
        reply = opened.ask(self.prompt)
        assert reply.text
        assert reply.model == opened.card.name
        assert reply.tokens.exact is self.exact_tokens
        assert reply.tokens.prompt > 0
        assert reply.tokens.completion > 0
        assert not reply.scripted

    def test_the_parts_of_the_time_lie_within_the_whole(self, opened: Opened) -> None:
        timings = opened.ask(self.prompt).timings
        parts = timings.queue + timings.load + timings.prefill + timings.decode
        assert timings.total > 0
        assert parts <= timings.total * 1.05 + 0.005
        assert 0 <= timings.first <= timings.total

    def test_the_reply_is_as_long_as_it_may_be(self, opened: Opened) -> None:
        reply = opened.ask(self.prompt, Sampling(temperature=0.0, max_tokens=2))
        assert reply.finish == "length"
        if self.exact_tokens:
            assert reply.tokens.completion == 2

    def test_the_settings_that_were_sent_are_told(self, opened: Opened) -> None:
        sent = json.dumps(dict(opened.ask(self.prompt, Sampling(temperature=0.25, max_tokens=7, top_p=0.75)).sent))
        assert all(figure in sent for figure in ("0.25", "7", "0.75"))

    def test_a_greedy_reply_repeats(self, opened: Opened) -> None:
        if self.repeats:
            assert opened.ask(self.prompt).text == opened.ask(self.prompt).text

    def test_it_stops_where_it_is_told(self, opened: Opened) -> None:
        if not self.stops:
            return
        whole = opened.ask(self.prompt).text
        middle = whole[len(whole) // 2 :][:2]
        cut = opened.ask(self.prompt, Sampling(temperature=0.0, max_tokens=24, seed=1, stop=(middle,))).text
        assert middle not in cut
        assert whole.startswith(cut)

    def test_threads_may_ask_at_once(self, opened: Opened) -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            replies = list(threads.map(lambda _: opened.ask(self.prompt), range(THREADS)))
        assert all(reply.text for reply in replies)
        if self.repeats:
            assert len({reply.text for reply in replies}) == 1

    def test_pieces_make_the_whole(self, opened: Opened) -> None:
        if not self.streams:
            return
        assert isinstance(opened.backend, Streams)
        pieces = list(opened.backend.stream(opened.call(self.prompt)))
        assert len(pieces) > 1
        if self.repeats:
            assert "".join(pieces) == opened.ask(self.prompt).text

    def test_a_schema_is_obeyed_or_refused(self, opened: Opened) -> None:
        ask = Sampling(temperature=0.0, max_tokens=40)
        if self.schema is None:
            return
        if self.schema:
            assert json.loads(opened.ask(self.prompt, ask, schema=SCHEMA).text)["kind"] in ("a", "b")
        else:
            self._refused(opened, Cause.CAPABILITY, schema=SCHEMA)

    def test_tools_are_offered_or_refused(self, opened: Opened) -> None:
        if not self.tools:
            self._refused(opened, Cause.CAPABILITY, tools=(TOOL,))
            return
        for call in opened.ask(self.prompt, tools=(TOOL,)).tool_calls:
            assert call["name"]
            assert isinstance(call["arguments"], Mapping)

    def test_a_prompt_beyond_the_context_is_refused(self, opened: Opened) -> None:
        if self.context_known:
            with pytest.raises(ModelCallError) as caught:
                opened.ask("word " * 40_000)
            assert caught.value.cause is Cause.CONTEXT
            assert opened.ask(self.prompt).text

    def test_a_time_limit_holds_and_the_next_call_works(self, opened: Opened) -> None:
        if not self.times_out:
            return
        opened.ask(self.prompt)
        with pytest.raises(ModelCallError) as caught:
            opened.ask(self.prompt, Sampling(temperature=0.0, max_tokens=400), timeout=0.0005)
        assert caught.value.cause is Cause.TIMEOUT
        assert opened.ask(self.prompt).text

    def test_closing_twice_is_harmless_and_leaves_nothing_behind(self, opened: Opened) -> None:
        before = threading.active_count()
        opened.ask(self.prompt)
        opened.backend.close()
        opened.backend.close()
        until = time.monotonic() + 2
        while threading.active_count() > before and time.monotonic() < until:
            time.sleep(0.01)  # a server in this process sees a moment later that nobody is there
        assert threading.active_count() <= before

    def _refused(self, opened: Opened, cause: Cause, **more: Any) -> None:
        with pytest.raises(ModelCallError) as caught:
            opened.ask(self.prompt, **more)
        assert caught.value.cause is cause
