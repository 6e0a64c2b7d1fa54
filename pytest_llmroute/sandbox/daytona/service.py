"""Daytona's service at arm's length: its SDK, our time limits, and tries again where trouble passes."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pytest_llmroute.core.redact import Redactor
from pytest_llmroute.sandbox.daytona.trouble import Kind, TookTooLong, Trouble, trouble_of

log = logging.getLogger("pytest_llmroute.sandbox")
T = TypeVar("T")
KEY, URL, TARGET = "DAYTONA_API_KEY", "DAYTONA_API_URL", "DAYTONA_TARGET"
HOME = "https://app.daytona.io/api"
LABEL, LABELLED = "pytest-llmroute", "sandbox"
"""On every sandbox of ours, so that `sweep` finds those that nobody has deleted."""
MINUTES_TO_LIVE, MINUTES_IDLE = 120, 15
CREATED_WITHIN, ANSWERED_WITHIN, DELETED_WITHIN = 120, 60, 30
NOTHING_MADE = (400, 401, 403, 404, 422, 429)
"""Statuses of a creation that left no sandbox behind."""
LARGEST = 1 << 20
"""Bytes of a file that is fetched."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried where the service is in trouble, and how long a pause may be."""

    tries: int = 4
    first: float = 0.5
    longest: float = 30.0


