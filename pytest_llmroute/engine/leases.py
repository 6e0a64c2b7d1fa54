"""What the processes of one machine share: slots of a server, and the room for its models. Held by locks on files.

A lock ends with the process that holds it, however that ends. Where the system has no such locks (`fcntl`), each
process takes its part of the slots for good, and of the room.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_llmroute.core.processes import lives, name_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

POSSIBLE = fcntl is not None
REMEMBERED = 600.0
"""Seconds that a model is remembered which nobody holds, but its server may still have."""
OWN = " in process "
"""In the names of models that a process has for itself: they are gone when it is."""


def host_folder(fallback: Path) -> Path:
    """A folder of this user's on this machine; `fallback` where somebody else has one of that name."""
    uid = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"llmroute-{uid}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if found.st_uid == uid and not found.st_mode & 0o022 and not folder.is_symlink():
            return folder
    return fallback


def file_name(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()[:16]


class SlotLeases:
    """So many slots of one server, whoever of the processes of a run uses them. A `Width` of the dispatcher's."""

    shared = True

    def __init__(self, folder: Path, slots: int, share: int) -> None:
        self._folder, self._slots, self._share = folder, slots, max(1, share)
        """The share is what each process has at least, when all of them want slots."""
        self._held: dict[int, int] = {}
        """Descriptors by slot."""
        self._rounds = 0

    def __call__(self) -> int:
        return len(self._held)

    def heard(self, error: BaseException | None) -> None:
        """Nothing changes."""

    def balance(self, wanted: int, running: int) -> None:
        """Takes slots as they are wanted, and leaves those that nobody uses here; now and then all above the share."""
        self._rounds += 1
        most = min(wanted, self._slots)
        if self._rounds % ROUNDS == 0:
            most = min(most, self._share)
        for slot in list(self._held)[max(most, running) :]:
            os.close(self._held.pop(slot))
        if self._rounds % ROUNDS == 0:
            return  # who has less than its share comes first
        for slot in range(self._slots):
            if len(self._held) >= most:
                return
            if slot not in self._held and (descriptor := self._locked(slot)) is not None:
                self._held[slot] = descriptor

    def close(self) -> None:
        while self._held:
            os.close(self._held.popitem()[1])

    def _locked(self, slot: int) -> int | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / f"slot-{slot}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor


ROUNDS = 20
"""Each so-manieth round a process that has more than its share lets others choose first."""


@dataclass(slots=True)
class _Book:
    """Who holds which model in a memory, and who waits for room."""

    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: bytes, holders, and when it had one last."""
    wants: list[str] = field(default_factory=list)


class Holds:
    """The models that the processes of this machine want in one memory, whoever loads them there."""

    def __init__(self, folder: Path, place: str) -> None:
        self._path = folder / f"memory-{file_name(place)}.json"
        self._me = name_of(os.getpid())
        self.left = False
        """Whether nothing is ours any more; nothing can be taken then."""

    def take(self, model: str, size: int, budget: int | None) -> tuple[str, ...] | None:
        """What has to be unloaded for a model that is ours from now on; None while others leave no room for it."""
        with self._book() as book:
            if self.left:
                return None
            entry = book.models.setdefault(model, {"bytes": size, "holders": [], "left": time.time()})
            entry["bytes"] = size or entry["bytes"]
            held = {name for name, other in book.models.items() if other["holders"]} | {model}
            if budget is not None and len(held) > 1 and _bytes(book, held) > budget:
                book.wants = sorted({*book.wants, self._me})
                return None
            book.wants = [who for who in book.wants if who != self._me]
            entry["holders"] = sorted({*entry["holders"], self._me})
            gone = _in_the_way(book, held, budget)
            for name in gone:
                del book.models[name]
            return gone

    def drop(self, model: str) -> bool:
        """Ours no longer; whether nobody else's either, so that it may go."""
        with self._book() as book:
            entry = book.models.get(model, {"holders": []})
            entry["holders"] = [who for who in entry["holders"] if who != self._me]
            if not entry["holders"]:
                book.models.pop(model, None)
            return not entry["holders"]

    def held(self) -> dict[str, int]:
        """Bytes of all that somebody holds."""
        if not self._path.exists():
            return {}
        with self._book() as book:
            return {name: entry["bytes"] for name, entry in book.models.items() if entry["holders"]}

    def measured(self, model: str, size: int) -> None:
        with self._book() as book:
            if model in book.models:
                book.models[model]["bytes"] = size

    def wanted(self) -> bool:
        """Whether somebody else waits for room."""
        if not self._path.exists():
            return False
        with self._book() as book:
            return any(who != self._me for who in book.wants)

    def leave(self) -> None:
        """At the end: nothing is ours, and nobody waits for us. A server keeps its models for a while."""
        self.left = True
        if self._path.exists():
            with self._book() as book:
                for entry in book.models.values():
                    entry["holders"] = [who for who in entry["holders"] if who != self._me]
                book.wants = [who for who in book.wants if who != self._me]

    @contextmanager
    def _book(self) -> Iterator[_Book]:
        """Read, changed and written while nobody else does; who has died holds nothing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            book = _read(file.read())
            yield book
            file.seek(0)
            file.truncate()
            json.dump([book.models, book.wants], file)


def _read(text: str) -> _Book:
    now = time.time()
    try:
        models, wants = json.loads(text)
        book = _Book({str(name): dict(entry) for name, entry in models.items()}, [str(who) for who in wants])
        living = {who: lives(who) for entry in book.models.values() for who in entry["holders"]}
        for name, entry in list(book.models.items()):
            entry["holders"] = [who for who in entry["holders"] if living[who]]
            entry["bytes"] = int(entry["bytes"])
            if entry["holders"]:
                entry["left"] = now
            elif OWN in name or now - float(entry["left"]) > REMEMBERED:
                del book.models[name]
        book.wants = [who for who in book.wants if lives(who)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return _Book()
    return book


def _bytes(book: _Book, models: set[str]) -> int:
    return sum(book.models[name]["bytes"] for name in models)


def _in_the_way(book: _Book, held: set[str], budget: int | None) -> tuple[str, ...]:
    """Models that nobody holds any longer, as many as there is no room for."""
    left = {name for name in book.models if name not in held}
    gone: list[str] = []
    while left and budget is not None and _bytes(book, held | left) > budget:
        largest = max(sorted(left), key=lambda name: int(book.models[name]["bytes"]))
        left.remove(largest)
        gone.append(largest)
    return tuple(gone)
