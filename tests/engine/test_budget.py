"""A budget holds what its calls may take: those on their way together with those that are spent."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.backends.contract import BackendType, answer
from pytest_llmroute.backends.pool import BackendPool
from pytest_llmroute.core.budget import Amount, Budget, expected_amount, read_budget
from pytest_llmroute.core.models import ModelCard, Price
from pytest_llmroute.core.replies import Call, Reply, Tokens
from pytest_llmroute.core.requests import Message, Sampling
from pytest_llmroute.core.steps import waited
from pytest_llmroute.engine.budget import Spending, spent_line
from pytest_llmroute.engine.ledger import Ledger, OwnLedger, SharedLedger, cannot_share
from pytest_llmroute.errors import Cause, ModelCallError, OutOfBudget

PRICED = ModelCard("priced", "house", remote=True, price=Price(1_000_000.0, 1_000_000.0))
"""A token is a dollar."""
HERE = ModelCard("here", "house")
HOUSE = BackendType("house", lambda card: House())
CALL = Call(PRICED, (Message("user", "x" * 40),), Sampling(max_tokens=90))
"""Ten tokens of prompt, by the estimate."""


@dataclass
class House:
    """Takes the tokens that it is told to, or fails."""

    tokens: Tokens = Tokens(10, 10)
    seconds: float = 0.0
    fail: Cause | None = None
    asked: int = 0
    at_once: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def generate(self, call: Call) -> Reply:
        with self.lock:
            self.asked += 1
            self.at_once.append(self.asked)
        time.sleep(self.seconds)
        if self.fail is not None:
            raise ModelCallError(self.fail, "broken", model=call.card.name)
        return Reply("ok", call.card.name, self.tokens)

    def close(self) -> None: ...


def pay(run: Spending, call: Call, house: House) -> Reply:
    return waited(run.pay(call, partial(answer, house)))


def spending(budget: Budget, ledger: Ledger | None = None, types: Mapping[str, BackendType] | None = None) -> Spending:
    made = Spending(budget, ledger or OwnLedger(), BackendPool(types or {"house": HOUSE}))
    made.begin()
    return made


SPELLINGS = {
    "$2": Budget(usd=2),
    "2 USD": Budget(usd=2),
    "0.05 dollars": Budget(usd=0.05),
    "200000 tokens": Budget(tokens=200_000),
    "200k tokens": Budget(tokens=200_000),
    "1.5M tokens": Budget(tokens=1_500_000),
    "200_000 tokens": Budget(tokens=200_000),
    "90s": Budget(seconds=90),
    "30 min": Budget(seconds=1800),
    "1.5 hours": Budget(seconds=5400),
    " $2 , 10k tokens,30 min": Budget(2, 10_000, 1800),
}
WRONG = {
    "": "an amount is missing",
    "2": '"2" has no unit: $, tokens, s, min or h',
    "$": '"$" is no amount',
    "$2 USD": '"$2 USD" has two units: $, tokens, s, min or h',
    "200,000 tokens": '"200" has no unit: $, tokens, s, min or h',
    "2 euros": '"2 euros" is not in $, tokens, s, min or h',
    "$2, 3 dollars": '"3 dollars" is a second limit in dollars',
    "$0": '"$0" is nothing',
    "-$2": '"-$2" is no amount',
    "$2,": "an amount is missing",
    "bash.50": '"bash.50" is no amount',
}


@pytest.mark.parametrize(("text", "budget"), SPELLINGS.items())
def test_a_budget_is_read_as_people_write_it(text: str, budget: Budget) -> None:
    assert read_budget(text) == budget
    assert read_budget(str(budget)) == budget


@pytest.mark.parametrize(("text", "why"), WRONG.items())
def test_what_is_no_budget_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_budget(text)
    assert str(caught.value) == why


@given(
    st.builds(
        Budget,
        st.none() | st.floats(0.001, 1e6).map(lambda usd: round(usd, 3)),
        st.none() | st.integers(1, 10**9),
        st.none() | st.floats(0.001, 1e6).map(lambda seconds: round(seconds, 3)),
    ).filter(lambda budget: budget != Budget())
)
def test_a_budget_as_it_is_shown_is_the_same_budget(budget: Budget) -> None:
    assert read_budget(str(budget)) == budget


def test_what_a_call_may_take_is_its_estimated_prompt_and_all_that_its_reply_may_have() -> None:
    price = Price(2.0, 10.0)
    card = ModelCard("m", "house", price=price, max_output=400, context=1000)
    said = expected_amount(card, Sampling(max_tokens=100), 4000, here=False)
    assert said == Amount(price.cost(1000, 100), 1100)
    assert expected_amount(card, Sampling(), 40, here=False).tokens == 10 + 400
    assert expected_amount(card, Sampling(), 40, here=False, most=50).tokens == 10 + 50
    assert expected_amount(card, Sampling(), 2800, here=False).tokens == 700 + 300
    assert expected_amount(card, Sampling(max_tokens=100), 40, here=False, factor=2.5).tokens == 25 + 100
    unpriced = ModelCard("m", "house")
    assert expected_amount(unpriced, Sampling(max_tokens=9), 40, here=True) == Amount(0.0, 19)
    assert expected_amount(unpriced, Sampling(), 40, here=False) == Amount(None, None)


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_ten_slots_never_overshoot_together_and_use_what_there_is(tmp_path: Path, shared: bool) -> None:
    """Each call takes 20 of the 100 that it may: five fill the budget at first, and yet nearly all of it is used."""
    house = House(seconds=0.01)
    ledger: Ledger = SharedLedger(tmp_path / "run" / "budget.json") if shared else OwnLedger()
    run = spending(Budget(usd=500), ledger)
    most = list[float]()

    def ask(_: int) -> bool:
        try:
            pay(run, CALL, house)
        except OutOfBudget:
            return False
        with ledger.open() as account:
            most.append(sum(account.taken()[:1]))
        return True

    with ThreadPoolExecutor(10) as slots:
        answered = sum(slots.map(ask, range(60)))
    account = run.account()
    assert answered == house.asked == 21  # after 20 of them 400 are spent; the 21st may take 100, the 22nd not
    assert account.usd == 420
    assert max(most) <= 500
    assert not account.held
    assert run.over


def test_nothing_is_asked_after_the_first_refusal() -> None:
    house, run = House(), spending(Budget(tokens=150))
    pay(run, CALL, house)
    large = Call(PRICED, (Message("user", "x" * 400),), Sampling(max_tokens=90))
    small = Call(PRICED, (Message("user", "x"),), Sampling(max_tokens=1))
    for call in (large, small):
        with pytest.raises(OutOfBudget):
            pay(run, call, house)
    assert house.asked == 1
    assert spent_line(run.budget, run.account(), 2, 3) == (
        "budget: 20 of 150 tokens spent; the next call would take up to 190 tokens; 2 of 3 items were not run"
    )


def test_seconds_count_from_the_first_test() -> None:
    house, run = House(), spending(Budget(seconds=0.05))
    pay(run, CALL, house)
    time.sleep(0.06)
    with pytest.raises(OutOfBudget):
        pay(run, CALL, house)
    assert spent_line(run.budget, run.account(), 1, 2).endswith(" ms of 0.05 s spent; 1 of 2 items were not run")


UNPAID, UNKNOWN = [Cause.REFUSED, Cause.RATE, Cause.AUTH], [Cause.TIMEOUT, Cause.SERVER, Cause.BACKEND]


@pytest.mark.parametrize("cause", [*UNPAID, *UNKNOWN], ids=lambda cause: str(cause.value))
def test_a_failed_call_is_counted_with_all_it_may_have_cost_unless_nobody_wrote_anything(cause: Cause) -> None:
    run = spending(Budget(usd=1000))
    with pytest.raises(ModelCallError):
        pay(run, CALL, House(fail=cause))
    account = run.account()
    assert (account.usd, account.guessed) == ((0, 0) if cause in UNPAID else (100, 1))
    assert ("1 failed or cancelled calls are counted" in spent_line(run.budget, account, 0, 1)) == (cause in UNKNOWN)


def test_estimates_that_fell_short_are_not_made_again() -> None:
    """The first prompt has three times the tokens that were expected of it; the second of its kind may take 30 + 90."""
    house, run = House(Tokens(30, 10)), spending(Budget(usd=159))
    pay(run, CALL, house)
    with pytest.raises(OutOfBudget):
        pay(run, CALL, house)
    assert (run.account().usd, run.account().next) == (40, 120)


def test_a_model_here_costs_nothing_and_one_elsewhere_must_have_a_price() -> None:
    types = {"house": HOUSE, "there": BackendType("there", HOUSE.open, endpoint=lambda card: card.base_url)}
    run = spending(Budget(usd=1), types=types)
    house = House()
    pay(run, Call(HERE, (Message("user", "x"),), Sampling()), house)
    assert run.account().usd == 0
    assert run.lacking(ModelCard("m", "there", base_url="http://127.0.0.1:1/v1"), Sampling()) is None
    for card in (ModelCard("far", "there", base_url="https://example.org"), ModelCard("far", "house", remote=True)):
        error = run.lacking(card, Sampling(max_tokens=1))
        assert error is not None
        assert error.what == "model \"far\" has no price, so --llm-budget='$1' can't be held"
        with pytest.raises(ModelCallError, match="not asked"):
            pay(run, Call(card, (Message("user", "x"),), Sampling(max_tokens=1)), house)
    assert house.asked == 1


def test_a_reply_that_nothing_bounds_can_not_be_paid_for() -> None:
    run = spending(Budget(tokens=100))
    error = run.lacking(HERE, Sampling())
    assert error is not None
    assert error.what.startswith('nobody says how many tokens model "here" may write')
    assert run.lacking(HERE, Sampling(max_tokens=5)) is None


def test_what_a_dead_worker_had_set_aside_counts_as_spent(tmp_path: Path) -> None:
    ledger = SharedLedger(tmp_path / "budget.json")
    run, house = spending(Budget(usd=150), ledger), House()
    with ledger.open() as account:
        account.hold("999999999:1.00", Amount(100, 100))
    with pytest.raises(OutOfBudget):
        pay(run, CALL, house)
    assert (run.account().usd, run.account().guessed, run.account().held) == (100, 1, {})


def test_where_files_can_not_be_locked_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_llmroute.engine.ledger.POSSIBLE", False)
    error = cannot_share()
    assert error is not None
    assert error.text().startswith("--llm-budget can't be held under -n on this system [LLR411]")
