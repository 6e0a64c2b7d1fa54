"""One record a case: the line that journal, report, store and gate all read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from sys import intern
from typing import TYPE_CHECKING, Any

from pytest_llmroute.core.attempts import VERIFIER
from pytest_llmroute.core.plain import as_json

if TYPE_CHECKING:
    from pytest_llmroute.core.solutions import Solution

PROPERTY = "llmroute"
"""The key of a record among a report's user properties."""
CANCELLED = "cancelled"
"""In place of the cause of a call's failure: it was given up, since another answer had been accepted meanwhile."""
TEARDOWN = "teardown"
"""The cause of an error that came after the verdict."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call to a model, without its texts (those lie in the journal and the store)."""

    model: str
    backend: str = ""
    link: str = "primary"
    attempt: int = 1
    task: str | None = None
    task_declared: bool = True
    reason: str = ""
    decided_by: str = "strategy"
    rejected: tuple[tuple[str, str], ...] = ()
    failures: tuple[tuple[str, str, str], ...] = ()
    rung: int = 0
    """The step of a ladder that asked, counted from 1; 0 for what is no attempt of a ladder."""
    role: str = ""
    """Of an attempt: small or large; verifier where a model was asked for its word."""
    formulation: str = ""
    hint: str = ""
    """What the prompt's hint showed: none, class, shape or values."""
    verifier: str = ""
    feedback: str = ""
    """Which tests decided and which scored: all, visible or challenge."""
    accepted: bool | None = None
    """Whether the verifier accepted the answer; None where it was not judged."""
    passed: bool | None = None
    """Whether the answer passed by what scores."""
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    reasoning: bool | None = None
    seed: int | None = None
    clamped_from: int | None = None
    template: str | None = None
    """Name and hash of the template that the prompt was put into."""
    retries: int = 0
    """Tries beyond the first one of each model that was asked."""
    settings_hash: str = ""
    prompt_hash: str = ""
    asked: str = ""
    """Hashes of the card of the model that was asked first, and of all that it was asked: by them a run is resumed."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens_exact: bool = True
    queue_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    total_s: float = 0.0
    first_s: float = 0.0
    """Until the first token; 0 where the reply came in one piece."""
    cached_tokens: int = 0
    """Tokens of the prompt that came from the server's cache."""
    finish: str = ""
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The settings that the server was sent, by its own names."""
    cold: bool | None = None
    """Whether the model had to be loaded for this call; None = not known."""
    digest: str | None = None
    ps_size: int | None = None
    """Bytes that the server itself reports for the model; None where none does."""
    ps_size_vram: int | None = None
    server_rss_peak: int | None = None
    """Bytes: the processes of the model's server, their highest during the call; None where they can't be seen."""
    server_rss_average: int | None = None
    server_pss: int | None = None
    """Bytes: the same with shared pages divided among those who share them, the highest of few readings."""
    server_cpu_seconds: float | None = None
    server_gpu_bytes: int | None = None
    ram_source: str = ""
    """high-water (the kernel's own mark), sampled, or reported (`ps_size`); empty where nothing is known."""
    ram_scope: str = ""
    """exact (this call alone), shared (others used the server meanwhile), run (of the process since its start)."""
    usd: float | None = None
    router_propensity: float = 1.0
    """The chance with which the router would choose this model again; 1 for strategies without chance."""
    policy_id: str = ""
    """A hash of column, profile and its roles: the same as long as the routing is."""
    scripted: bool = False
    replayed: bool = False
    """The reply was recorded before; tokens, times and cost are of then."""
    reused: bool = False
    """The run had made the same request before; the reply is the one that came then."""
    recording: str = ""
    """The recording that the reply is from, or is kept in."""
    error_class: str | None = None
    """Why there is no reply: a cause, or cancelled; of what was cancelled `total_s` are the seconds until then, and
    `usd` is the most that it may have cost."""

    @property
    def cancelled(self) -> bool:
        return self.error_class == CANCELLED

    def to_dict(self) -> dict[str, Any]:
        """Plain data; by hand, since `dataclasses.asdict` copies deeply and is called several times a case."""
        return {name: getattr(self, name) for name in _CALL_FIELDS}

    def told(self) -> dict[str, Any]:
        """The same without what is as usual: `from_dict` knows it."""
        return {name: value for name, usual in _CALL_FIELDS.items() if (value := getattr(self, name)) != usual}

    @staticmethod
    def whole(told: Mapping[str, Any]) -> dict[str, Any]:
        """What was told, or written by a version that knew less, with what is as usual."""
        return {**_CALL_FIELDS, **told}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> CallRecord:
        """From its JSON form; unknown keys of a newer version are left out."""
        values = _known(data, _CALL_FIELDS)
        for key in ("rejected", "failures"):
            values[key] = tuple(tuple(item) for item in values.get(key) or ())
        return CallRecord(**values)


@dataclass(frozen=True, slots=True)
class Record:
    """One case on one column: identity, outcome, cost, and how it was routed."""

    run_id: str
    nodeid: str
    case_id: str
    column: str
    suite: str = ""
    """The file that the case stands in."""
    line: int = 0
    """Where in it, counted from 1; 0 where that is not known."""
    column_kind: str = "strategy"
    strategy: str = ""
    profile: str = ""
    task: str | None = None
    phase: str | None = None
    agent: str | None = None
    user: str | None = None
    repeat: int = 1
    repeats: int = 1
    group: str = ""
    """The same for all repeats of one case on one column."""
    min_pass: int | None = None
    must_pass: bool = False
    gated: bool = True
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    check_hash: str | None = None
    source_hash: str = ""
    """Of the source of the test function; empty for a task of a file, which has a check."""
    outcome: str = "passed"
    success: bool = False
    score: float | None = None
    solution: Solution | None = None
    """The code of the reply and what came of running it; None where no check runs code."""
    first_attempt: bool = False
    """No call of the case failed or went to a fallback, and no further attempt was made."""
    error_class: str | None = None
    message: str = ""
    started_at: str = ""
    seconds: float = 0.0
    calls: tuple[CallRecord, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens_exact: bool = True
    usd: float | None = None
    rss_peak: int | None = None
    """Bytes: this process and its children, their highest during the case."""
    rss_average: int | None = None
    pss_peak: int | None = None
    """Bytes: the same with shared pages divided among those who share them, the highest of few readings."""
    ram_source: str = ""
    """high-water (the kernel's own mark for every process) or sampled; empty where nothing was measured."""
    ram_scope: str = ""
    """exact (this case alone) or shared (other cases ran in the same processes meanwhile)."""
    cpu_seconds: float | None = None
    cpu_percent: float | None = None
    gpu_bytes: int | None = None
    """GPU memory of this process and its children, the highest sample."""
    gpu_percent: float | None = None
    """Utilisation of the machine's GPUs, whoever used them."""
    shared: bool = False
    """True where other workers ran at the same time, so RAM and times include their effect."""
    forced: bool = False
    scripted: bool = False
    canned: bool = False
    replayed: bool = False
    reused: bool = False
    worker: str = "main"

    @property
    def model(self) -> str:
        """The model of the last call that answered the test."""
        return answered_by(self.calls)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(call.model for call in self.calls))

    def to_dict(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in _RECORD_FIELDS}
        data["calls"] = [call.to_dict() for call in self.calls]
        data["solution"] = self.solution.to_dict() if self.solution else None
        return data

    def told(self) -> dict[str, Any]:
        """Of a draft: what is not as usual. Its calls are told one by one, and it has no solution yet."""
        return {name: value for name, usual in _DRAFT_FIELDS.items() if (value := getattr(self, name)) != usual}

    @staticmethod
    def whole(told: Mapping[str, Any]) -> dict[str, Any]:
        """What was told, or written by a version that knew less, with what is as usual."""
        return {**_RECORD_FIELDS, **told}

    def without_texts(self) -> Record:
        """What may travel in a report: code and output lie in the journal and the store."""
        return replace(self, solution=self.solution.without_texts()) if self.solution else self

    def torn_down(self, message: str) -> Record:
        """The same after a teardown that failed: no statement about the model any more."""
        return replace(self, outcome="error", success=False, error_class=TEARDOWN, message=message)

    def to_json(self) -> str:
        """ASCII and plain JSON whatever the values are: xdist's pipe and JUnit both take it."""
        return as_json(self.to_dict())

    @staticmethod
    def from_json(text: str) -> Record:
        return Record.from_dict(json.loads(text))

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Record:
        """A record from its JSON form; unknown keys of a newer version are left out."""
        values = _known(data, _RECORD_FIELDS)
        values["tags"] = tuple(values.get("tags") or ())
        values["calls"] = tuple(map(CallRecord.from_dict, values.get("calls") or ()))
        if told := values.pop("solution", None):
            from pytest_llmroute.core.solutions import Solution  # loaded by the first record that has one

            values["solution"] = Solution.from_dict(told)
        return Record(**values)


def answered_by(calls: Sequence[CallRecord]) -> str:
    """The model that was asked last, of those that may have answered."""
    return next((call.model for call in reversed(calls) if may_answer(call.role, call.error_class)), "")


def may_answer(role: str, error_class: str | None) -> bool:
    """Whether a call was made for its answer, and not given up: some judge another one's."""
    return role != VERIFIER and error_class != CANCELLED


SHORT = 80
"""Characters of names, reasons and the like: most records of a run have the same."""


def _known(data: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without keys that this version does not know; texts that many records have are one object."""
    return {
        key: intern(value) if type(value) is str and len(value) <= SHORT else value
        for key, value in data.items()
        if key in names
    }


def _usual(kind: type[Any]) -> dict[str, Any]:
    """The names of a class's fields, each with its default."""
    return {item.name: {} if item.default_factory is dict else item.default for item in fields(kind)}


_RECORD_FIELDS = _usual(Record)
_DRAFT_FIELDS = {name: usual for name, usual in _RECORD_FIELDS.items() if name not in ("calls", "solution")}
_CALL_FIELDS = _usual(CallRecord)
