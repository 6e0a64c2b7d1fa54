"""Jails kept warm: as many as cores, used by any number of threads."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from pytest_llmroute.sandbox.jail import Job, Lost, Refused
from pytest_llmroute.sandbox.verdict import SolutionVerdict, Tier

log = logging.getLogger("pytest_llmroute.sandbox")


class Executor(Protocol):
    """Runs one job at a time."""

    worn: bool

    def run(self, job: Job) -> SolutionVerdict:
        """Raises Lost where it is gone itself."""
        ...

    def close(self) -> None: ...


class Pool:
    """Hands each job to an idle executor; one that was lost or is worn is replaced."""

    def __init__(self, opened: Callable[[int], Executor], tier: Tier, size: int) -> None:
        self.tier = tier
        self._opened, self._size = opened, size
        self._numbers = itertools.count()
        self._idle: list[Executor] = []
        self._open = 0
        self._changed = threading.Condition()
        self._closed = False

    def run(self, job: Job) -> SolutionVerdict:
        """Whatever happens to the jail: exactly one verdict."""
        try:
            return self._run(job)
        except Lost as error:
            log.warning("[Sandbox] a jail was lost (%s); once more in a new one", error)
        try:
            return replace(self._run(job, fresh=True), retried=True)
        except Lost as error:
            return SolutionVerdict("infra", f"the jail was lost twice: {error}", tier=self.tier, retried=True)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._open -= len(idle)
        for executor in idle:
            executor.close()

    def _run(self, job: Job, *, fresh: bool = False) -> SolutionVerdict:
        began = time.monotonic()
        executor = self._taken(fresh)
        try:
            verdict = executor.run(job)
            if verdict.status == "infra":
                raise Lost(verdict.message)
        except BaseException:
            executor.worn = True
            raise
        finally:
            self._given_back(executor)
        log.debug("[Sandbox] %s in %.1f ms", verdict.status, 1000 * (time.monotonic() - began))
        return verdict

    def _taken(self, fresh: bool) -> Executor:
        with self._changed:
            while True:
                if self._closed:
                    raise Lost("the sandbox has been closed")
                if self._idle and not fresh:
                    return self._idle.pop()
                if self._open < self._size or self._idle:
                    break
                self._changed.wait()
            old = self._idle.pop(0) if self._open >= self._size else None
            self._open += old is None
        if old is not None:
            old.close()
        try:
            return self._opened(next(self._numbers))
        except BaseException as error:
            self._one_less()
            if isinstance(error, Refused):
                raise Lost(str(error)) from None
            raise

    def _given_back(self, executor: Executor) -> None:
        with self._changed:
            keep = not executor.worn and not self._closed
            if keep:
                self._idle.append(executor)
                self._changed.notify()
        if not keep:
            executor.close()
            self._one_less()

    def _one_less(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()
