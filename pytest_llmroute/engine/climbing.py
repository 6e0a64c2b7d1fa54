"""A task on a ladder: the small model's attempts, what is said of them, and the large model after them."""

from __future__ import annotations

from dataclasses import replace

from pytest_llmroute.core.attempts import LARGE, OWN, VERIFIER, Came, Ladder, Rung, Solved, Try
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Message, Request
from pytest_llmroute.core.steps import Plan
from pytest_llmroute.engine.case import CaseRun
from pytest_llmroute.engine.checking import verdict
from pytest_llmroute.engine.engine import CallLog, Engine
from pytest_llmroute.errors import Cause, LLMRouteError, ModelCallError
from pytest_llmroute.prompts.formats import lacks
from pytest_llmroute.routing.ladder import climb, rungs
from pytest_llmroute.tasks.feedback import Judged, first_held, judged, well_formed
from pytest_llmroute.tasks.hints import Failure, failure_of, hint_of
from pytest_llmroute.tasks.values import TaskCase

ASKED_FOR_A_WORD = "Task:\n\n{task}\n\nAnswer:\n\n{answer}\n\nIs this answer right? Say yes or no, and nothing else."


class Climbing:
    """One task's climb."""

    def __init__(
        self, engine: Engine, ladder: Ladder, task: TaskCase, request: Request, run: CaseRun, calls: CallLog | None
    ) -> None:
        self._engine, self._ladder, self._task, self._request = engine, ladder, task, request
        self._run, self._calls, self._column = run, calls, run.case.column
        self._failure = Failure()
        """Of the last attempt, as far as it may be known."""

    def plan(self, attempts: int, queued: bool) -> Plan[Solved]:
        """Whatever goes wrong in here is no failure of the task."""
        try:
            return (yield from self._climbed(attempts, queued))
        except LLMRouteError:
            raise
        except Exception as error:
            raise ModelCallError(Cause.BACKEND, f"the ladder failed: {type(error).__name__}: {error}") from error

    def _climbed(self, attempts: int, queued: bool) -> Plan[Solved]:
        climbing = climb(rungs(self._ladder, attempts), self._prepared)
        one = next(climbing)
        came: tuple[Came, ...] = ()
        while True:
            reply = yield from self._asking(replace(self._formulated(one.rung), hint=one.hint), queued)
            queued = False
            result = yield from verdict(self._task, reply)
            if isinstance(result, Exception):
                return Solved(reply, result, came)
            found = judged(self._task.check, result, self._ladder.feedback)
            accepted = yield from self._accepts(one.rung, reply, found)
            self._failure = failure_of(self._task.check, found.decides)
            came = (*came, self._kept(one.rung, reply, found, accepted))
            try:
                one = climbing.send(came[-1])
            except StopIteration:
                return Solved(reply, found.scores, came)

    def _prepared(self, rung: Rung) -> Try:
        request = self._formulated(rung)
        told = "\n".join(message.content for message in self._engine.told(request, self._column))
        hint, shows = hint_of(self._failure, rung.hint, told)
        request = replace(request, hint=hint)
        settings = self._engine.decide(request, self._column).settings
        messages = self._engine.told(request, self._column)
        return Try(replace(rung, hint=shows), hint, messages, greedy=settings.temperature == 0)

    def _formulated(self, rung: Rung) -> Request:
        """The task in the rung's formulation; in its own where the task lacks what that is made of."""
        request = replace(self._request, rung=rung, share=rung.share)
        if rung.formulation == OWN:
            return request
        card = self._engine.router.catalog.model(self._engine.router.decide(request, self._column).model)
        template = self._engine.router.catalog.template(rung.formulation, card)
        if lacks(template, request.parts):
            return replace(request, rung=replace(rung, formulation=OWN))
        return replace(request, template=rung.formulation)

    def _asking(self, request: Request, queued: bool = False) -> Plan[Reply]:
        return self._engine.asking(request, self._column, run=self._run, calls=self._calls, queued=queued)

    def _accepts(self, rung: Rung, reply: Reply, found: Judged) -> Plan[bool]:
        """The verifier's word; nobody comes after the large model, so nothing but its verdict is of interest."""
        verifier = self._ladder.verifier
        if rung.role == LARGE or verifier == "check":
            return found.decides.passed
        if verifier == "visible":
            return first_held(found.scores)
        if verifier == "syntax":
            return well_formed(self._task.check, reply.text)
        task = "\n\n".join(message.content for message in self._request.messages)
        question = Message("user", ASKED_FOR_A_WORD.format(task=task, answer=reply.text))
        word = Rung(rung.number, VERIFIER)
        asked = replace(self._request, messages=(question,), template=None, parts={}, rung=word)
        said = yield from self._asking(asked)
        return said.text.strip().strip(".!").casefold() == "yes"

    def _kept(self, rung: Rung, reply: Reply, found: Judged, accepted: bool) -> Came:
        self._run.judged(
            rung, accepted=accepted, passed=found.scores.passed, verifier=self._ladder.verifier, feedback=found.feedback
        )
        return Came(
            rung.number,
            rung.role,
            reply.model,
            accepted,
            found.scores.passed,
            found.scores.message,
            self._failure.kind,
            self._failure.shape,
            reply.timings.total,
            reply.usd,
            reply.tokens.total,
        )
