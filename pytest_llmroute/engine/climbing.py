"""A task on a ladder: the small model's attempts, what is said of them, and the large model after them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pytest_llmroute.core.attempts import BESIDE, LARGE, OWN, VERIFIER, Came, Ladder, Rung, Solved, Try
from pytest_llmroute.core.replies import Reply
from pytest_llmroute.core.requests import Message, Request
from pytest_llmroute.core.steps import Ended, Entrant, Plan, Race
from pytest_llmroute.core.stops import Stop
from pytest_llmroute.engine.case import CaseRun
from pytest_llmroute.engine.checking import verdict
from pytest_llmroute.engine.engine import CallLog, Engine
from pytest_llmroute.errors import Cancelled, Cause, LLMRouteError, ModelCallError
from pytest_llmroute.prompts.formats import lacks
from pytest_llmroute.routing.ladder import climb, rungs
from pytest_llmroute.tasks.feedback import Judged, first_held, judged, well_formed
from pytest_llmroute.tasks.hints import Failure, failure_of, hint_of
from pytest_llmroute.tasks.values import TaskCase

ASKED_FOR_A_WORD = "Task:\n\n{task}\n\nAnswer:\n\n{answer}\n\nIs this answer right? Say yes or no, and nothing else."


@dataclass
class Climbing:
    """One task's climb: the whole ladder, or what of it one of two models does."""

    engine: Engine
    ladder: Ladder
    task: TaskCase
    request: Request
    run: CaseRun
    calls: CallLog | None
    stop: Stop | None = None
    """Where there is another side: is given when the other side's answer has been accepted."""
    came: tuple[Came, ...] = field(default=(), init=False)
    failure: Failure = field(default_factory=Failure, init=False)
    """Of the last attempt, as far as it may be known."""

    def plan(self, attempts: int, how: str, queued: bool) -> Plan[Solved]:
        """Whatever goes wrong in here is no failure of the task."""
        steps = rungs(self.ladder, attempts, how)
        try:
            if how == BESIDE and attempts:
                return (yield from self._raced(steps, queued))
            return (yield from self.climbed(steps, queued))
        except LLMRouteError:
            raise
        except Exception as error:
            raise ModelCallError(Cause.BACKEND, f"the ladder failed: {type(error).__name__}: {error}") from error

    def _raced(self, steps: tuple[Rung, ...], queued: bool) -> Plan[Solved]:
        """The attempts and the large model at the same time: what is accepted first, else the large model's answer."""
        stops = Stop(), Stop()
        sides = replace(self, stop=stops[0]), replace(self, stop=stops[1])
        attempts = Entrant(sides[0].climbed(steps[:-1], queued), stops[0])
        race = Race((attempts, Entrant(sides[1].climbed(steps[-1:], queued=False), stops[1])), wins=_accepted)
        small, large = (yield from race.in_turn()) if not self.engine.asks else (yield race)
        counts = next((one for one in (small, large) if one and race.won(one)), None) or _unsolved(small, large)
        if counts.error is not None:
            raise counts.error
        solved: Solved = counts.result
        return replace(solved, attempts=(*sides[0].came, *sides[1].came) if counts is large else sides[0].came)

    def climbed(self, steps: tuple[Rung, ...], queued: bool) -> Plan[Solved]:
        climbing = climb(steps, self._prepared)
        one = next(climbing)
        while True:
            reply = yield from self._asking(one.request, queued)
            queued = False
            result = yield from verdict(self.task, reply)
            if isinstance(result, Exception):
                return Solved(reply, result, self.came)
            found = judged(self.task.check, result, self.ladder.feedback)
            accepted = yield from self._accepts(one.rung, reply, found)
            self.failure = failure_of(self.task.check, found.decides)
            self.came = (*self.came, self._kept(one.rung, reply, found, accepted))
            try:
                one = climbing.send(self.came[-1])
            except StopIteration:
                return Solved(reply, found.scores, self.came)

    def _prepared(self, rung: Rung) -> Try:
        request, rung = self._formulated(rung)
        messages = self.engine.told(request, self.run.case.column)
        hint, shows = hint_of(self.failure, rung.hint, "\n".join(message.content for message in messages))
        rung = replace(rung, hint=shows)
        request = replace(request, rung=rung, hint=hint)
        if hint:
            messages = self.engine.told(request, self.run.case.column)
        settings = self.engine.decide(request, self.run.case.column).settings
        return Try(rung, request, messages, greedy=settings.temperature == 0)

    def _formulated(self, rung: Rung) -> tuple[Request, Rung]:
        """The task in the rung's formulation; in its own where the task lacks what that is made of."""
        request = replace(self.request, rung=rung, share=rung.share)
        if rung.formulation == OWN:
            return request, rung
        card = self.engine.router.catalog.model(self.engine.router.decide(request, self.run.case.column).model)
        template = self.engine.router.catalog.template(rung.formulation, card)
        if not lacks(template, request.parts):
            return replace(request, template=rung.formulation), rung
        rung = replace(rung, formulation=OWN)
        return replace(request, rung=rung), rung

    def _asking(self, request: Request, queued: bool = False) -> Plan[Reply]:
        if self.stop is not None and not self.engine.may_come(request, self.run):
            raise Cancelled("not recorded: it had been cancelled, or never begun")
        return (
            yield from self.engine.asking(
                request, self.run.case.column, run=self.run, calls=self.calls, queued=queued, stop=self.stop
            )
        )

    def _accepts(self, rung: Rung, reply: Reply, found: Judged) -> Plan[bool]:
        """The verifier's word; nobody comes after the large model, so nothing but its verdict is of interest."""
        verifier = self.ladder.verifier
        if rung.role == LARGE or verifier == "check":
            return found.decides.passed
        if verifier == "visible":
            return first_held(found.scores)
        if verifier == "syntax":
            return well_formed(self.task.check, reply.text)
        task = "\n\n".join(message.content for message in self.request.messages)
        question = Message("user", ASKED_FOR_A_WORD.format(task=task, answer=reply.text))
        word = Rung(rung.number, VERIFIER)
        asked = replace(self.request, messages=(question,), template=None, parts={}, rung=word)
        said = yield from self._asking(asked)
        return said.text.strip().strip(".!").casefold() == "yes"

    def _kept(self, rung: Rung, reply: Reply, found: Judged, accepted: bool) -> Came:
        self.run.judged(
            rung, accepted=accepted, passed=found.scores.passed, verifier=self.ladder.verifier, feedback=found.feedback
        )
        return Came(
            rung.number,
            rung.role,
            reply.model,
            accepted,
            found.scores.passed,
            found.scores.message,
            self.failure.kind,
            self.failure.shape,
            reply.timings.total,
            reply.usd,
            reply.tokens.total,
        )


def _accepted(solved: Solved) -> bool:
    return not isinstance(solved.judged, Exception) and solved.attempts[-1].accepted


def _unsolved(small: Ended | None, large: Ended | None) -> Ended:
    """What counts when nothing was accepted: what broke, since it might have been; else the large model's answer."""
    ended = [one for one in (large, small) if one is not None]
    return next(filter(_broke, ended), ended[0])


def _broke(ended: Ended) -> bool:
    if ended.error is not None:
        return not isinstance(ended.error, Cancelled)
    return isinstance(ended.result.judged, Exception)
