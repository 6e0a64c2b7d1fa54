"""A loopback server that speaks Ollama's protocol, for tests where no Ollama is: the models behind it are real.

```python
with LoopbackOllama({"tiny:1b": Served("nano")}) as ollama:
    ...  # OLLAMA_HOST=ollama.url
```

What it does beside the protocol is what Ollama's source does: figures left out when they are 0, eviction by keep_alive,
another load when `num_ctx` changes, errors under status 200 … Tool calls are the engine's own tokens, held to the
tool's parameters by grammar; thinking is a second answer of the same model. Ollama's own binary is no part of it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.errors import Cause, ModelCallError
from pytest_llmroute.testing.loopback import Loopback
from pytest_llmroute.testing.ollama_http import Answer, Cut, Table, handler
from pytest_llmroute.testing.ollama_runners import FOREVER, Engine, QueueFull, Quirks, Runner, Runners, Served, TooLarge

__all__ = ["LoopbackOllama", "Quirks", "Served"]
REFUSES_LONG_PROMPTS = THINKS_BY_DEFAULT = (0, 12, 11)
PULL_STEPS = 8
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class LoopbackOllama(Loopback):
    """Runs while its `with` block does; `requests` has what was asked, `quirks` may be changed at any time."""

    def __init__(
        self, models: Mapping[str, Served] | None = None, quirks: Quirks | None = None,
        library: Mapping[str, Served] | None = None,
    ) -> None:  # fmt: skip
        self.quirks = quirks or Quirks()
        self.models = dict(models if models is not None else {"nano:latest": Served()})
        self.library = dict(library or {})
        self.requests: list[tuple[str, Table]] = []
        self.fetched: dict[str, int] = {}
        """Bytes of each part that a pull has brought; they stay when it breaks off."""
        self.runners = Runners(self.models, lambda: self.quirks)
        paths = {
            ("GET", "/api/version"): self.version, ("GET", "/api/tags"): self.tags, ("GET", "/api/ps"): self.ps,
            ("POST", "/api/show"): self.show, ("POST", "/api/generate"): self.generate,
            ("POST", "/api/chat"): self.chat, ("POST", "/api/pull"): self.pull,
        }  # fmt: skip
        super().__init__(handler(paths, self._asked))

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.runners.close()

    def _asked(self, path: str, body: Table) -> None:
        self.requests.append((path, body))

    def bodies(self, path: str) -> list[Table]:
        """What was sent there, in order."""
        return [body for asked, body in self.requests if asked == path]

    def find(self, body: Table) -> tuple[str, Served]:
        name = str(body.get("model") or body.get("name") or "")
        name = name if ":" in name else f"{name}:latest"
        if name not in self.models:
            raise Answer(404, f"model '{name.removesuffix(':latest')}' not found")
        return name, self.models[name]

    # What the paths answer

    def version(self, body: Table) -> Table:
        return {"version": self.quirks.version}

    def tags(self, body: Table) -> Table:
        return {"models": [self._listed(name, model) for name, model in self.models.items()]}

    def ps(self, body: Table) -> Table:
        return {"models": [self._resident(runner) for runner in self.runners.resident()]}

    def show(self, body: Table) -> Table:
        _, model = self.find(body)
        head = Engine(_card(model)).file.head
        return _filled({
            "details": {"format": "gguf", "family": head.architecture},
            "model_info": {f"{head.architecture}.context_length": head.context},
            "capabilities": sorted(model.capabilities),
            "remote_host": model.remote_host,
            "remote_model": model.gguf if model.remote_host else "",
            "template": "{{ .Prompt }}",
            "modified_at": _now(),
        })  # fmt: skip

    def generate(self, body: Table) -> Iterator[Table]:
        if body.get("prompt"):
            asked = {**body, "messages": [{"role": "user", "content": body["prompt"]}]}
            for line in self.chat(asked):
                message = line.pop("message", None)
                yield line if message is None else {**line, "response": message["content"]}
            return
        yield from (_without_message(line) for line in self._residency(body))

    def chat(self, body: Table) -> Iterator[Table]:
        """The lines of an answer. What is refused is refused before anything is loaded."""
        started = time.perf_counter()
        name, model = self.find(body)
        thinks = self._thinks(name, model, body)
        if body.get("tools") and "tools" not in model.capabilities:
            raise Answer(400, f"registry.ollama.ai/library/{name} does not support tools")
        if not body.get("messages"):
            yield from self._residency(body)
            return
        keep_alive = _seconds(body.get("keep_alive"), self.quirks.keep_alive)
        runner = self._take(name, body, keep_alive)
        try:
            loaded = time.perf_counter() - started
            thought = self._run(runner.engine, {**body, "format": None, "tools": None}, most=12) if thinks else None
            reply = self._run(runner.engine, body)
        finally:
            self.runners.give_back(runner, keep_alive)
        yield from self._lines(name, model, body, reply, thought, started, loaded)

    def pull(self, body: Table) -> Iterator[Table]:
        name = str(body.get("model") or body.get("name"))
        name = name if ":" in name else f"{name}:latest"
        for number, line in enumerate(self._pulled(name)):
            if self.quirks.cut_after == number:
                raise Cut
            yield line

    def _pulled(self, name: str) -> Iterator[Table]:
        yield {"status": "pulling manifest"}
        if name not in self.library:
            yield {"error": "pull model manifest: file does not exist"}
            return
        size = Engine(_card(self.library[name])).file.path.stat().st_size
        for digest, total in ((f"sha256:{_digest(self.library[name])}", size), ("sha256:0123456789ab", 485)):
            done = self.fetched.get(digest, 0)
            while True:
                yield _filled(
                    {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total, "completed": done}
                )
                if done == total:
                    break
                done = self.fetched[digest] = min(total, done + -(-total // PULL_STEPS))
        for status in ("verifying sha256 digest", "writing manifest"):
            yield {"status": status}
        self.models[name] = self.library[name]
        yield {"status": "success"}

    # Beneath them

    def _thinks(self, name: str, model: Served, body: Table) -> bool:
        can = "thinking" in model.capabilities
        think = body.get("think")
        if think and not can:
            raise Answer(400, f'"{name}" does not support thinking')
        return can and (self.quirks.number >= THINKS_BY_DEFAULT if think is None else bool(think))

    def _take(self, name: str, body: Table, keep_alive: float) -> Runner:
        shift = bool(body.get("shift", True)) if self.quirks.number >= REFUSES_LONG_PROMPTS else True
        try:
            return self.runners.take(name, body.get("options") or {}, shift=shift, keep_alive=keep_alive)
        except QueueFull:
            raise Answer(503, "server busy, please try again.  maximum pending requests exceeded") from None
        except TooLarge:
            raise Answer(500, "model requires more system memory (9.9 GiB) than is available (0.1 GiB)") from None

    def _residency(self, body: Table) -> Iterator[Table]:
        """A request without a prompt loads the model, or drops it where keep_alive is 0."""
        name, _ = self.find(body)
        keep_alive = _seconds(body.get("keep_alive"), self.quirks.keep_alive)
        if keep_alive <= 0:
            self.runners.drop(name)
        else:
            self.runners.give_back(self._take(name, body, keep_alive), keep_alive)
        message = {"role": "assistant", "content": ""}
        reason = "unload" if keep_alive <= 0 else "load"
        yield {"model": name, "created_at": _now(), "message": message, "done": True, "done_reason": reason}

    def _run(self, engine: Engine, body: Table, most: int | None = None) -> Reply:
        messages = [Message(item["role"], str(item.get("content") or "")) for item in body["messages"]]
        truncates = bool(body.get("truncate", True)) or self.quirks.number < REFUSES_LONG_PROMPTS
        cut = False
        while True:
            try:
                reply = engine.generate(_call(engine, tuple(messages), body, most))
            except ModelCallError as error:
                if error.cause is not Cause.CONTEXT:
                    raise Answer(500, error.text) from None
                if not truncates:
                    raise Answer(400, "the input length exceeds the context length") from None
                asked, size = (int(number) for number in re.findall(r"\d+", error.text)[:2])
                _cut(messages, 0.9 * size / asked)
                cut = True
                continue
            # A prompt that was cut fills the context to the brim.
            return reply.with_(tokens=Tokens(engine.context, reply.tokens.completion)) if cut else reply

    def _lines(
        self, name: str, model: Served, body: Table, reply: Reply, thought: Reply | None, started: float, loaded: float
    ) -> Iterator[Table]:
        head = _filled({
            "model": name, "remote_host": model.remote_host, "remote_model": model.gguf if model.remote_host else "",
        })  # fmt: skip
        for number, message in enumerate(_messages(body, reply, thought)):
            time.sleep(self.quirks.piece_seconds)
            if self.quirks.break_after == number:
                yield {"error": self.quirks.break_with}
                return
            if self.quirks.cut_after == number:
                raise Cut
            line: Table = {**head, "created_at": _now(), "message": message, "done": False}
            if number == 0 and reply.logprobs and self.quirks.number >= REFUSES_LONG_PROMPTS:
                line["logprobs"] = [{"token": item["token"], "logprob": item["logprob"]} for item in reply.logprobs]
            yield line
        runs = [reply] if thought is None else [thought, reply]
        figures = {
            "total_duration": _nano(time.perf_counter() - started),
            "load_duration": _nano(loaded),
            "prompt_eval_count": reply.tokens.prompt,
            "prompt_eval_duration": _nano(sum(run.timings.prefill for run in runs)),
            "eval_count": sum(run.tokens.completion for run in runs),
            "eval_duration": _nano(sum(run.timings.decode for run in runs)),
        }
        last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reply.finish}
        yield {**head, "created_at": _now(), **last, **_filled(figures)}

    def _listed(self, name: str, model: Served) -> Table:
        file = Engine(_card(model)).file
        return _filled({
            "name": name, "model": name, "modified_at": _now(), "size": file.path.stat().st_size,
            "digest": _digest(model), "remote_host": model.remote_host,
            "remote_model": model.gguf if model.remote_host else "", "capabilities": sorted(model.capabilities),
            "details": {"family": file.head.architecture, "context_length": file.head.context},
        })  # fmt: skip

    def _resident(self, runner: Runner) -> Table:
        until = datetime.now(UTC) + timedelta(seconds=min(runner.keep_alive, 1e7))
        return {
            "name": runner.name, "model": runner.name, "size": runner.size, "size_vram": 0,
            "digest": _digest(self.models[runner.name]), "expires_at": until.isoformat(),
            "context_length": runner.engine.context, "details": {"format": "gguf"},
        }  # fmt: skip


def _card(model: Served) -> ModelCard:
    return ModelCard(model.gguf, "embedded")


def _digest(model: Served) -> str:
    return Engine(_card(model)).file.digest or ""


def _call(engine: Engine, messages: tuple[Message, ...], body: Table, most: int | None) -> Call:
    options = body.get("options") or {}
    tokens = options.get("num_predict")
    settings = Sampling(
        temperature=options.get("temperature", 0.8),
        max_tokens=most or (tokens if tokens and tokens > 0 else None),
        top_p=options.get("top_p"),
        seed=options.get("seed"),
        stop=tuple(options.get("stop") or ()),
    )
    schema = body.get("format") or (body["tools"][0]["function"].get("parameters") if body.get("tools") else None)
    return Call(engine.card, messages, settings, schema=schema, logprobs=bool(body.get("logprobs")))


def _messages(body: Table, reply: Reply, thought: Reply | None) -> Iterator[Table]:
    """The answer in pieces: what was thought, then a tool's call or the text."""
    for piece in _split(thought.text) if thought is not None else ():
        yield {"role": "assistant", "content": "", "thinking": piece}
    if body.get("tools"):
        try:
            arguments = json.loads(reply.text)
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            function = {"index": 0, "name": body["tools"][0]["function"]["name"], "arguments": arguments}
            yield {"role": "assistant", "content": "", "tool_calls": [{"id": "call_a1b2", "function": function}]}
            return
    for piece in _split(reply.text):
        yield {"role": "assistant", "content": piece}


