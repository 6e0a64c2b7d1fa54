"""A strategy that is a ladder: branching, cascade, and a project's own. Who asks says which step it is."""

from __future__ import annotations

from pytest_llmroute.config.catalog import Table
from pytest_llmroute.core.attempts import BESIDE, LARGE, VERIFIER, Ladder
from pytest_llmroute.core.decisions import Rejected
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.core.requests import Sampling
from pytest_llmroute.routing.contract import Choice, Query

LATER = "asked when no attempt of the small model is accepted"


class LadderStrategy:
    """The small model, and for the last step the large one; what is no attempt goes to the small one."""

    def __init__(self, table: Table, ladder: Ladder) -> None:
        self.ladder = ladder
        self.name, self.about = table.name, table.about

    def route(self, query: Query) -> Choice:
        small, large, rung = self._model(query, "small"), self._model(query, "large"), query.request.rung
        how = f" ({rung.how})" if rung is not None and rung.how else ""
        if rung is not None and rung.role == LARGE:
            reason = f"{self.name}: step {rung.number}, the large model{how}"
            if rung.how == BESIDE:
                return Choice(large, reason)
            return Choice(large, reason, rejected=(Rejected(small, "its attempts were not accepted"),))
        if rung is not None and rung.role == VERIFIER:
            return Choice(self._model(query, "judge"), f"{self.name}: the verifier of step {rung.number}")
        step = f"step {rung.number}" if rung is not None else "first"
        temperature = rung.temperature if rung is not None else self.ladder.temperatures[0]
        return Choice(
            small,
            f"{self.name}: {step}, the small model{how}",
            then=tuple(name for name in self._after(query, large) if name != small),
            rejected=() if rung is not None and rung.how == BESIDE else (Rejected(large, LATER),),
            sampling=Sampling(temperature=temperature),
        )

    def _after(self, query: Query, large: str) -> tuple[str, ...]:
        judges = (self._model(query, "judge"),) if self.ladder.verifier == "model" else ()
        return tuple(dict.fromkeys((*judges, large)))

    def _model(self, query: Query, key: str) -> str:
        use = query.profile.overrides.get(self.ladder.cells.get(key, ""), getattr(self.ladder, key))
        return query.role(use) if use in ROLES else use
