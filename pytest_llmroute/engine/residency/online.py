"""What to do next with the models, while calls come and go: a state machine; a driver loads, unloads and calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pytest_llmroute.engine.residency.chains import Chain, counted, followers
from pytest_llmroute.engine.residency.room import ModelNeeds, Room
from pytest_llmroute.engine.residency.waves import Wave, plan_waves

PATIENCE = 5.0
"""Seconds that a foreground call waits before the models in memory have to make way for its own."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Send what waits for these models, as far as there are slots."""

    models: frozenset[str]


@dataclass(frozen=True, slots=True)
class Load:
    """Unload these, then load that one; what else is resident goes on serving."""

    model: str
    evict: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be sent or loaded before something ends or appears."""


Action = Serve | Load | Wait


@dataclass(frozen=True, slots=True)
class Situation:
    """What the driver sees."""

    waiting: Mapping[str, int]
    """Calls that would be sent if their model were resident and a slot free."""
    busy: Mapping[str, int]
    """Calls in flight."""
    resident: frozenset[str]
    loading: str | None = None
    """It is not resident yet; one is loaded at a time."""
    foreground: Mapping[str, float] = field(default_factory=dict)
    """Where somebody waits for a call of `waiting`: for how many seconds, the longest of them."""

    @property
    def active(self) -> frozenset[str]:
        """Models that somebody wants or uses now."""
        return frozenset(model for calls in (self.waiting, self.busy) for model, number in calls.items() if number)

    @property
    def ready(self) -> frozenset[str]:
        """What could be served now."""
        return frozenset(model for model in self.resident if self.waiting.get(model))


@dataclass(frozen=True, slots=True)
class Residency:
    """What is known beforehand, and how far it has come."""

    room: Room
    waves: tuple[Wave, ...] = ()
    """Gone through in a circle: what comes late for a model is served when its turn comes again."""
    follow: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What known jobs may still need after a model."""
    pin: frozenset[str] = frozenset()
    patience: float = PATIENCE
    at: int = 0

    @classmethod
    def planned(
        cls, chains: Iterable[Chain], needs: Mapping[str, ModelNeeds], budget: int | None,
        resident: frozenset[str] = frozenset(), pin: frozenset[str] = frozenset(), patience: float = PATIENCE,
    ) -> Residency:  # fmt: skip
        """For jobs that are known; others may appear, of any model in `needs`."""
        chains = tuple(chains)
        plan = plan_waves(chains, needs, budget, resident, pin)
        return cls(Room(needs, budget), plan.waves, followers(counted(chains)), pin, patience)

    def next(self, now: Situation) -> tuple[Action, Residency]:
        """To be asked again after every action and whenever something ended or appeared."""
        if now.loading is not None:
            return _serve(now.ready), self
        late = [(-seconds, model) for model, seconds in now.foreground.items() if seconds >= self.patience]
        if late and (urgent := min(late)[1]) not in now.resident:
            return self._make_way(urgent, now), self
        return self._load(now) or (_serve(now.ready), self)

    def _make_way(self, model: str, now: Situation) -> Action:
        """What must go gets no more calls until it is idle."""
        evict = self._evicted(model, now)
        if any(now.busy.get(other) for other in evict):
            return _serve(now.ready.difference(evict))
        return Load(model, evict)

    def _load(self, now: Situation) -> tuple[Load, Residency] | None:
        """The next model of the plan: at once if nothing that may still be needed makes way, else when all are idle."""
        wanted = frozenset(model for model, number in now.waiting.items() if number) - now.resident
        if not wanted:
            return None
        idle, needed = not (now.ready or any(now.busy.values())), self._needed(now)
        model = min(wanted if idle else needed - now.resident, key=lambda model: self._turn(model, now))
        evict = self._evicted(model, now)
        if model not in wanted or not (idle or (needed | self.pin).isdisjoint(evict)):
            return None
        return Load(model, evict), replace(self, at=self.at + self._away(model))

    def _needed(self, now: Situation) -> frozenset[str]:
        """What is wanted or used now, and what those jobs may need after it."""
        return now.active.union(*(self.follow.get(model, frozenset()) for model in now.active))

    def _away(self, model: str) -> int:
        """Waves until its turn; a whole round where none is planned."""
        round_ = len(self.waves)
        return next((n for n in range(round_) if self.waves[(self.at + n) % round_].model == model), round_)

    def _turn(self, model: str, now: Situation) -> tuple[int, float, str]:
        """The plan decides, then most waiting calls for a second of loading."""
        return self._away(model), -now.waiting.get(model, 0) / max(self.room.seconds([model]), 1e-9), model

    def _evicted(self, model: str, now: Situation) -> tuple[str, ...]:
        """What is idle and what nobody needs goes first, then what the plan would let go, then what it uses latest."""
        away, needed = self._away(model), self._needed(now)
        kept = self.waves[(self.at + away) % len(self.waves)].resident if away < len(self.waves) else frozenset()

        def worth(other: str) -> tuple[bool, bool, bool, bool, int, float, str]:
            return (
                other in self.pin,
                bool(now.busy.get(other)),
                other in needed,
                other in kept,
                -self._away(other),
                self.room.seconds([other]),
                other,
            )

        return self.room.evicted(now.resident, model, worth)


def _serve(models: frozenset[str]) -> Action:
    return Serve(models) if models else Wait()
