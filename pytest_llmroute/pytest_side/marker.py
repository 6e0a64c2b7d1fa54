"""The marker `llm`: its arguments as one checked value."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_llmroute.codes import Code
from pytest_llmroute.core.placeholders import fill, placeholders
from pytest_llmroute.core.requests import Message, as_messages
from pytest_llmroute.errors import UserError, nearest, printable


@dataclass(frozen=True, slots=True)
class Declared:
    """What a test says of itself."""

    task: str | None = None
    phase: str | None = None
    agent: str | None = None
    user: str | None = None
    models: tuple[str, ...] = ()
    prompt: Any = None
    system: str | None = None
    repeat: int | None = None
    min_pass: int | None = None
    must_pass: bool = False
    timeout: float | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    template: str | None = None


ALLOWED = ("task", "phase", "agent", "user", "model", "models", "prompt", "system", "repeat", "min_pass",
           "must_pass", "timeout", "temperature", "max_tokens", "template")  # fmt: skip


def declared(marks: Iterable[pytest.Mark], where: str) -> Declared:
    """The nearest mark wins, argument by argument; raises UserError for what it can't be."""
    values: dict[str, Any] = {}
    for mark in marks:
        if mark.args:
            raise UserError(
                f"{where}: the marker llm takes keyword arguments only",
                code=Code.MARKER,
                means="another plugin may use a marker of this name; ours is read on tests that use our llm fixture",
                fix='@pytest.mark.llm(task="fix")',
            )
        for key, value in mark.kwargs.items():
            values.setdefault(key, value)
    for key in values:
        if key not in ALLOWED:
            near = nearest(key, ALLOWED)
            raise UserError(
                f'{where}: the marker llm has no argument "{key}"' + (f' (did you mean "{near}"?)' if near else ""),
                code=Code.MARKER,
                means=f"allowed: {', '.join(ALLOWED)}",
            )
    _check(values, where)
    models = values.pop("models", None)
    model = values.pop("model", None)
    if models is not None and model is not None:
        raise UserError(f"{where}: the marker llm names model and models; one of them is enough", code=Code.MARKER)
    names = (models,) if isinstance(models, str) else tuple(models or ())
    return Declared(models=(model,) if model else names, **values)


def _check(values: Mapping[str, Any], where: str) -> None:
    for key in ("task", "phase", "agent", "user", "model", "system", "template"):
        if key in values and (not isinstance(values[key], str) or not values[key]):
            raise _wrong(where, key, values[key], "a text")
    for key in ("repeat", "min_pass", "max_tokens"):
        value = values.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise _wrong(where, key, value, "a whole number of at least 1")
    if values.get("repeat", 1) > 1000:
        raise _wrong(where, "repeat", values["repeat"], "at most 1000")
    for key, low, high in (("timeout", 0.0, float("inf")), ("temperature", 0.0, 2.0)):
        value = values.get(key, 0.5)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise _wrong(where, key, value, f"a number from {low:g} to {high:g}")
    if not isinstance(values.get("must_pass", False), bool):
        raise _wrong(where, "must_pass", values["must_pass"], "True or False")
    models = values.get("models", ())
    if not isinstance(models, str | list | tuple) or not all(isinstance(m, str) and m for m in models):
        raise _wrong(where, "models", models, "a list of names")
    if "min_pass" in values and "repeat" in values and values["min_pass"] > values["repeat"]:
        raise UserError(
            f"{where}: min_pass={values['min_pass']} can't be reached in repeat={values['repeat']} tries",
            code=Code.REPEATS,
        )
    if "min_pass" in values and values.get("must_pass"):
        raise UserError(f"{where}: min_pass allows misses and must_pass allows none; choose one", code=Code.REPEATS)


def _wrong(where: str, key: str, value: Any, wanted: str) -> UserError:
    return UserError(f"{where}: marker llm: {key}={printable(repr(value), 80)} must be {wanted}", code=Code.MARKER)


def messages_of(spec: Declared, params: Mapping[str, Any], where: str) -> tuple[Message, ...]:
    """The declared prompt with the test's parameters filled in."""
    prompt = spec.prompt
    if prompt is None:
        raise UserError(
            f"{where}: llm_reply needs the prompt that it answers",
            code=Code.PROMPT,
            fix='@pytest.mark.llm(prompt="Name the class of this error: {message}")',
            instead="use the fixture llm and call llm.generate(…) in the test",
        )
    if callable(prompt):
        prompt = _call(prompt, params, where)
    elif isinstance(prompt, str):
        prompt = _filled(prompt, params, where)
    return as_messages(prompt, spec.system)


def names_in(prompt: Any) -> frozenset[str]:
    """The parameters that a prompt uses."""
    if callable(prompt):
        return frozenset(inspect.signature(prompt).parameters)
    return placeholders(prompt) if isinstance(prompt, str) else frozenset()


def let_prompt_use_parameters(metafunc: pytest.Metafunc, spec: Declared) -> None:
    """A parameter that only the declared prompt uses need not be an argument of the test function too."""
    if spec.prompt is None:
        return
    for mark in metafunc.definition.iter_markers("parametrize"):
        given = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        names = given.split(",") if isinstance(given, str) else given
        for name in {str(name).strip() for name in names} & names_in(spec.prompt):
            if name not in metafunc.fixturenames:
                metafunc.fixturenames.append(name)


def _filled(prompt: str, params: Mapping[str, Any], where: str) -> str:
    def missing(name: str) -> UserError:
        near = nearest(name, params)
        return UserError(
            f'{where}: the prompt names {{{name}}}, and the test has no parameter "{name}"'
            + (f' (did you mean "{near}"?)' if near else ""),
            code=Code.PROMPT,
            means=f"parameters: {', '.join(params) or 'none'}",
            fix=f"write {{{{{name}}}}} for the braces themselves",
        )

    return fill(prompt, params, missing)


def _call(function: Callable[..., Any], params: Mapping[str, Any], where: str) -> Any:
    wanted = inspect.signature(function).parameters
    missing = [
        name for name, p in wanted.items()
        if name not in params and p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]  # fmt: skip
    if missing:
        raise UserError(
            f"{where}: the prompt function asks for {', '.join(missing)}, which are no parameters of the test",
            code=Code.PROMPT,
            means=f"parameters: {', '.join(params) or 'none'}",
        )
    if any(p.kind is p.VAR_KEYWORD for p in wanted.values()):
        return function(**params)
    return function(**{name: params[name] for name in wanted if name in params})
