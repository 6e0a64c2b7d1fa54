"""The engine of a session: asks the router, makes the call, keeps the record of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from pytest_llmroute.backends.chain import answering
from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.records import CANCELLED, CallRecord
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Message, Request, Sampling
from pytest_llmroute.core.steps import Plan, run_now
from pytest_llmroute.core.stops import Stop, kept_off, telling
from pytest_llmroute.engine.case import SETTINGS, CaseRun, call_record, digest, more_of, reply_of
from pytest_llmroute.engine.events import Events
from pytest_llmroute.engine.gauge import Gauge
from pytest_llmroute.errors import Cause, LLMRouteError, ModelCallError, OutOfBudget
from pytest_llmroute.measure.mark import Usage
from pytest_llmroute.measure.meter import ProcessMeter
from pytest_llmroute.prompts.formats import opening_of
from pytest_llmroute.prompts.templates import identity, messages_for
from pytest_llmroute.routing.router import Router, log
from pytest_llmroute.store.journal import KeptCall

if TYPE_CHECKING:
    from pytest_llmroute.engine.budget import Spending
    from pytest_llmroute.engine.kept import KeptReplies
    from pytest_llmroute.engine.replay import Open, Replay


class CallLog(Protocol):
    """Where calls are kept with their texts: the journal."""

    def call(self, kept: KeptCall) -> None: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """Router and opened models of one session."""

    router: Router
    pool: BackendPool
    scripted: Callable[[Call], Any]
    """Asks the hook `llmroute_scripted`."""
    limit: float | None = None
    """Seconds for the calls of one test together, where the test says nothing."""
    meter: ProcessMeter | None = None
    replay: Replay | None = None
    spending: Spending | None = None
    """The budget of the run, where it has one."""
    events: Events | None = None
    kept: KeptReplies | None = None
    """Of the run that is resumed."""
    _cards: dict[str, str] = field(default_factory=dict)
    """Hashes of the cards that were asked."""
    _policies: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """Hashes of the ways that were gone; few, and the same for all calls that go them."""

    @property
    def asks(self) -> bool:
        """Whether any model may be asked."""
        return self.replay is None or self.replay.asks

    def decide(self, request: Request, column: Column, repeat: int = 0) -> Decision:
        decision = self.router.decide(request, column, repeat=repeat)
        if not (decision.template or request.hint):
            return decision
        card = self.router.catalog.model(decision.model)
        settings, clamped_from = self._settings(request, decision, card, repeat, self._messages(request, card))
        return replace(decision, settings=settings, clamped_from=clamped_from)

    def _fitted(
        self, request: Request, decision: Decision, card: ModelCard, repeat: int
    ) -> tuple[tuple[Message, ...], Sampling, int | None]:
        """What one model is sent: the prompt in its template, settings within its limits."""
        messages = self._messages(request, card)
        if card.name == decision.model:
            return messages, decision.settings, decision.clamped_from
        return messages, *self._settings(request, decision, card, repeat, messages)

    def told(self, request: Request, column: Column) -> tuple[Message, ...]:
        """What the model that is asked first would be sent."""
        return self._messages(request, self.router.catalog.model(self.router.decide(request, column).model))

    def _messages(self, request: Request, card: ModelCard) -> tuple[Message, ...]:
        template = self.router.template(request, card)
        return request.messages if template is None and not request.hint else messages_for(request, template, card)

    def _settings(
        self, request: Request, decision: Decision, card: ModelCard, repeat: int, messages: Sequence[Message]
    ) -> tuple[Sampling, int | None]:
        characters = sum(len(message.content) for message in messages)
        return self.router.settings(request, card, decision.asked, repeat, characters)

    def ask(
        self, request: Request, column: Column, *, run: CaseRun | None = None, calls: CallLog | None = None
    ) -> Reply:
        """One request to its reply, in this thread."""
        __tracebackhide__ = True  # of a failed call people want to see their own line
        return run_now(self.asking(request, column, run=run, calls=calls))

    def asking(
        self, request: Request, column: Column, *, run: CaseRun | None = None, calls: CallLog | None = None,
        queued: bool = False, stop: Stop | None = None, decision: Decision | None = None,
    ) -> Plan[Reply]:  # fmt: skip
        """The steps from a request to its reply; a failure is recorded before it is raised.

        `queued`: those who watch the run know of it already; `decision`: it was made before. `stop` gives the call up:
        that is recorded by whoever gives it, however long the model goes on. Whatever goes wrong in here is no failure
        of the test.
        """
        __tracebackhide__ = True
        try:
            return (yield from self._asking(request, column, run, calls, queued, stop, decision))
        except LLMRouteError:
            raise
        except Exception as error:
            raise ModelCallError(Cause.BACKEND, f"the engine failed: {type(error).__name__}: {error}") from error

    def _asking(
        self, request: Request, column: Column, run: CaseRun | None, calls: CallLog | None, queued: bool,
        stop: Stop | None, decision: Decision | None,
    ) -> Plan[Reply]:  # fmt: skip
        __tracebackhide__ = True
        decision = decision or self.decide(request, column, run.case.repeat if run else 0)
        if run is not None and self.events is not None and not queued:
            self.events.tell("queued", run.case, model=decision.model)
        log.info("%s", decision.log_line)
        catalog = self.router.catalog
        cards = [catalog.model(name) for name in (decision.model, *decision.chain)]
        asked = self.asked(request, decision, run.case.repeat) if run else ""
        if run and self.kept and (found := self.kept.take(run.case.nodeid, asked)):
            return self._again(found, request, decision, run, calls)
        for card in cards[:1]:
            self.router.check_place(decision, self.pool.endpoint(card))
            if self.asks and (missing := self.pool.missing(card)):
                raise missing
        started = time.perf_counter()
        gauge = Gauge(self.meter if self.asks else None)
        begun: list[float] = []
        """When each try began; empty again when the call has been kept."""

        def call_for(card: ModelCard) -> Call:
            call = self._call(card, request, decision, run)
            if stop is not None:
                stop.check()
                call = replace(call, stop=stop)
            begun.append(time.perf_counter())
            gauge.begin(self.pool.endpoint(card))
            return call

        def given_up() -> None:
            if begun:
                self._keep(request, decision, None, run, calls, asked, CANCELLED, time.perf_counter() - begun[0])

        with telling(stop, given_up):
            try:
                reply = yield from answering(
                    cards,
                    call_for,
                    self._opener(run),
                    canned=decision.canned,
                    left=lambda: self._left(request, run),
                    breaker_of=self.pool.breaker,
                    known=lambda card: self._known(card, request, decision, run),
                )
            except OutOfBudget:
                if run is not None:
                    run.refused = True
                raise
            except ModelCallError as error:
                seconds = time.perf_counter() - started
                with kept_off(stop):
                    begun.clear()
                    self._keep(request, decision, None, run, calls, asked, error.cause.value, seconds, gauge.end())
                raise
            finally:
                server = gauge.end()
            reply = self._loaded(reply)
            reply = reply.priced(catalog.models.get(reply.model))
            reply = reply.with_(decision=decision, parsed=_parsed(reply, request))
            with kept_off(stop):
                begun.clear()
                self._keep(request, decision, reply, run, calls, asked, server=server)
        return self._whole(reply, request)

    def asked(self, request: Request, decision: Decision, repeat: int) -> str:
        """Hashes of the card that is asked first, and of all that it is asked."""
        card = self.router.catalog.model(decision.model)
        messages, settings, _ = self._fitted(request, decision, card, repeat)
        said = [(one.role, one.content, one.tool_calls, one.tool_call_id) for one in messages]
        sampling = [getattr(settings, name) for name in SETTINGS]
        return f"{self.card_hash(card)}-{digest([said, sampling, request.tools, request.schema, request.logprobs])}"

    def card_hash(self, card: ModelCard) -> str:
        if card.name not in self._cards:
            self._cards[card.name] = digest(card.decisive)[:8]
        return self._cards[card.name]

    def _again(
        self, kept: KeptCall, request: Request, decision: Decision, run: CaseRun, calls: CallLog | None
    ) -> Reply:
        """The reply that the run got before it was cut short: the call is kept as it was."""
        run.calls.append(kept.call)
        if calls is not None:
            calls.call(kept)
        if self.replay is not None:
            card = self.router.catalog.model(kept.call.model)
            self.replay.passed(self._call(card, request, decision, run), run.case.nodeid)
        reply = reply_of(kept).with_(decision=decision)
        return self._whole(reply.with_(parsed=_parsed(reply, request)), request)

    def _whole(self, reply: Reply, request: Request) -> Reply:
        """With what it continues, where the prompt was a text to continue; what is kept of the call is as it came."""
        if reply.link == "canned" or not request.parts:
            return reply
        template = self.router.template(request, self.router.catalog.model(reply.model))
        if template is None or not template.opening:
            return reply
        from pytest_llmroute.prompts.continuation import continued

        return reply.with_(text=continued(opening_of(template, request.parts), reply.text))

    def _loaded(self, reply: Reply) -> Reply:
        """The first reply after a load that was made for it says so."""
        if reply.replayed or reply.reused or (seconds := self.pool.taken_load(reply.model)) is None:
            return reply
        return reply.with_(cold=True, timings=replace(reply.timings, load=reply.timings.load + seconds))

    def _opener(self, run: CaseRun | None) -> Open:
        """What opens a model: the pool, or what stands before it."""
        open_ = self.pool.get if self.spending is None else self.spending.over_models(self.pool.get)
        return open_ if self.replay is None else self.replay.over(open_, run.case.nodeid if run else "")

    def _known(self, card: ModelCard, request: Request, decision: Decision, run: CaseRun | None) -> bool:
        """Whether the reply is there without asking the model."""
        if self.replay is None or not self.replay.looks:
            return not self.asks
        if card.scripted:
            return False
        return self.replay.knows(self._call(card, request, decision, run), run.case.nodeid if run else "")

    def may_come(self, request: Request, run: CaseRun) -> bool:
        """Whether the first model's reply to this may be had: where nobody is asked, only what is recorded."""
        if self.replay is None or self.asks:
            return True
        decision = self.decide(request, run.case.column, run.case.repeat)
        call = self._call(self.router.catalog.model(decision.model), request, decision, run)
        return call.card.scripted or self.replay.records(call, run.case.nodeid)

    def _left(self, request: Request, run: CaseRun | None) -> float | None:
        """Seconds that this call has: its own limit, within what the test has left."""
        if run is None:
            return self.limit if request.timeout is None else request.timeout
        limits = [limit for limit in (request.timeout, run.left(self.limit)) if limit is not None]
        return min(limits, default=None)

    def _call(self, card: ModelCard, request: Request, decision: Decision, run: CaseRun | None) -> Call:
        case = run.case if run else None
        messages, settings, _ = self._fitted(request, decision, card, case.repeat if case else 0)
        call = Call(
            card=card,
            messages=messages,
            settings=settings,
            role=self.router.role_of(card.name),
            case_id=case.case_id if case else "",
            column=decision.column,
            repeat=case.repeat if case else 1,
            attempt=request.rung.number if request.rung else 1,
            task=decision.task,
            tools=request.tools,
            schema=request.schema,
            logprobs=request.logprobs,
            script=case.script if case else None,
        )
        if call.script is not None or (script := self.scripted(call)) is None:
            return call
        return replace(call, script=script)

    def policy_id(self, column: str, decided_by: str, strategy: str) -> str:
        way = column, decided_by, strategy
        if way not in self._policies:
            self._policies[way] = self._hash_of(*way)
        return self._policies[way]

    def _hash_of(self, column: str, decided_by: str, strategy: str) -> str:
        profile = self.router.profile
        table = self.router.catalog.tables.get(strategy)
        way = {name: part for name, part in asdict(table).items() if part is not None} if table else None
        own = {cell: use for cell, use in profile.overrides.items() if cell.startswith(f"{strategy}.")}
        roles = [profile.name, dict(profile.roles), own]
        return digest([column, decided_by, *roles, way])

    def _keep(
        self, request: Request, decision: Decision, reply: Reply | None, run: CaseRun | None,
        calls: CallLog | None, asked: str, error_class: str | None = None, seconds: float = 0.0,
        server: Usage | None = None,
    ) -> None:  # fmt: skip
        if run is None:
            return
        name = reply.model if reply and reply.link != "canned" else decision.model
        card = self.router.catalog.model(name)
        messages, settings, clamped_from = self._fitted(request, decision, card, run.case.repeat)
        template = self.router.template(request, card)
        kept = call_record(
            messages,
            decision,
            settings,
            clamped_from,
            attempt=next(run.attempts),
            backend=card.backend,
            policy_id=self.policy_id(decision.column, decision.decided_by, decision.strategy),
            reply=reply,
            asked=asked,
            error_class=error_class,
            seconds=seconds,
            template=identity(template) if template is not None else None,
            rung=request.rung,
            server=None if reply and (reply.link == "canned" or reply.replayed or reply.reused) else server,
        )
        if kept.cancelled:
            most = self.pool.may_take(card, settings, sum(len(message.content) for message in messages))
            kept = replace(kept, tokens_exact=False, usd=most.usd if card.price is not None else None)
        run.calls.append(kept)
        if calls is not None:
            texts = tuple({"role": message.role, "content": message.content} for message in messages)
            text, more = (reply.text, more_of(reply)) if reply else (None, {})
            calls.call(KeptCall(run.case.nodeid, kept, texts, text, more))
        if self.events is not None:
            self.events.tell("called", run.case, outcome=error_class or "", **_figures(kept))


def _figures(call: CallRecord) -> dict[str, Any]:
    """Of a call, for who watches."""
    return {
        "model": call.model, "seconds": call.total_s, "usd": call.usd, "replayed": call.replayed or call.reused,
        "prompt_tokens": call.prompt_tokens, "completion_tokens": call.completion_tokens,
    }  # fmt: skip


def _parsed(reply: Reply, request: Request) -> Any:
    """The reply as JSON where a schema was asked for; None where it does not fit the schema."""
    if request.schema is None:
        return reply.parsed
    import jsonschema

    try:
        value = json.loads(reply.text)
        jsonschema.validate(value, dict(request.schema))
    except (ValueError, RecursionError, jsonschema.ValidationError):
        return None
    return value
