"""From messages to the tokens that a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_llmroute.backends.transformers_local.loading import Loaded
from pytest_llmroute.core.formats import FORMATS, find_format, folded
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.requests import Message
from pytest_llmroute.errors import Cause, ModelCallError, UnknownName


def written(card: ModelCard, tokenizer: Any, messages: Sequence[Message], *, reasoning: bool | None = None) -> str:
    """The conversation by the tokenizer's own template, else by the card's prompt format."""
    if tokenizer.chat_template:
        return _by_template(card, tokenizer, messages, reasoning)
    try:
        form = find_format(card.prompt_format)
    except UnknownName as error:
        text = f"its tokenizer has no chat template, and there is {error.what}; {error.means}"
        raise ModelCallError(Cause.BACKEND, text, model=card.name) from None
    return form.write(messages, tokenizer.bos_token or "", tokenizer.eos_token or "")


def ids_of(loaded: Loaded, text: str) -> Any:
    """The tokens of a written conversation; its marks stand in it already."""
    read = loaded.tokenizer(text, add_special_tokens=False, return_tensors="pt", verbose=False)
    return read["input_ids"].to(loaded.device)


def format_name(card: ModelCard, tokenizer: Any) -> str:
    """What wrote the prompt, for the record."""
    return "chat template" if tokenizer.chat_template else card.prompt_format or "plain"


def ends_of(card: ModelCard, loaded: Loaded) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """What ends a reply: tokens, and texts where the format's mark is no token of this model."""
    form = FORMATS.get(card.prompt_format)
    tokens, texts = list(loaded.ends), []
    known = loaded.tokenizer.get_added_vocab()
    for mark in form.ends if form else ():
        if mark in known:
            tokens.append(known[mark])
        elif not loaded.tokenizer.chat_template:
            texts.append(mark)
    return tuple(dict.fromkeys(tokens)), tuple(texts)


def _by_template(card: ModelCard, tokenizer: Any, messages: Sequence[Message], reasoning: bool | None) -> str:
    """Templates that know no system text get it within the first turn of the user."""
    from jinja2 import TemplateError

    more = {} if reasoning is None else {"enable_thinking": reasoning}
    forms = [list(messages)]
    if any(message.role == "system" for message in messages):
        forms.append(folded(messages))
    refusal = ""
    for form in forms:
        turns = [{"role": message.role, "content": message.content} for message in form]
        try:
            text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **more)
        except TemplateError as error:
            refusal = str(error)
        else:
            return text
    raise ModelCallError(Cause.BACKEND, f"its chat template refuses the messages: {refusal}", model=card.name)
