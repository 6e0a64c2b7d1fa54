"""The object behind the fixture `llm`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict, Unpack

from pytest_llmroute.codes import Code
from pytest_llmroute.core.attempts import Solved
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Request, Sampling, as_messages
from pytest_llmroute.core.steps import Plan, run_now
from pytest_llmroute.engine.case import CaseRun
from pytest_llmroute.engine.dispatch import Dispatcher
from pytest_llmroute.engine.engine import CallLog, Engine
from pytest_llmroute.engine.solving import Solver
from pytest_llmroute.errors import UserError
from pytest_llmroute.tasks.values import TaskCase

Prompt = str | Iterable[Any]


class CallOptions(TypedDict, total=False):
    """What a call may say of itself; the rest is what the test declared."""

    system: str | None
    tools: Iterable[Mapping[str, Any]] | None
    schema: Mapping[str, Any] | None
    task: str | None
    phase: str | None
    agent: str | None
    user: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    seed: int | None
    stop: Iterable[str]
    timeout: float | None
    reasoning: bool | None
    template: str | None
    logprobs: bool


class LLM:
    """Asks the model that the column's strategy chooses; what the test declared is the default."""

    def __init__(
        self, engine: Engine, run: CaseRun, calls: CallLog | None, through: Dispatcher | None = None, *, solver: Solver
    ) -> None:
        self._engine, self._run, self._calls, self._solver = engine, run, calls, solver
        self._through = through
        """Where calls wait for their slots; None: they are made at once."""

    @property
    def column(self) -> str:
        """The strategy or model that this item runs on."""
        return self._run.case.column.name

    @property
    def repeat(self) -> int:
        """Which repeat this is, counted from 1."""
        return self._run.case.repeat

    def generate(self, prompt: Prompt, **options: Unpack[CallOptions]) -> Reply:
        """Route the prompt (a text, or messages) and return the reply."""
        __tracebackhide__ = True  # of a failed call people want to see their own line
        reply: Reply = self._now(self._plan(prompt, **options))
        return reply

    def solve(self, task: Mapping[str, Any] | TaskCase) -> Solved:
        """Have a task solved and checked: asked once, or on a ladder, as the column says.

        `task` is an entry as task files have them: prompt (or messages) and check; what else it says of itself goes
        before what the test declared.
        """
        __tracebackhide__ = True
        case, declared = self._solver.load(task), self._run.case
        request = replace(
            declared.request(case.messages),
            task=case.task or declared.task,
            phase=case.phase or declared.phase,
            agent=case.agent or declared.agent,
            user=case.user or declared.user,
            timeout=declared.timeout if case.timeout is None else case.timeout,
            sampling=case.sampling.over(declared.sampling),
            template=case.template or declared.template,
            parts=case.parts or declared.parts,
        )
        plan = self._solver.solving(case, request, self._run, self._calls, judges=True)
        solved: Solved = self._now(plan)
        _ = solved.result  # raises what kept the check from being made
        return solved

    def _now(self, plan: Plan[Any]) -> Any:
        __tracebackhide__ = True
        return run_now(plan) if self._through is None else self._through.follow(plan).wait()

    def batch(self, prompts: Iterable[Prompt], **options: Unpack[CallOptions]) -> list[Reply]:
        """The replies to several prompts, in their order; the calls are made at once, as many as there are slots.

        `options` are those of `generate`, the same for all. Where calls fail, the first one's error is raised when
        all have ended.
        """
        __tracebackhide__ = True
        plans = [self._plan(prompt, **options) for prompt in prompts]
        if self._through is None:
            return [run_now(plan) for plan in plans]
        jobs = [self._through.follow(plan) for plan in plans]
        for job in jobs:
            job.settle()
        return [job.wait() for job in jobs]

    def _plan(
        self, prompt: Prompt, *, system: str | None = None, tools: Iterable[Mapping[str, Any]] | None = None,
        schema: Mapping[str, Any] | None = None, task: str | None = None, phase: str | None = None,
        agent: str | None = None, user: str | None = None, max_tokens: int | None = None,
        temperature: float | None = None, top_p: float | None = None, seed: int | None = None,
        stop: Iterable[str] = (), timeout: float | None = None, reasoning: bool | None = None,
        template: str | None = None, logprobs: bool = False,
    ) -> Plan[Reply]:  # fmt: skip
        sampling = Sampling(temperature, max_tokens, top_p, seed, tuple(stop), reasoning)
        request = self._request(
            prompt, system, task=task, phase=phase, agent=agent, user=user, timeout=timeout, sampling=sampling
        )
        request = replace(
            request,
            tools=tuple(tools or ()),
            schema=schema,
            template=template or request.template,
            logprobs=logprobs,
        )
        return self._engine.asking(request, self._run.case.column, run=self._run, calls=self._calls)

    async def agenerate(self, prompt: Prompt, **options: Unpack[CallOptions]) -> Reply:
        """`generate` for async tests: the call runs in a thread, the event loop stays free."""
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:  # trio's, under anyio
            import anyio.to_thread

            return await anyio.to_thread.run_sync(partial(self.generate, prompt, **options))
        return await _beside(partial(self.generate, prompt, **options))

    def explain(
        self, prompt: Prompt = "", *, system: str | None = None, tools: Iterable[Mapping[str, Any]] | None = None,
        task: str | None = None, phase: str | None = None, agent: str | None = None, user: str | None = None,
        max_tokens: int | None = None, temperature: float | None = None,
    ) -> Decision:  # fmt: skip
        """What would be decided, with reason and rejected candidates; nobody is called."""
        sampling = Sampling(temperature, max_tokens)
        request = self._request(
            prompt, system, task=task, phase=phase, agent=agent, user=user, timeout=None, sampling=sampling
        )
        request = replace(request, tools=tuple(tools or ()))
        return self._engine.decide(request, self._run.case.column, self._run.case.repeat)

    def _request(
        self, prompt: Prompt, system: str | None, *, task: str | None, phase: str | None, agent: str | None,
        user: str | None, timeout: float | None, sampling: Sampling,
    ) -> Request:  # fmt: skip
        _check(sampling, timeout)
        declared = self._run.case.request(as_messages(prompt, system))
        return replace(
            declared,
            task=task or declared.task,
            phase=phase or declared.phase,
            agent=agent or declared.agent,
            user=user or declared.user,
            timeout=declared.timeout if timeout is None else timeout,
            sampling=sampling.over(declared.sampling),
        )


