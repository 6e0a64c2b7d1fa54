"""One case on one column: what it is, and what happened to it so far."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_llmroute.core.attempts import Rung
from pytest_llmroute.core.columns import Column
from pytest_llmroute.core.decisions import Decision
from pytest_llmroute.core.records import CallRecord, Record, answered_by
from pytest_llmroute.core.replies import LinkFailure, Reply, Timings, Tokens
from pytest_llmroute.core.requests import Message, Request, Sampling
from pytest_llmroute.core.templates import Parts
from pytest_llmroute.measure.mark import Usage
from pytest_llmroute.store.journal import KeptCall

if TYPE_CHECKING:
    from pytest_llmroute.core.solutions import Solution

SETTINGS = tuple(item.name for item in fields(Sampling))
SEEDLESS = tuple(name for name in SETTINGS if name != "seed")


@dataclass(frozen=True, slots=True)
class Case:
    """Identity and defaults of one item: test or task, column, phase, repeat."""

    nodeid: str
    case_id: str
    column: Column
    line: int = 0
    repeat: int = 1
    repeats: int = 1
    round: int = 1
    """Above 1 for a repeat that runs only if the results before it ask for it."""
    min_pass: int | None = None
    must_pass: bool = False
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    check_hash: str | None = None
    source_hash: str = ""
    task: str | None = None
    phase: str | None = None
    agent: str | None = None
    user: str | None = None
    model: str | None = None
    timeout: float | None = None
    sampling: Sampling = Sampling()
    template: str | None = None
    parts: Parts = field(default_factory=dict)
    script: Any = None

    @property
    def group(self) -> str:
        """The same for all repeats of this case on this column."""
        return f"{self.case_id} @{self.phase or '-'} {self.column.kind}:{self.column.name}"

    @property
    def gated(self) -> bool:
        return not self.must_pass

    def request(self, messages: tuple[Message, ...]) -> Request:
        """What this case asks when the call itself says nothing else."""
        return Request(
            messages=messages,
            task=self.task,
            phase=self.phase,
            agent=self.agent,
            user=self.user,
            model=self.model,
            sampling=self.sampling,
            timeout=self.timeout,
            template=self.template,
            parts=self.parts,
        )

    def draft(self, run_id: str, profile: str, worker: str, *, shared: bool) -> Record:
        """The record as it stands before anything has happened."""
        return Record(
            run_id=run_id,
            nodeid=self.nodeid,
            case_id=self.case_id,
            column=self.column.name,
            suite=self.case_id.partition("::")[0],
            line=self.line,
            column_kind=self.column.kind,
            strategy=self.column.name if self.column.kind == "strategy" else "",
            profile=profile,
            task=self.task,
            phase=self.phase,
            agent=self.agent,
            user=self.user,
            repeat=self.repeat,
            repeats=self.repeats,
            group=self.group,
            min_pass=self.min_pass,
            must_pass=self.must_pass,
            gated=self.gated,
            tags=self.tags,
            weight=self.weight,
            check_hash=self.check_hash,
            source_hash=self.source_hash,
            outcome="interrupted",
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            shared=shared,
            worker=worker,
        )


@dataclass(slots=True)
class CaseRun:
    """The running state of one case; its calls may come from several threads."""

    case: Case
    draft: Record
    calls: list[CallRecord] = field(default_factory=list)
    attempts: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """Numbers of the calls, which may come from several threads; a rerun of the test goes on counting."""
    setup_seconds: float = 0.0
    """Model time of calls that were made while the test was set up."""

    until: float | None = None
    refused: bool = False
    """Whether a call was not made for want of budget: then the case says nothing, whatever its test made of that."""

    def left(self, limit: float | None) -> float | None:
        """Seconds that this case's calls have left; the clock starts with the first of them."""
        limit = self.case.timeout if self.case.timeout is not None else limit
        if limit is None:
            return None
        if self.until is None:
            self.until = time.monotonic() + limit
        return max(0.0, self.until - time.monotonic())

    @property
    def model(self) -> str:
        """The one whose answer counts so far."""
        return answered_by(self.calls)

    @property
    def replied(self) -> bool:
        return any(call.error_class is None for call in self.calls)

    @property
    def canned(self) -> bool:
        return any(call.link == "canned" for call in self.calls)

    def judged(self, rung: Rung, **found: Any) -> None:
        """What came of an attempt, into the record of its call."""
        for place, call in reversed(list(enumerate(self.calls))):
            if (call.rung, call.role, call.accepted) == (rung.number, rung.role, None):
                self.calls[place] = replace(call, **found)
                return

    def finish(self, outcome: str, *, message: str = "", error_class: str | None = None,
               score: float | None = None, solution: Solution | None = None,
               usage: Mapping[str, Any] | None = None, seconds: float = 0.0) -> Record:  # fmt: skip
        """The final record."""
        calls = tuple(self.calls)
        priced = [call.usd for call in calls if call.usd is not None]
        return replace(
            self.draft,
            outcome=outcome,
            success=outcome == "passed",
            score=score,
            solution=solution,
            first_attempt=_at_once(calls),
            error_class=error_class,
            message=message,
            seconds=seconds,
            calls=calls,
            prompt_tokens=sum(call.prompt_tokens for call in calls),
            completion_tokens=sum(call.completion_tokens for call in calls),
            tokens_exact=all(call.tokens_exact for call in calls),
            usd=sum(priced) if priced else None,
            forced=any(call.decided_by == "forced" for call in calls),
            scripted=any(call.scripted for call in calls),
            canned=self.canned,
            replayed=any(call.replayed for call in calls),
            reused=any(call.reused for call in calls),
            **(usage or {}),
        )


