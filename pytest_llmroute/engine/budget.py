"""Between the engine and the models: no call that the run's budget does not hold.

What a call may take is set aside before it is made and settled when its reply is there, so calls that are made at the
same time can't exceed the budget together. Where it seems used up while others are on their way, a call waits until
they have settled: most take less than was set aside.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pytest_llmroute.backends.contract import Backend, Waiting, answer
from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.codes import Code
from pytest_llmroute.core.budget import SPENT, Amount, Budget, show_amount, show_share
from pytest_llmroute.core.models import ModelCard
from pytest_llmroute.core.processes import name_of
from pytest_llmroute.core.replies import Call, Reply
from pytest_llmroute.core.requests import Sampling
from pytest_llmroute.core.steps import Doing, Pause
from pytest_llmroute.engine.ledger import Account, Ledger, now
from pytest_llmroute.errors import Cause, ModelCallError, OutOfBudget, UserError

LOOK_AGAIN = 0.02
"""Seconds, while other calls are on their way."""
FARTHEST = 10
"""As many times as long waits who stands there or farther behind."""
UNPAID = frozenset(Cause) - {Cause.TIMEOUT, Cause.SERVER, Cause.BACKEND}
"""Failures before a model has written anything; of the others nobody knows what they cost."""
_NAMES = {"usd": "cost", "tokens": "take"}


class Spending:
    """The budget of a run as this process sees it; asked from many threads."""

    def __init__(self, budget: Budget, ledger: Ledger, pool: BackendPool) -> None:
        self.budget = budget
        self._ledger, self._pool = ledger, pool
        self._me = name_of(os.getpid())
        self._turns: deque[object] = deque()
        """Of calls that wait for money: others must not overtake the first of them again and again."""
        self._factors: dict[str, float] = {}
        """By model: how far estimates of prompts fell short; of a model that has not answered the worst is believed."""
        self._over = False

    def begin(self) -> None:
        """The first test begins: from now on seconds count."""
        with self._ledger.open() as account:
            account.began = account.began or now()

    @property
    def over(self) -> bool:
        """Whether a call was refused, by whichever worker: nothing more is asked."""
        if not self._over:
            with self._ledger.open() as account:
                self._over = bool(account.refused)
        return self._over

    def account(self) -> Account:
        with self._ledger.open() as account:
            return account

    def lacking(self, card: ModelCard, settings: Sampling) -> UserError | None:
        """What must be known of a model before a budget can be held, and is not."""
        return self._unknown(card, self._pool.may_take(card, settings, 0))

    def over_models(self, open_: Callable[[ModelCard], Backend]) -> Callable[[ModelCard], Backend]:
        """Opens what asks a model only as long as the budget holds its calls."""
        return lambda card: _Paying(self, card, open_)

    def pay(self, call: Call, ask: Callable[[Call], Doing[Reply]]) -> Doing[Reply]:
        """One call: set aside, made, settled."""
        characters = _characters(call)
        short = self._factors.get(call.card.name, max(self._factors.values(), default=1.0))
        amount = self._pool.may_take(call.card, call.settings, characters, short)
        if (unknown := self._unknown(call.card, amount)) is not None:
            raise ModelCallError(Cause.BUDGET, f"not asked: {unknown.what}", model=call.card.name)
        queued = yield from self._set_aside(amount)
        spent, reply = amount, None
        try:
            if call.stop is not None and call.stop.given:
                spent = Amount()
                call.stop.check()
            reply = yield from ask(call)
            spent = Amount(reply.priced(call.card).usd, reply.tokens.total)
            self._learn(call, reply)
        except ModelCallError as error:
            if error.cause in UNPAID:
                spent = Amount()
            raise
        finally:
            self._settle(amount, spent, reply)
        return reply.waited(queued)

    def _unknown(self, card: ModelCard, amount: Amount) -> UserError | None:
        limits = self.budget
        held = f"so --llm-budget='{limits}' can't be held"
        if limits.usd is not None and card.price is None and amount.usd is None:
            return UserError(
                f'model "{card.name}" has no price, {held}',
                code=Code.BUDGET,
                means=f"it is at {self._pool.endpoint(card) or card.backend}, where calls may cost something",
                fix="price = { input = …, output = … } on its card: dollars per million tokens, 0 for your own server",
                instead="a budget in tokens or time: --llm-budget='200000 tokens', --llm-budget='30 min'",
            )
        if (limits.tokens is not None and amount.tokens is None) or (limits.usd is not None and amount.usd is None):
            return UserError(
                f'nobody says how many tokens model "{card.name}" may write, {held}',
                code=Code.BUDGET,
                means="neither the test, nor its phase, nor the card has max_tokens, max_output or context",
                fix="max_tokens on the marker, in the task file or on the card",
                instead="a budget in time: --llm-budget='30 min'",
            )
        return None

    def _set_aside(self, amount: Amount) -> Doing[float]:
        """Waits while it may yet fit; gives the seconds that it waited."""
        began, me = now(), object()
        self._turns.append(me)
        try:
            while self._turns[0] is not me or not self._fits(amount):
                yield Pause(LOOK_AGAIN * min(1 + self._turns.index(me), FARTHEST))
        finally:
            self._turns.remove(me)
        return now() - began

    def _fits(self, amount: Amount) -> bool:
        """Sets it aside where it fits; raises where it never will."""
        with self._ledger.open() as account:
            if not account.refused:
                limit, wanted = self._lacks(account, amount)
                if not limit:
                    account.hold(self._me, amount)
                    return True
                if limit != "seconds":
                    account.bury()
                    if account.held:
                        return False
                account.refused, account.next = limit, wanted
        self._over = True
        raise OutOfBudget(f"not asked: {SPENT}")

    def _lacks(self, account: Account, amount: Amount) -> tuple[str, float]:
        """The limit that a call would exceed, and what it may take of it; empty where it exceeds none."""
        usd, tokens = account.taken()
        limits = self.budget
        if limits.seconds is not None and account.began and now() - account.began >= limits.seconds:
            return "seconds", 0.0
        if limits.usd is not None and usd + (amount.usd or 0.0) > limits.usd + 1e-12:
            return "usd", amount.usd or 0.0
        if limits.tokens is not None and tokens + (amount.tokens or 0) > limits.tokens:
            return "tokens", amount.tokens or 0
        return "", 0.0

    def _settle(self, amount: Amount, spent: Amount, reply: Reply | None) -> None:
        with self._ledger.open() as account:
            account.hold(self._me, amount, -1)
            account.pay(spent)
            account.guessed += reply is None and spent is amount
            account.estimated = account.estimated or (reply is not None and not reply.tokens.exact)

    def _learn(self, call: Call, reply: Reply) -> None:
        """Estimates that fell short are not made again."""
        expected = self._pool.may_take(call.card, Sampling(max_tokens=0), _characters(call)).tokens
        if reply.tokens.exact and expected:
            name = call.card.name
            self._factors[name] = max(self._factors.get(name, 1.0), reply.tokens.prompt / expected)


@dataclass(frozen=True, slots=True)
class _Paying(Waiting):
    """A model whose calls are paid for; it is opened by the first that the budget holds."""

    spending: Spending
    card: ModelCard
    open: Callable[[ModelCard], Backend]

    def answering(self, call: Call) -> Doing[Reply]:
        return self.spending.pay(call, lambda asked: answer(self.open(self.card), asked))

    def close(self) -> None:
        """What was opened belongs to the pool."""


def _characters(call: Call) -> int:
    """Of all that is sent: the messages, and what describes tools and schema."""
    more = [*call.tools, *([call.schema] if call.schema is not None else [])]
    return sum(len(message.content) for message in call.messages) + sum(
        len(json.dumps(dict(each), default=str)) for each in more
    )


def spent_line(budget: Budget, account: Account, not_run: int, total: int) -> str:
    """What the end of a run says of its budget."""
    seconds = now() - account.began if account.began else 0.0
    used = {"usd": account.usd, "tokens": account.tokens, "seconds": seconds}
    limits = {unit: limit for unit in used if (limit := getattr(budget, unit)) is not None}
    about = " (partly estimated)" if account.estimated and limits.keys() != {"seconds"} else ""
    parts = [", ".join(show_share(unit, used[unit], limit) for unit, limit in limits.items()) + f" spent{about}"]
    if account.guessed:
        parts.append(f"{account.guessed} failed or cancelled calls are counted with the most that they may have taken")
    if account.refused in _NAMES:
        parts.append(
            f"the next call would {_NAMES[account.refused]} up to {show_amount(account.refused, account.next)}"
        )
    if account.refused:
        parts.append(f"{not_run} of {total} items were not run")
    return "budget: " + "; ".join(parts)