async def _beside(make: Callable[[], Reply]) -> Reply:
    """In a daemon thread: those of asyncio's own pool are waited for after Ctrl-C, and a call may take minutes."""
    import asyncio
    import contextvars
    import threading

    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[Reply] = loop.create_future()
    context = contextvars.copy_context()

    def tell(reply: Reply | None, error: BaseException | None) -> None:
        if waiting.done():
            return  # nobody waits any more
        if error is not None:
            waiting.set_exception(error)
        elif reply is not None:
            waiting.set_result(reply)

    def run() -> None:
        reply, raised = None, None
        try:
            reply = context.run(make)
        except BaseException as error:
            raised = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, reply, raised)

    threading.Thread(target=run, name="llmroute-agenerate", daemon=True).start()
    return await waiting


def _check(sampling: Sampling, timeout: float | None) -> None:
    for name, value, low, high in (
        ("temperature", sampling.temperature, 0, 2),
        ("max_tokens", sampling.max_tokens, 1, None),
        ("top_p", sampling.top_p, 0, 1),
        ("timeout", timeout, 0, None),
    ):
        if value is None:
            continue
        bad = isinstance(value, bool) or not isinstance(value, int | float)
        if bad or not value >= low or (high is not None and value > high):
            allowed = f"from {low} to {high}" if high is not None else f"of at least {low}"
            raise UserError(f"{name}={value!r}: must be a number {allowed}", code=Code.CALL)