def _split(text: str) -> list[str]:
    return re.findall(r"\s*\S{1,6}|\s+$", text)


def _cut(messages: list[Message], part: float) -> None:
    """As Ollama does: older messages go first, then the beginning of the last one."""
    oldest = next((message for message in messages[:-1] if message.role != "system"), None)
    if oldest is not None:
        messages.remove(oldest)
    else:
        last = messages[-1]
        messages[-1] = Message(last.role, last.content[-max(1, int(len(last.content) * part)) :])


def _without_message(line: Table) -> Table:
    return {**{key: value for key, value in line.items() if key != "message"}, "response": ""}


def _filled(table: Table) -> Table:
    """Go's omitempty: what is 0 or empty is left out."""
    return {key: value for key, value in table.items() if value or value is False}


def _seconds(value: Any, usual: float) -> float:
    """A keep_alive: seconds, or a text like 5m; below 0 is for ever."""
    if value is None:
        return usual
    if isinstance(value, str):
        parts = re.findall(r"(-?[\d.]+)(ms|[smh])", value)
        value = sum(float(number) * UNITS[unit] for number, unit in parts)
    return FOREVER if value < 0 else float(value)


def _nano(seconds: float) -> int:
    return int(seconds * 1e9)


def _now() -> str:
    return datetime.now(UTC).isoformat()
