"""Which kind of work a message asks for: deterministic rules, for the strategies that route by it.

A declared task wins; offered tools mean tool use; then a user's own rules, then the general ones (`classify_rules`).
Every rule that matches adds its weight to its type; the heaviest type wins. What no rule knows, and what stands at a
tie between simple and complex, is doubtful, and the doubtful counts as complex.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pytest_llmroute.routing.classify_rules import ANYWHERE, ROWS
from pytest_llmroute.routing.classify_words import build_of

SIMPLE = ("simple_chat", "simple_qa", "summarization", "classification")
COMPLEX = ("code_generation", "tool_use", "complex_reasoning", "multi_step")
DOUBTFUL = "doubtful"
DECLARED_SIMPLE = (*SIMPLE, "analyze", "validate", "document")
"""Declared tasks that count as simple; any other declared task is complex."""
MATERIAL = 0.25
"""How much a match counts in quoted or pasted text, beside one in the request."""
QUOTED = re.compile(r"""["“„»«][^"”“»«]{3,}["”“«»]|```.*?```""", re.DOTALL)
PASTED = re.compile(r"(?<=\w):\s+(?=\S.{9,})|(?<=\?)\s+(?=\S.{30,}\Z)|\s-\s+(?=\S.{40,})|\n\s*\n", re.DOTALL)
DEICTIC = re.compile(
    r"\b(?:this|these|that|below|following|text|article|memo|thread|e?mail|story|dies\w*|folgend\w*|unten|artikel|brief|schreiben)\b",
    re.IGNORECASE,
)
MARK = " ⟦text⟧"
"""Stands in the request for the material that came with it; the rules may look for it."""
HEAD, TAIL = 4000, 1000
"""Characters that are read of a long message: its beginning and its end."""


@dataclass(frozen=True, slots=True)
class Classification:
    """The task type, which side it is on, and the rule that decided."""

    task_type: str
    complex: bool
    rule: str
    confident: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that speaks for a type, with a weight."""

    task_type: str
    name: str
    pattern: re.Pattern[str]
    weight: float = 1.0
    anywhere: bool = False
    """True: pasted material speaks as loudly as the request itself."""

    def weigh(self, ask: str, text: str) -> float:
        """The full weight in the request, a little of it in the material that comes with it."""
        if self.pattern.search(text if self.anywhere else ask):
            return self.weight
        return MATERIAL * self.weight if ask != text and self.pattern.search(text) else 0.0


@cache
def builtin_rules() -> tuple[Rule, ...]:
    """The rules of `classify_rules`, compiled on first use."""
    return tuple(
        Rule(kind, name, re.compile(pattern, re.IGNORECASE | re.DOTALL), weight, name in ANYWHERE)
        for kind, name, weight, pattern in ROWS
    )


class Classifier:
    """Rules with an optional override (the hook `llmroute_classify`) and rules of single users."""

    def __init__(
        self,
        rules: Sequence[Rule] | None = None,
        *,
        user_rules: Mapping[str, Sequence[Rule]] | None = None,
        override: Callable[[str, str | None], str | None] | None = None,
    ) -> None:
        self._rules = rules
        self._user_rules = dict(user_rules or {})
        self._override = override

    def classify(
        self, text: str, *, declared: str | None = None, user: str | None = None, has_tools: bool = False
    ) -> Classification:
        if declared is not None:
            return Classification(declared, declared not in DECLARED_SIMPLE, "declared", True)
        if has_tools:
            return Classification("tool_use", True, "tools offered", True)
        if self._override is not None and (named := self._override(text, user)) is not None:
            return Classification(named, named not in DECLARED_SIMPLE, "llmroute_classify", True)
        text = _bounded(text)
        if user in self._user_rules and (own := _heaviest(self._user_rules[user], text)) is not None:
            return own
        if self._rules is not None:
            return _heaviest(self._rules, text) or _doubtful()
        return _heaviest(builtin_rules(), text) or by_build(request_of(text)) or _doubtful()


_JOINED = Rule("multi_step", "orders joined", re.compile(""))
SEQUENCE = re.compile(
    r"\b(?:then|after (?:that|which|wards)|afterwards?|next|finally|lastly|once|before|dann|danach|anschlie(?:ß|ss)end|"
    r"schlie(?:ß|ss)lich|zum schluss|am ende|zuletzt|zuerst|erst|first)\b",
    re.IGNORECASE,
)


def _joined(ask: str) -> float:
    """The weight of several orders in one message."""
    count = len(build_of(ask).orders)
    return 8.0 if count >= 3 else 4.5 if count == 2 and SEQUENCE.search(ask) else 0.0


def by_build(ask: str) -> Classification | None:
    """What the shape of a message says where no rule knows its words: orders, questions, statements."""
    build = build_of(ask)
    named = [kind for kind in build.orders if kind]
    kind = None
    if named:
        kind = named[0]
    elif build.orders:
        kind = None
    elif build.question and build.words > 2:
        kind = "simple_chat" if build.addressed and build.words <= 10 else "simple_qa" if build.words <= 16 else None
    elif 1 < build.words <= 22 and not build.wish and MARK.strip() not in ask:
        kind = "simple_chat"
    return None if kind is None else Classification(kind, kind in COMPLEX, "how it is built", True)


def _doubtful() -> Classification:
    return Classification("complex_reasoning", True, DOUBTFUL, False)


def _heaviest(rules: Sequence[Rule], text: str) -> Classification | None:
    """The type with the most weight; None when no rule matches."""
    weights: dict[str, float] = {}
    best: dict[str, Rule] = {}
    ask = request_of(text)
    if joined := _joined(ask):
        weights["multi_step"], best["multi_step"] = joined, _JOINED
    for rule in rules:
        if weight := rule.weigh(ask, text):
            weights[rule.task_type] = weights.get(rule.task_type, 0.0) + weight
            if rule.task_type not in best or rule.weight > best[rule.task_type].weight:
                best[rule.task_type] = rule
    if not weights or max(weights.values()) <= 0:
        return None
    top = max(weights.values())
    winners = [kind for kind, weight in weights.items() if weight == top]
    if len({kind in SIMPLE for kind in winners}) > 1:
        return _doubtful()
    winner = min(winners, key=[*COMPLEX, *SIMPLE].index) if set(winners) <= {*COMPLEX, *SIMPLE} else winners[0]
    return Classification(winner, winner not in DECLARED_SIMPLE, best[winner].name, True)


def request_of(text: str) -> str:
    """What is asked, without quotations and without what is pasted after a colon or a blank line."""
    bare = QUOTED.sub(" ", text)
    ask = PASTED.split(bare, maxsplit=1)[0]
    # A question with more text behind it is asked of that text only when it points to it.
    if len(ask.split()) < 2 or (ask.endswith("?") and ask != bare and not DEICTIC.search(ask)):
        return text
    return ask if ask == text else ask.rstrip(" :") + MARK


def _bounded(text: str) -> str:
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
