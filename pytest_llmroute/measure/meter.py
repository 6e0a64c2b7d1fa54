"""RAM, CPU and GPU of this process and its children, and of the model servers that it calls.

One thread samples for any number of open marks. It never takes more than one hundredth of a core: what costs more is
done less often.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property

from pytest_llmroute.core.series import Series
from pytest_llmroute.measure.gpu import Gpu, GpuSeen
from pytest_llmroute.measure.mark import Mark, Target, Usage
from pytest_llmroute.measure.series import Rows
from pytest_llmroute.measure.servers import loopback_port, serving_pid, tree_of
from pytest_llmroute.measure.tree import Look, Tree, open_member

log = logging.getLogger("pytest_llmroute.measure")
INTERVAL = 0.2
SPARSE = 1.0
"""Least seconds between two readings of PSS, which walk through all pages of a process, and of the GPU."""
SAMPLES_SHARE, SPARSE_SHARE = 0.005, 0.002
"""Of one core: all samples; PSS and GPU each."""
AT_BEGIN, AT_END = 0.05, 0.002
"""Seconds for which a list of our own children is new enough for a mark: in two milliseconds none grows large.
A server's many threads make such a list dear, so that only the sampler makes it."""
RECENT = 0.005
"""Seconds for which what was last seen is good enough: for the RSS that a mark begins with, if the kernel's high-water
marks begin anew, and for a mark of processes that others use at the same time."""
LOOKS_SHARE, LESS_RECENT = 0.02, 0.05
"""Of the time, what looks at processes that several use may take; the most seconds for which one is good enough."""
SEVERAL = 3
"""Open marks of the same processes from which on none of them waits for another."""
AGAIN = 5.0
"""Seconds after which a server that was not found is looked for once more."""


