"""One remote sandbox as an executor: a job goes there as a file, a sealed verdict comes back as one."""

from __future__ import annotations

import json
import logging
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_llmroute.sandbox.daytona import luggage
from pytest_llmroute.sandbox.daytona.seal import ANSWER, JOB, TAKEN, Broken, unsealed
from pytest_llmroute.sandbox.daytona.service import MINUTES_TO_LIVE, Service
from pytest_llmroute.sandbox.daytona.trouble import Kind, Trouble
from pytest_llmroute.sandbox.inside.protocol import GRACE
from pytest_llmroute.sandbox.jail import LATE, READY_WITHIN, STATUSES, Job, Lost
from pytest_llmroute.sandbox.verdict import Inside, SolutionVerdict

log = logging.getLogger("pytest_llmroute.sandbox")
WAYS: tuple[Inside, ...] = ("isolated", "restricted")
PREPARED_WITHIN = 120
ON_THE_WAY = 10
"""Seconds for what is around a job: the shell, two interpreters, the file."""
AGED = 60 * MINUTES_TO_LIVE * 0.8
LOOK = 0.5
LONGEST_MESSAGE, LONGEST_OUTPUT = 4000, 64 * 1024


class NotOpened(Lost):
    """No further sandbox could be had."""


class RemoteSandbox:
    """Made, asked and deleted by one thread at a time."""

    def __init__(self, service: Service, ways: Sequence[Inside] = WAYS) -> None:
        self.worn = False
        """Whether it must not be used again."""
        self._service = service
        self._began = time.monotonic()
        self._box = service.create()
        try:
            self.inside = self._prepared(ways)
        except BaseException:
            self.close()
            raise

    def run(self, job: Job) -> SolutionVerdict:
        """Raises Lost for whatever is not the solution's doing."""
        within = math.ceil(job.wall + GRACE + LATE + READY_WITHIN + ON_THE_WAY)
        order = {"task": job.task, "timeout": job.timeout, "memory": job.memory, "inside": self.inside}
        self.worn = True  # until its verdict is here
        try:
            told = self._asked(order, within, {})
        except Trouble as trouble:
            raise Lost(str(trouble)) from None
        if "verdict" not in told:
            raise Lost(str(told.get("lost", "it gave no verdict"))[:LONGEST_MESSAGE])
        verdict = verdict_of(told["verdict"], job, self.inside)
        # Without a jail a solution may have left something behind in the sandbox.
        self.worn = self.inside == "pair" or time.monotonic() - self._began > AGED
        return verdict

    def close(self) -> None:
        self._service.delete(self._box)

    def _prepared(self, ways: Sequence[Inside]) -> Inside:
        """Carries the judge there and has it attack its own jails."""
        self._root = f"{self._service.home(self._box)}/.llmroute-{secrets.token_hex(8)}"
        self._service.make_folder(self._box, self._root)
        archive = {f"{self._root}/{luggage.ARCHIVE}": luggage.packed()}
        try:
            told = self._asked({"task": None, "ways": list(ways)}, PREPARED_WITHIN, archive)
        except Lost as error:
            raise Trouble(Kind.OTHER, f"preparing a sandbox: {error}") from None
        inside: Inside = told["inside"]
        log.info("[Sandbox] a remote one, %s within%s", inside, f" ({told['lacks']})" if inside != "isolated" else "")
        return inside

    def _asked(self, order: Mapping[str, Any], within: int, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Sends an order and returns what only its receiver can have written."""
        key, job, answer = secrets.token_hex(32), JOB + secrets.token_hex(8), ANSWER + secrets.token_hex(16)
        data = json.dumps({**order, "key": key, "answer": answer, "within": within}).encode()
        until = time.monotonic() + within
        self._service.upload(self._box, {**files, f"{self._root}/{job}": data})
        first = bool(files)
        status, output = self._service.execute(self._box, luggage.command(self._root, job, first=first), within)
        if status == luggage.OLD:
            raise Lost("its Python is older than 3.11")
        if status not in (0, TAKEN):
            # What is printed later may be a solution's.
            last = (output.strip().splitlines() or [""])[-1][:200] if first else ""
            raise Lost(f"its judge ended with status {status}{': ' if last else ''}{last}")
        try:
            told = unsealed(key, self._answer(f"{self._root}/{answer}", until if status == TAKEN else 0.0))
        except (Broken, ValueError):
            raise Lost("its verdict is not one of its judge") from None
        return told if isinstance(told, dict) else {}

    def _answer(self, path: str, until: float) -> bytes:
        """An earlier try of the same call may still be at work: then it is waited for."""
        while True:
            try:
                return self._service.download(self._box, path)
            except Trouble as trouble:
                if trouble.kind is not Kind.GONE or time.monotonic() > until:
                    raise
            time.sleep(LOOK)


def verdict_of(told: Any, job: Job, inside: Inside) -> SolutionVerdict:
    """Every field by its type; a pass has all tests held."""
    try:
        status, held = STATUSES.get(told["status"], "infra"), tuple(told["held"])
        if status == "pass" and (len(held) != len(job.task.get("tests", "1")) or not all(one is True for one in held)):
            raise ValueError
        return SolutionVerdict(
            status, _text(told["message"], LONGEST_MESSAGE), tuple(one is True for one in held),
            _text(told["output"], LONGEST_OUTPUT), int(told["output_bytes"]), float(told["cpu_seconds"]),
            int(told["rss_peak"]), float(told["seconds"]), "remote", inside=inside,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Lost("its verdict is none") from None


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value[:longest]
