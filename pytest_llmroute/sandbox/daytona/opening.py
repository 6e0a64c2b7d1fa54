"""The pool of remote sandboxes, opened only where it was asked for; and the sweeper."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import util

from pytest_llmroute.codes import Code
from pytest_llmroute.errors import UserError
from pytest_llmroute.sandbox.daytona.remote import WAYS, NotOpened, RemoteSandbox
from pytest_llmroute.sandbox.daytona.service import HOME, KEY, MINUTES_TO_LIVE, URL, Patience, Service
from pytest_llmroute.sandbox.daytona.trouble import Kind, Trouble
from pytest_llmroute.sandbox.pool import Executor, Pool
from pytest_llmroute.sandbox.verdict import Inside

log = logging.getLogger("pytest_llmroute.sandbox")
SIZE = 4
"""Sandboxes at once, for each process of pytest."""
COST = (
    "solutions and their tests are sent to Daytona, which bills the key's organization for the time that its sandboxes"
    " exist"
)
INSTEAD = "--llm-sandbox=auto (a sandbox on this machine)"
PAIR = (
    "[Sandbox] no jail holds within Daytona's sandboxes: each solution gets a sandbox of its own, which takes longer"
    " and costs more"
)


class RemotePool(Pool):
    """Where no further sandbox can be had, those that are there do all the work."""

    def __init__(self, service: Service, first: RemoteSandbox, size: int, ways: Sequence[Inside]) -> None:
        super().__init__(lambda _: _opened(service, ways), "remote", size)
        self._service = service
        self._idle.append(first)
        self._open = 1
        self._process = os.getpid()
        atexit.register(self._end)

    def close(self) -> None:
        super().close()
        if self._service.close():
            atexit.unregister(self._end)

    def _taken(self, fresh: bool) -> Executor:
        try:
            return super()._taken(fresh)
        except NotOpened as error:
            with self._changed:
                if not self._open:
                    raise
                log.warning("[Sandbox] %d remote sandboxes, and no more: %s", self._open, error)
                self._size = self._open
        return super()._taken(False)

    def _end(self) -> None:
        if os.getpid() == self._process:
            self._service.close(all_of_them=True)


def open_daytona(
    env: Mapping[str, str] = os.environ, *, size: int = SIZE, ways: Sequence[Inside] = WAYS,
    patience: Patience | None = None,
) -> RemotePool:  # fmt: skip
    """Makes one sandbox at once, so that a key or a service that is no good is told before any model is asked."""
    service = _service(env, patience)
    try:
        first = RemoteSandbox(service, ways)
    except Trouble as trouble:
        service.close()
        raise _refusal(trouble, env) from None
    if first.inside == "pair":
        log.warning(PAIR)
    return RemotePool(service, first, size, ways)


def sweep(
    older_than: timedelta = timedelta(minutes=MINUTES_TO_LIVE), env: Mapping[str, str] = os.environ,
    *, patience: Patience | None = None,
) -> list[str]:  # fmt: skip
    """Deletes sandboxes with our label that are older, whoever made them; their ids.

    Those of a run that is still going on are among them where it is older than that.
    """
    service = _service(env, patience)
    try:
        return service.sweep(datetime.now(UTC) - older_than)
    except Trouble as trouble:
        raise _refusal(trouble, env) from None


def _opened(service: Service, ways: Sequence[Inside]) -> RemoteSandbox:
    try:
        return RemoteSandbox(service, ways)
    except Trouble as trouble:
        raise NotOpened(str(trouble)) from None


def _service(env: Mapping[str, str], patience: Patience | None) -> Service:
    if util.find_spec("daytona") is None:
        raise UserError(
            "--llm-sandbox=daytona needs the package daytona",
            code=Code.SANDBOX, fix="pip install 'pytest-llmroute[daytona]'", instead=INSTEAD,
        )  # fmt: skip
    if not env.get(KEY):
        raise UserError(
            f"--llm-sandbox=daytona needs a key, and {KEY} is not set",
            code=Code.SANDBOX, means=COST, fix=f"export {KEY}=…, a key from Daytona's dashboard", instead=INSTEAD,
        )  # fmt: skip
    try:
        return Service(env, patience)
    except Trouble as trouble:
        raise _refusal(trouble, env) from None


def _refusal(trouble: Trouble, env: Mapping[str, str]) -> UserError:
    where = env.get(URL) or HOME
    if trouble.kind is Kind.KEY:
        what, fix = f"{where} does not accept the key in {KEY}", f"export {KEY}=… with a key that is valid there"
    elif trouble.kind is Kind.REFUSED:
        what, fix = (
            f"{where} refuses a sandbox to the key in {KEY}",
            "look at its rights and limits in Daytona's dashboard",
        )
    else:
        what, fix = f"no sandbox could be had from {where}", "try again, or look at the service's status"
    return UserError(what, code=Code.SANDBOX, means=f"{trouble}\n  {COST}", fix=fix, instead=INSTEAD)