class ProcessMeter:
    """`begin` and `end` measure our own processes; with what `watch` gives, those of a server."""

    def __init__(self, interval: float = INTERVAL, *, several: bool = False) -> None:
        self._interval = interval
        self._several = several
        """Whether other processes like this one call the same servers."""
        self._lock = threading.RLock()
        root = open_member(os.getpid())
        if root is None:
            raise PermissionError("this process can't be measured: what the system tells of it is hidden")
        self._own = Target(Tree(root), own=True)
        self._highest = 0
        """Bytes: the highest that this process itself ever had, as far as was seen."""
        self._servers: dict[int, Target] = {}
        self._find_at: dict[int, float] = {}
        self._rows = Rows()
        self._gpu_seen: GpuSeen | None = None
        self._wake, self._closed = threading.Event(), False
        self._thread: threading.Thread | None = None
        self._started_at = ""
        self.spent = 0.0
        """CPU seconds of the sampling thread so far."""

    def watch(self, endpoint: str) -> Target | None:
        """The server behind an address; None for another machine's. Its processes are looked up in the background."""
        port = loopback_port(endpoint) if endpoint else None
        if port is None:
            return None
        if (target := self._servers.get(port)) is None:
            with self._lock:
                target = self._servers.setdefault(port, Target(several=self._several))
        return target

    def begin(self, target: Target | None = None) -> Mark:
        mark = Mark(target or self._own)
        others = mark.target.marks
        if not self._free(mark):
            self._join(mark)
            return mark
        try:
            if len(others) == 1:  # of several none is alone any more
                next(iter(others)).alone = False
            mark.alone = not others
            others.add(mark)
            self._open(mark)
            if self._thread is None:
                self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
                self._thread = threading.Thread(target=self._run, name="llmroute-meter", daemon=True)
                self._thread.start()
            elif mark.cpu is None:
                self._wake.set()
        finally:
            self._lock.release()
        return mark

    def end(self, mark: Mark) -> Usage | None:
        """The usage since `begin`, None where no process was found; ending twice measures on from the same begin."""
        free = self._free(mark)
        try:
            tree = mark.target.tree
            if tree is not None and mark.cpu is not None:
                self._count([mark], self._look_now(mark, tree, AT_END) if free else tree.last, tree)
            mark.target.marks.discard(mark)
            return mark.usage(self._highest)
        finally:
            if free:
                self._lock.release()

    def _free(self, mark: Mark) -> bool:
        """Takes the lock; False where somebody else is just looking at what several measure: that is good enough.

        Each who waits for the lock would have it, and wait for Python's own lock, while all others wait for both.
        """
        return self._lock.acquire(blocking=len(mark.target.marks) < SEVERAL)

    def _join(self, mark: Mark) -> None:
        """Begins among others without a look of its own."""
        mark.alone = False
        mark.target.marks.add(mark)
        tree = mark.target.tree
        if tree is None or tree.last is None:
            self._wake.set()
        elif tree.alive:
            mark.keep_floors(tree, reset=False)
            mark.open(tree, tree.last)

    def series(self, worker: str) -> Series | None:
        """The samples so far; None where there are none."""
        rows = self._rows.rows()
        return Series(worker, self._started_at, self._interval * self._rows.samples, rows) if rows else None

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        with self._lock:
            for target in (self._own, *self._servers.values()):
                if target.tree is not None:
                    target.tree.close()

    def _open(self, mark: Mark) -> None:
        tree = mark.target.tree
        if tree is None or not tree.alive:
            return
        reset = mark.alone and not mark.target.several and not self._claimed(mark.target)
        look = tree.begin_anew() if reset and time.monotonic() - tree.looked_at < RECENT else None
        if look is None:
            look = self._look_now(mark, tree, AT_BEGIN)
            mark.keep_floors(tree, reset=reset)
        mark.open(tree, look)

    def _claimed(self, target: Target) -> bool:
        """Whether another open mark measures the same processes: a server that a test itself has started."""
        pids = target.tree.members.keys() if target.tree else set()
        others = (other for other in (self._own, *self._servers.values()) if other is not target and other.marks)
        return any(other.tree is not None and not pids.isdisjoint(other.tree.members) for other in others)

    def _look_now(self, mark: Mark, tree: Tree, recent: float) -> Look:
        """For a mark: with a new list of children where that is cheap and there is no recent one."""
        now = time.monotonic()
        good_for = max(RECENT, min(tree.took / LOOKS_SHARE, LESS_RECENT))
        if not mark.alone and tree.last is not None and now - tree.looked_at < good_for:
            return tree.last
        wanted = mark.target.own and tree.quick and now - tree.found_at > recent
        return self._look(mark.target, tree, children=wanted)

    def _look(self, target: Target, tree: Tree, *, children: bool) -> Look:
        look = tree.look(children=children)
        if target.own and (own := tree.root.last):
            self._highest = max(self._highest, own.peak or own.rss)
        crowded = tree.by_model and len(tree.members) > 2
        if look.ended or crowded:
            for mark in tuple(target.marks):
                mark.ended = max(mark.ended, look.ended)
                mark.crowded = mark.crowded or crowded
        return look

    def _count(self, marks: Iterable[Mark], look: Look | None, tree: Tree) -> None:
        """A server that has just ended is no sample of nothing."""
        for mark in tuple(marks):
            if look is not None and mark.cpu is not None and tree.alive:
                mark.count(look)

    @cached_property
    def _gpu(self) -> Gpu | None:
        return Gpu.opened()

    # The thread

    def _run(self) -> None:
        """Whatever goes wrong here must fail no test: marks go on without samples in between."""
        try:
            self._keep_sampling()
        except Exception:
            log.warning("[Measure] sampling has stopped", exc_info=True)

    def _keep_sampling(self) -> None:
        started = time.perf_counter()
        before, due, sparse = (started, 0.0), started + self._interval, started
        while True:
            self._wake.wait(max(0.0, due - time.perf_counter()))
            self._wake.clear()
            if self._closed:
                return
            self._find_servers()
            if (now := time.perf_counter()) < due:
                continue
            cpu = time.thread_time()
            before = self._sample(now - started, before)
            due = now + max(self._interval, (time.thread_time() - cpu) / SAMPLES_SHARE)
            if now >= sparse:
                cpu = time.thread_time()
                self._read_sparse()
                sparse = now + max(SPARSE, (time.thread_time() - cpu) / SPARSE_SHARE)
            self.spent = time.thread_time()

    def _find_servers(self) -> None:
        with self._lock:
            wanted = [
                (port, target)
                for port, target in self._servers.items()
                if target.marks and (target.tree is None or not target.tree.alive)
            ]
        for port, target in wanted:
            if time.monotonic() < self._find_at.get(port, 0.0):
                continue
            cpu = time.thread_time()
            pid = serving_pid(port)
            root = open_member(pid) if pid else None
            self._find_at[port] = time.monotonic() + max(AGAIN, (time.thread_time() - cpu) / SPARSE_SHARE)
            if pid and root is not None:
                with self._lock:
                    target.tree = tree_of(root)
                    target.tree.look()
                    for mark in tuple(target.marks):
                        self._open(mark)

    def _sample(self, at: float, before: tuple[float, float]) -> tuple[float, float]:
        """One look at everything that is measured; gives the time and CPU seconds of this one."""
        with self._lock:
            own, servers, pids = Look(0, 0.0, 0), [], set[int]()
            for target in (self._own, *self._servers.values()):
                tree = target.tree
                if tree is None or not tree.alive:
                    continue
                look = self._look(target, tree, children=True)
                self._count(target.marks, look, tree)
                pids |= tree.members.keys()
                if target.own:
                    own = look
                else:
                    servers.append(look.rss)
        now = time.perf_counter()
        percent = round(max(0.0, 100 * (own.cpu - before[1]) / (now - before[0])), 1) if before[1] else None
        seen = self._gpu_seen
        self._rows.add(
            (
                round(at, 2), own.rss, percent, sum(servers) if servers else None,
                seen.bytes_for(pids) if seen else None, seen.percent if seen else None,
            )
        )  # fmt: skip
        return now, own.cpu

    def _read_sparse(self) -> None:
        """PSS and GPU. The walk through a process's pages may take long, and is done without the lock."""
        self._gpu_seen = self._gpu.look() if self._gpu else None
        with self._lock:
            measured = [target for target in (self._own, *self._servers.values()) if target.marks and target.tree]
            readings = [(target, target.tree.open_pss() if target.tree else []) for target in measured]
        for target, files in readings:
            sizes = [read() for read in files]
            pss = None if None in sizes or not sizes else sum(size or 0 for size in sizes)
            with self._lock:
                pids = target.tree.members.keys() if target.tree else set()
                for mark in tuple(target.marks):
                    mark.count_sparse(pss, self._gpu_seen, pids)
