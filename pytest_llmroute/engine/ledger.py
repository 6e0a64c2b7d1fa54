"""What is spent of a budget and what is set aside for calls on their way: by one process, or all workers of a run."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_llmroute.codes import Code
from pytest_llmroute.core.budget import Amount
from pytest_llmroute.core.processes import lives
from pytest_llmroute.engine.leases import POSSIBLE
from pytest_llmroute.errors import UserError

if POSSIBLE:
    import fcntl

NOTHING = (0.0, 0)


@dataclass(slots=True)
class Account:
    """The state of a budget."""

    began: float = 0.0
    """When the first test began, by the clock; 0: none did."""
    usd: float = 0.0
    tokens: int = 0
    guessed: int = 0
    """Calls that failed nobody knows how dear: they are counted with all that they might have cost."""
    estimated: bool = False
    """Whether replies are among them that did not say their tokens."""
    refused: str = ""
    """The limit that the first call was refused for: usd, tokens or seconds; nothing is asked after that."""
    next: float = 0.0
    """What that call might have taken of it."""
    held: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Dollars and tokens that are set aside, by process."""

    def hold(self, holder: str, amount: Amount, sign: int = 1) -> None:
        usd, tokens = self.held.get(holder, NOTHING)
        left = usd + sign * (amount.usd or 0.0), tokens + sign * (amount.tokens or 0)
        self.held[holder] = left
        if left[1] <= 0 and abs(left[0]) < 1e-12:
            del self.held[holder]

    def pay(self, amount: Amount) -> None:
        self.usd += amount.usd or 0.0
        self.tokens += amount.tokens or 0

    def taken(self) -> tuple[float, int]:
        """Dollars and tokens, those set aside among them."""
        usd, tokens = zip(NOTHING, *self.held.values(), strict=True)
        return self.usd + sum(usd), self.tokens + sum(tokens)

    def bury(self) -> None:
        """What was set aside by a process that is gone counts as spent: nobody will tell what its calls cost."""
        for holder in [holder for holder in self.held if not lives(holder)]:
            usd, tokens = self.held.pop(holder)
            self.pay(Amount(usd, tokens))
            self.guessed += 1


class Ledger(Protocol):
    """Gives the account to one who changes it at a time."""

    def open(self) -> AbstractContextManager[Account]: ...


class OwnLedger:
    """Of one process."""

    def __init__(self) -> None:
        self._account = Account()
        self._lock = threading.Lock()

    @contextmanager
    def open(self) -> Generator[Account]:
        with self._lock:
            yield self._account


class SharedLedger:
    """A file that the workers of a run share, each of them locking it while it reads and writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    @contextmanager
    def open(self) -> Generator[Account]:
        with self._lock:
            descriptor = self._opened()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                text = os.read(descriptor, 1 << 20)
                account = _account(json.loads(text)) if text else Account()
                yield account
                data = json.dumps(asdict(account)).encode("ascii")
                if data != text:
                    os.lseek(descriptor, 0, os.SEEK_SET)
                    os.write(descriptor, data)
                    os.truncate(descriptor, len(data))
            finally:
                os.close(descriptor)  # and unlocked

    def _opened(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(
                f"--llm-budget: {self._path.name} can't be written: {error.strerror}",
                code=Code.BUDGET,
                means="under -n the workers keep the sum of what they spend in this file",
                fix="make .llmroute/ below the root directory writable",
                instead="a run without -n",
            ) from error


def cannot_share() -> UserError | None:
    """What keeps the workers of a run from sharing a budget on this machine."""
    if POSSIBLE:
        return None
    return UserError(
        "--llm-budget can't be held under -n on this system",
        code=Code.BUDGET,
        means="workers share one budget by locks of a kind that is not there",
        fix="leave -n out: calls are made ahead in one process, too",
        instead="no --llm-budget",
    )


def _account(data: dict[str, Any]) -> Account:
    return Account(**{**data, "held": {holder: tuple(amount) for holder, amount in data["held"].items()}})


def now() -> float:
    """The clock that all processes of a machine share."""
    return time.time()
