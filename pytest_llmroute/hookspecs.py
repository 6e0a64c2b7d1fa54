"""Every extension point. Write a function of the same name in a conftest.py, in a pytest plugin, or in a module
behind an entry point of the group `llmroute`; the built-in parts come in through these same hooks.

An implementation may leave out arguments that it does not need.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pytest_llmroute.backends.contract import BackendType, Surroundings
    from pytest_llmroute.core.events import Event
    from pytest_llmroute.core.models import ModelCard
    from pytest_llmroute.core.replies import Call
    from pytest_llmroute.core.templates import Template
    from pytest_llmroute.routing.contract import Strategy
    from pytest_llmroute.tasks.checks import CheckType

PROJECT = "llmroute"
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def llmroute_strategies() -> Iterable[Strategy]:  # type: ignore[empty-body]
    """Strategies by name, each with `route(query) -> Choice`.

    ```python
    from pytest_llmroute import Choice

    class Coin:
        name, about = "coin", "short prompts to the small model"
        def route(self, query):
            role = "small" if len(query.request.text) < 80 else "large"
            return Choice(query.role(role), f"coin: {role}")

    def llmroute_strategies():
        return [Coin()]
    ```
    """


@hookspec
def llmroute_backends(around: Surroundings) -> Iterable[BackendType]:  # type: ignore[empty-body]
    """Ways to reach models: a name, and a function that opens one model.

    `around` (environment, hosts, folders) may be left out, as any argument of a hook.

    ```python
    from pytest_llmroute import BackendType, Reply

    class Echo:
        def __init__(self, card): self.card = card
        def generate(self, call): return Reply(call.messages[-1].content, self.card.name)
        def close(self): pass

    def llmroute_backends():
        return [BackendType("echo", Echo)]
    ```
    """


@hookspec
def llmroute_models() -> Iterable[ModelCard]:  # type: ignore[empty-body]
    """Cards of further models, to be used by name.

    ```python
    from pytest_llmroute import ModelCard

    def llmroute_models():
        return [ModelCard("parrot", backend="echo")]
    ```
    """


@hookspec
def llmroute_templates() -> Iterable[Template]:  # type: ignore[empty-body]
    """Further ways to tell a prompt, or others for built-in ones; `{tests}` and the like are parts of a task.

    ```python
    from pytest_llmroute import Section, Template

    def llmroute_templates():
        return [Template("curt", "curt", "{text}", sections=(Section("It must hold: {tests}", needs=("tests",)),))]
    ```
    """


@hookspec
def llmroute_checks() -> Iterable[CheckType]:  # type: ignore[empty-body]
    """Further checks for task files; see `docs/architecture.md` for one in ten lines."""


@hookspec(firstresult=True)
def llmroute_classify(text: str, user: str | None) -> str | None:
    """The task type of a message, for the strategies that classify; None leaves it to the rules.

    ```python
    def llmroute_classify(text, user):
        return "tool_use" if user == "ops" and text.startswith("deploy") else None
    ```
    """


@hookspec(firstresult=True)
def llmroute_scripted(call: Call) -> Any:
    """What a scripted model answers: a text, a ScriptedAnswer, or None for somebody else to answer.

    ```python
    def llmroute_scripted(call):
        return "int x = 1;" if "int x = 1" in call.messages[-1].content else None
    ```
    """


@hookspec
def llmroute_event(event: Event) -> None:
    """Hears what happens as it happens: `event.kind` is queued, loading, called, judged or recorded.

    Calls come one at a time, from any thread, while the run waits: do little. Under xdist each worker hears of its own
    items. Who raises is named at the end of the run and hears nothing more of it.

    ```python
    def llmroute_event(event):
        if event.kind == "called":
            print(f"{event.nodeid}: {event.model} {event.seconds:.1f} s, {event.completion_tokens} tokens")
    ```
    """
