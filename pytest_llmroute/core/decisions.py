"""Which model answers, with which settings, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_llmroute.core.requests import Sampling


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was not chosen, and why."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of the router; `chain` holds the models tried after the first one fails."""

    model: str
    settings: Sampling
    reason: str
    column: str = ""
    strategy: str = ""
    profile: str = ""
    decided_by: str = "strategy"
    """forced, marker, column, agent-env or strategy."""
    task: str | None = None
    task_declared: bool = True
    phase: str | None = None
    agent: str | None = None
    chain: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    """Models that may be asked for a better answer, when what came is judged."""
    canned: bool = False
    """Whether a canned text ends the chain."""
    rejected: tuple[Rejected, ...] = ()
    template: str = ""
    """The template that the prompt is put into; empty: asked as it is."""
    clamped_from: int | None = None
    """The max tokens asked for, where the context window allowed fewer."""
    stays_here: bool = field(default=False, compare=False)
    """Whether nothing may leave this machine, whoever chose the model."""
    asked: Sampling = field(default=Sampling(), compare=False)
    """The strategy's own settings; every link of the chain fits them to its own limits."""
    log_line: str = field(default="", compare=False)

    @property
    def models(self) -> tuple[str, ...]:
        """Those that may be asked one after the other, while all of them answer."""
        return (self.model, *self.then)

    @property
    def forced(self) -> bool:
        return self.decided_by == "forced"

    def __str__(self) -> str:
        lines = [f"{self.model}: {self.reason}"]
        if self.task:
            lines.append(f"  task       {self.task}{'' if self.task_declared else ' (classified)'}")
        for label, value in (("phase", self.phase), ("agent", self.agent)):
            if value:
                lines.append(f"  {label:<10} {value}")
        if self.template:
            lines.append(f"  template   {self.template}")
        lines.append(f"  settings   {describe(self.settings)}")
        if self.clamped_from is not None:
            lines.append(f"  clamped    max_tokens {self.clamped_from} → {self.settings.max_tokens}: the context")
        if self.chain or self.canned:
            links = [*self.chain, *(["canned text"] if self.canned else [])]
            lines.append(f"  then       {' → '.join(links)}")
        if self.then:
            lines.append(f"  rescue     {' → '.join(self.then)}, when the attempts have failed")
        lines += [f"  rejected   {item.model}: {item.reason}" for item in self.rejected]
        return "\n".join(lines)


def describe(settings: Sampling) -> str:
    """Settings in one line; what is not set is left to the model."""
    parts = [
        f"{name}={value:g}"
        for name, value in (
            ("temperature", settings.temperature),
            ("max_tokens", settings.max_tokens),
            ("top_p", settings.top_p),
            ("seed", settings.seed),
        )
        if value is not None
    ]
    if settings.reasoning is not None:
        parts.append(f"reasoning={'on' if settings.reasoning else 'off'}")
    return ", ".join(parts) or "the model's own"