class Service:
    """One client for all sandboxes of a pool; may be called from many threads. Raises Trouble and nothing else."""

    def __init__(self, env: Mapping[str, str], patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._redacted = Redactor({KEY: env.get(KEY, "")})
        self._ours: set[str] = set()
        """Sandboxes that exist, by their ids."""
        self._doubtful: set[str] = set()
        """Names of sandboxes that may have come into being though their creation failed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of polling, which is asked for because events need a thread and a socket
            try:
                self._open(env)
            except Exception as error:
                raise trouble_of(error, "opening its client", self._redacted) from None

    def _open(self, env: Mapping[str, str]) -> None:
        import daytona

        self._sdk: Any = daytona
        self._client: Any = daytona.Daytona(
            daytona.DaytonaConfig(
                api_key=env[KEY], api_url=env.get(URL) or HOME, target=env.get(TARGET) or None,
                use_deprecated_polling=True,
            )
        )  # fmt: skip

    # Sandboxes

    def create(self) -> Any:
        """A new sandbox with no network, no variables and an end; the service said itself that the network is off."""
        box = self._tried("creating a sandbox", self._created, CREATED_WITHIN + 30)
        if box.network_block_all is not True:
            self.delete(box)
            raise Trouble(Kind.OTHER, "creating a sandbox: its network is not blocked")
        return box

    def _created(self) -> Any:
        name = f"llmroute-{secrets.token_hex(8)}"
        parameters = self._sdk.CreateSandboxFromSnapshotParams(
            name=name, language="python", env_vars={}, labels={LABEL: LABELLED}, network_block_all=True, public=False,
            ephemeral=True, auto_stop_interval=MINUTES_IDLE, ttl_minutes=MINUTES_TO_LIVE,
        )  # fmt: skip
        self._doubtful.add(name)
        try:
            box = self._client.create(parameters, timeout=CREATED_WITHIN)
        except BaseException as error:
            if trouble_of(error, "", self._redacted).status in NOTHING_MADE:
                self._doubtful.discard(name)
            else:
                self._remove(name)
            raise
        self._ours.add(box.id)
        self._doubtful.discard(name)
        return box

    def delete(self, box: Any) -> bool:
        """Whether it is gone; else it is tried again at the end, and it ends by itself after MINUTES_TO_LIVE."""
        if box.id not in self._ours:
            return True
        try:
            self._tried("deleting a sandbox", lambda: box.delete(timeout=DELETED_WITHIN), DELETED_WITHIN + 5)
        except Trouble as trouble:
            if trouble.kind not in (Kind.GONE, Kind.CONFLICT):
                log.warning("[Sandbox] %s: %s; it ends by itself within %d minutes", box.id, trouble, MINUTES_TO_LIVE)
                return False
        self._ours.discard(box.id)
        return True

    def close(self, *, all_of_them: bool = False) -> bool:
        """Looks once more for what failed creations may have left; at the end of the process also for the rest.

        Returns whether nothing is left.
        """
        for which in [*self._doubtful, *(self._ours if all_of_them else ())]:
            self._remove(which)
        self._doubtful.clear()
        return not self._ours

    def _remove(self, which: str) -> None:
        """By its name or id."""
        with suppress(Exception):
            aside(lambda: self._client.get(which, request_timeout=10).delete(timeout=10), 25)
            self._doubtful.discard(which)
            self._ours.discard(which)

    def sweep(self, before: datetime) -> list[str]:
        """Deletes the sandboxes with our label that were created before; their ids."""
        swept = []
        for box in self._tried("listing sandboxes", lambda: list(self._labelled()), ANSWERED_WITHIN):
            made = created_at(box)
            if box.labels.get(LABEL) == LABELLED and made is not None and made < before:
                self._ours.add(box.id)
                if self.delete(box):
                    swept.append(box.id)
        return swept

    def _labelled(self) -> Iterator[Any]:
        query = self._sdk.ListSandboxesQuery(labels={LABEL: LABELLED})
        found: Iterator[Any] = self._client.list(query, request_timeout=ANSWERED_WITHIN)
        return found

    # Within a sandbox

    def home(self, box: Any) -> str:
        home: str = self._tried("asking for its home folder", box.get_user_home_dir, ANSWERED_WITHIN, box)
        return home.rstrip("/")

    def make_folder(self, box: Any, path: str) -> None:
        self._tried("making a folder", lambda: box.fs.create_folder(path, "700", ANSWERED_WITHIN), ANSWERED_WITHIN, box)

    def upload(self, box: Any, files: Mapping[str, bytes]) -> None:
        uploads = [self._sdk.FileUpload(data, path) for path, data in files.items()]
        self._tried(
            "uploading", lambda: box.fs.upload_files(uploads, timeout=ANSWERED_WITHIN), 2 * ANSWERED_WITHIN, box
        )

    def execute(self, box: Any, command: str, within: int) -> tuple[int, str]:
        """The exit status and what was printed. Tried again, it may find that the first try did arrive."""
        done = self._tried("running its judge", lambda: box.process.exec(command, timeout=within), within + 10, box)
        return int(done.exit_code), str(done.result)

    def download(self, box: Any, path: str) -> bytes:
        return self._tried("fetching its verdict", lambda: _whole(box, path), ANSWERED_WITHIN, box)

    # Calls

    def _tried(self, what: str, call: Callable[[], T], within: float, box: Any = None) -> T:
        for number in range(1, self._patience.tries + 1):
            try:
                return aside(call, within)
            except Exception as error:
                trouble = trouble_of(error, what, self._redacted)
            pause = max(trouble.wait, self._patience.first * 2 ** (number - 1) * random.uniform(0.5, 1.0))
            if trouble.kind is not Kind.BUSY or number == self._patience.tries or pause > self._patience.longest:
                break
            if box is not None and trouble.status != 429 and not self._alive(box):
                raise Trouble(Kind.GONE, f"{trouble}; the sandbox has ended")
            log.info("[Sandbox] %s; again in %.1f s", trouble, pause)
            time.sleep(pause)
        raise trouble

    def _alive(self, box: Any) -> bool:
        """False only where the service says so."""
        try:
            aside(lambda: box.refresh_data(request_timeout=10), 15)
        except Exception as error:
            return trouble_of(error, "", self._redacted).kind is not Kind.GONE
        return str(getattr(box.state, "value", box.state)) == "started"


def _whole(box: Any, path: str) -> bytes:
    parts, size = [], 0
    for part in box.fs.download_file_stream(path, timeout=ANSWERED_WITHIN):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise ValueError("the file is larger than a verdict can be")
    return b"".join(parts)


def created_at(box: Any) -> datetime | None:
    try:
        made = datetime.fromisoformat(box.created_at)
    except (TypeError, ValueError):
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def aside(call: Callable[[], T], within: float) -> T:
    """In a thread of its own, and not waited for longer than this.

    In the main thread the SDK would take the process's alarm for its limits, which may be somebody else's; and the HTTP
    below sleeps for as long as an answer tells it to.
    """
    done: list[tuple[T | None, BaseException | None]] = []

    def work() -> None:
        try:
            done.append((call(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=work, name="llmroute-daytona", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        work()  # at the interpreter's end no thread can be started
    else:
        thread.join(within)
    if not done:
        raise TookTooLong(f"{within:g}")
    value, error = done[0]
    if error is not None:
        raise error
    return value  # type: ignore[return-value]
