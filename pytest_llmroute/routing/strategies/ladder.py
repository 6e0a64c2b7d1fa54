"""A strategy that is a ladder: branching, cascade, and a project's own. Who asks says which step it is."""

from __future__ import annotations

from pytest_llmroute.config.catalog import Table
from pytest_llmroute.core.attempts import LARGE, VERIFIER, Ladder
from pytest_llmroute.core.decisions import Rejected
from pytest_llmroute.core.profiles import ROLES
from pytest_llmroute.core.requests import Sampling
from pytest_llmroute.routing.contract import Choice, Query


class LadderStrategy:
    """The small model, and for the last step the large one; what is no attempt goes to the small one."""

    def __init__(self, table: Table, ladder: Ladder) -> None:
        self.ladder = ladder
        self.name, self.about = table.name, table.about

    def route(self, query: Query) -> Choice:
        small, large, rung = self._model(query, "small"), self._model(query, "large"), query.request.rung
        if rung is not None and rung.role == LARGE:
            turned_down = (Rejected(small, "its attempts were not accepted"),)
            return Choice(large, f"{self.name}: step {rung.number}, the large model", rejected=turned_down)
        if rung is not None and rung.role == VERIFIER:
            return Choice(self._model(query, "judge"), f"{self.name}: the verifier of step {rung.number}")
        step = f"step {rung.number}" if rung is not None else "first"
        temperature = rung.temperature if rung is not None else self.ladder.temperatures[0]
        return Choice(
            small,
            f"{self.name}: {step}, the small model",
            then=tuple(name for name in self._after(query, large) if name != small),
            rejected=(Rejected(large, "asked when no attempt of the small model is accepted"),),
            sampling=Sampling(temperature=temperature),
        )

    def _after(self, query: Query, large: str) -> tuple[str, ...]:
        judges = (self._model(query, "judge"),) if self.ladder.verifier == "model" else ()
        return tuple(dict.fromkeys((*judges, large)))

    def _model(self, query: Query, key: str) -> str:
        use = query.profile.overrides.get(self.ladder.cells.get(key, ""), getattr(self.ladder, key))
        return query.role(use) if use in ROLES else use
