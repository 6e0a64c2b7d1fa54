"""Models whose answers were written beforehand: for trying things out and for tests.

Every reply says `scripted`, and so does every record made of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_llmroute.codes import Code
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.replies import Call, Reply, Timings, Tokens
from pytest_llmroute.core.tokens import estimate_tokens
from pytest_llmroute.errors import Cause, ModelCallError, UserError


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """An answer with its planned latency, tokens or failure."""

    text: str = ""
    latency: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    fail: Cause | None = None


class ScriptedBackend:
    """Reads the script that comes with the call: a text, an answer, a table, a list or a function."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def generate(self, call: Call) -> Reply:
        answer = find_answer(call.script, call)
        if answer is None:
            raise ModelCallError(
                Cause.MISSING_SCRIPT,
                "no scripted answer for this prompt; write `scripted:` into the task file,"
                " or llmroute_scripted(call) into conftest.py",
                model=self.card.name,
            )
        started = time.perf_counter()
        self._wait(answer, call)
        if answer.fail is not None:
            raise ModelCallError(answer.fail, "scripted failure", model=self.card.name)
        total = time.perf_counter() - started
        return Reply(
            text=answer.text,
            model=self.card.name,
            tokens=_tokens(answer, call),
            timings=Timings(decode=total, total=total),
            scripted=True,
        )

    def close(self) -> None:
        pass

    def _wait(self, answer: ScriptedAnswer, call: Call) -> None:
        if call.timeout is not None and answer.latency > call.timeout:
            time.sleep(call.timeout)
            text = f"no answer within {call.timeout:.2g} s (scripted)"
            raise ModelCallError(Cause.TIMEOUT, text, model=self.card.name)
        if answer.latency:
            time.sleep(answer.latency)


def find_answer(script: Any, call: Call) -> ScriptedAnswer | None:
    """The answer that `script` holds for `call`; None when it holds none."""
    if script is None or isinstance(script, ScriptedAnswer):
        return script
    if isinstance(script, str):
        return ScriptedAnswer(script)
    if callable(script):
        return find_answer(script(call), call)
    if isinstance(script, Mapping):
        return _from_mapping(script, call)
    if isinstance(script, list | tuple):
        return find_answer(script[(call.repeat - 1) % len(script)], call) if script else None
    raise UserError(
        f"a scripted answer must be a text, a ScriptedAnswer, a mapping or a list, not {type(script).__name__}",
        code=Code.SCRIPT,
    )


def _from_mapping(script: Mapping[str, Any], call: Call) -> ScriptedAnswer | None:
    if "by_model" in script:
        table = script["by_model"]
        for key in (call.card.name, call.role, call.column, "*"):
            if key in table:
                return find_answer(table[key], call)
        return None
    tokens = script.get("tokens") or {}
    return ScriptedAnswer(
        text=script.get("text", ""),
        latency=script.get("latency", 0.0),
        prompt_tokens=tokens.get("prompt"),
        completion_tokens=tokens.get("completion"),
        fail=Cause(script["fail"]) if script.get("fail") else None,
    )


def _tokens(answer: ScriptedAnswer, call: Call) -> Tokens:
    """The script's own counts; what it does not say is estimated, and said to be."""
    characters = sum(len(message.content) for message in call.messages)
    stated = answer.prompt_tokens is not None and answer.completion_tokens is not None
    return Tokens(
        prompt=estimate_tokens(characters) if answer.prompt_tokens is None else answer.prompt_tokens,
        completion=estimate_tokens(len(answer.text)) if answer.completion_tokens is None else answer.completion_tokens,
        exact=stated,
    )