def _at_once(calls: Sequence[CallRecord]) -> bool:
    """Whether the first call, without a fallback, brought what counts.

    On a ladder that is the first attempt, whatever the large model was asked at the same time.
    """
    accepted = any(call.rung == 1 and call.accepted for call in calls)
    return all(
        call.link == "primary" and call.error_class is None and (call.rung < 2 or accepted)
        for call in calls
        if not (accepted and call.cancelled)
    )


def call_record(
    messages: Sequence[Message], decision: Decision, settings: Sampling, clamped_from: int | None, *, attempt: int,
    backend: str, policy_id: str, reply: Reply | None, asked: str = "", error_class: str | None = None,
    seconds: float = 0.0, template: str | None = None, server: Usage | None = None, rung: Rung | None = None,
) -> CallRecord:  # fmt: skip
    """What is kept of one call; messages and settings are those of the model that answered."""
    step = {"rung": rung.number, "role": rung.role, "formulation": rung.formulation, "hint": rung.hint} if rung else {}
    tokens = reply.tokens if reply else None
    timings = reply.timings if reply else None
    return CallRecord(
        model=reply.model if reply else decision.model,
        backend=backend,
        link=reply.link if reply else "primary",
        attempt=attempt,
        task=decision.task,
        task_declared=decision.task_declared,
        reason=decision.reason,
        decided_by=decision.decided_by,
        rejected=tuple((item.model, item.reason) for item in decision.rejected),
        failures=tuple((item.model, item.cause, item.text) for item in reply.failures) if reply else (),
        **step,  # type: ignore[arg-type]
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        top_p=settings.top_p,
        seed=settings.seed,
        reasoning=settings.reasoning,
        clamped_from=clamped_from,
        template=template,
        retries=reply.retries if reply else 0,
        settings_hash=_settings_hash(*(getattr(settings, name) for name in SEEDLESS)),
        prompt_hash=digest([(message.role, message.content) for message in messages]),
        asked=asked,
        prompt_tokens=tokens.prompt if tokens else 0,
        completion_tokens=tokens.completion if tokens else 0,
        tokens_exact=tokens.exact if tokens else True,
        queue_s=timings.queue if timings else 0.0,
        load_s=timings.load if timings else 0.0,
        prefill_s=timings.prefill if timings else 0.0,
        decode_s=timings.decode if timings else 0.0,
        total_s=timings.total if timings else seconds,
        first_s=timings.first if timings else 0.0,
        cached_tokens=tokens.cached if tokens else 0,
        finish=reply.finish if reply else "",
        sent=dict(reply.sent) if reply else {},
        usd=reply.usd if reply else None,
        ps_size=reply.reported if reply else None,
        ps_size_vram=reply.reported_gpu if reply else None,
        **_server_figures(server, reply),
        digest=reply.digest if reply else None,
        cold=reply.cold if reply else None,
        policy_id=policy_id,
        scripted=reply.scripted if reply else False,
        replayed=reply.replayed if reply else False,
        reused=reply.reused if reply else False,
        recording=reply.recording if reply else "",
        error_class=error_class,
    )


def reply_of(kept: KeptCall) -> Reply:
    """The reply of a call that was kept: the other way round."""
    call, more = kept.call, kept.more
    return Reply(
        text=kept.reply or "",
        model=call.model,
        tokens=Tokens(call.prompt_tokens, call.completion_tokens, call.tokens_exact, call.cached_tokens),
        timings=Timings(call.queue_s, call.load_s, call.prefill_s, call.decode_s, call.total_s, call.first_s),
        tool_calls=tuple(more.get("tool_calls", ())),
        finish=call.finish,
        thinking=more.get("thinking", ""),
        logprobs=more.get("logprobs"),
        sent=call.sent,
        link=call.link,  # type: ignore[arg-type]
        failures=tuple(LinkFailure(*failure) for failure in call.failures),
        scripted=call.scripted,
        retries=call.retries,
        resident=call.server_rss_peak if (call.ram_source, call.ram_scope) == ("high-water", "run") else None,
        reported=call.ps_size,
        reported_gpu=call.ps_size_vram,
        digest=call.digest,
        cold=call.cold,
        usd=call.usd,
        replayed=call.replayed,
        reused=call.reused,
        recording=call.recording,
    )


def more_of(reply: Reply) -> dict[str, Any]:
    """What few replies have, and no field of a call's record has room for."""
    more = {"thinking": reply.thinking, "tool_calls": reply.tool_calls, "logprobs": reply.logprobs}
    return {name: value for name, value in more.items() if value}


def _server_figures(server: Usage | None, reply: Reply | None) -> dict[str, Any]:
    """What was measured of the server's processes; else whose word its size is."""
    if server is None:
        if reply and reply.resident is not None:
            return {"server_rss_peak": reply.resident, "ram_source": "high-water", "ram_scope": "run"}
        return {"ram_source": "reported", "ram_scope": "run"} if reply and reply.reported is not None else {}
    return {
        "server_rss_peak": server.rss_peak,
        "server_rss_average": server.rss_average,
        "server_pss": server.pss,
        "server_cpu_seconds": server.cpu_seconds,
        "server_gpu_bytes": server.gpu_bytes,
        "ram_source": server.source,
        "ram_scope": server.scope,
    }


_SORTED = json.JSONEncoder(sort_keys=True, ensure_ascii=True, default=repr, separators=(",", ":"))


@lru_cache(maxsize=1000, typed=True)
def _settings_hash(*settings: Any) -> str:
    """Of all settings but the seed, in their order: a run has few, and asks for each call."""
    return digest({"seed": None, **dict(zip(SEEDLESS, settings, strict=True))})


def digest(value: Any) -> str:
    """A short hash of plain data, the same on every machine."""
    return hashlib.sha256(_SORTED.encode(value).encode("ascii")).hexdigest()[:16]
